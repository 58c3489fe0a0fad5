"""The isolation proof: nobody gets another user's row, and everybody gets all of their own.

    generated_data  random tables full of near misses, callers and selections
    oracle          which rows a caller must get, in plain Python
    engine          the real compiler and the real DuckDB on such a table
    properties      what must hold for every example
    mutants         wrong compilers, each of which the properties must find out
    shape           what a compiled query may look like, by parsing it

``test_*`` run them with a small budget; ``python -m analytics_exports_tests.isolation`` with any.
"""
