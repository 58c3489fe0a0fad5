"""The wire: what goes in and out over HTTP, as pydantic models. The API and the client both import it.

The names of endpoints and fields are a promise; they are added to, never renamed. FastAPI does not belong here.
"""

BASE_PATH = "/api/analytics"
"""Every endpoint is below this path."""
