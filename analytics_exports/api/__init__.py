"""HTTP: FastAPI over the services. A route parses the request, calls a service and renders the response.

    access_log             middleware: request ids, access log, standard headers
    app                    the application and its background threads
    authentication         API tokens, JWTs and the cookie of the web page to Principals
    deps                   dependencies of routes: services, caller, scopes
    docs_page              Swagger UI
    errors                 errors of HTTP itself
    headers                Idempotency-Key, Prefer: wait, Retry-After, Link
    host_check             middleware: the names that the service answers to
    metrics                Prometheus metrics
    notification_listener  thread: wakes requests that wait for an export
    page                   the web page
    problems               errors to HTTP responses
    projection_thread      thread: runs the event log projection
    range_requests         byte ranges and conditional requests (RFC 9110)
    reference              generates docs/reference/errors.md and openapi.json
    route_docs             scopes and errors of routes, for the OpenAPI document
    router                 the table of all routes
    routes                 the endpoints
    state                  state that a process keeps between requests, and the rate limit for invalid tokens
    strict                 strict parsing of request bodies
    transfer               sending files

Decisions about exports do not belong here, and adapters are reached through ``bootstrap`` only.
"""
