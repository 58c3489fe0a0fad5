"""PostgreSQL: users, tokens, accounts, tags and the jobs table, through SQLAlchemy.

The schema lives in ``models`` and in ``alembic/``, and a test holds them equal. ``jobs`` implements the JobStore port,
``directory`` the Directory port. What does not belong: Dagster's own tables (they live in the schema ``dagster``), and
any decision about when a transition should happen.
"""
