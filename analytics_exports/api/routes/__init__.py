"""The endpoints. A route parses the request, calls one service and renders the response.

    datasets   datasets, formats, queries and previews
    downloads  files and download links
    exports    create, read, list, cancel, retry, estimate
    me         the caller, and sign-in of the web page
    metrics    Prometheus metrics
    status     health, readiness and error codes
    tokens     API tokens, for administrators

Their paths, scopes and errors are in ``api.router``.
"""
