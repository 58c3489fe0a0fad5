"""The vocabulary: datasets, selections, export jobs, formats and errors.

Plain frozen values and the rules between them, on the standard library alone. No I/O, no framework, no clock.
"""
