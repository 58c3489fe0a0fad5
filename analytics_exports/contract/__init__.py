"""The HTTP contract as pydantic models; the API and the client both import it.

    examples     examples for the OpenAPI document
    fields       field types that accept one spelling of each value
    lists        lists of exports, links and formats
    problems     error bodies (RFC 9457)
    profile      the caller and what they can filter by
    requests     request bodies and query parameters
    responses    response bodies
    strict_json  parsing JSON without ambiguity
    tokens       API tokens, for administrators

Names of endpoints and fields are stable: they are added to, never renamed. FastAPI does not belong here.
"""

BASE_PATH = "/api/analytics"
"""Every endpoint is below this path."""
