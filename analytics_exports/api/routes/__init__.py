"""The endpoints, one module for each noun. A route parses, calls one service and renders.

Their addresses, scopes and errors are in ``api.router``.
"""
