"""Link headers (RFC 8288)."""

from urllib.parse import parse_qsl, urlencode

from fastapi import Request


def next_link(request: Request, cursor: str | None) -> dict[str, str]:
    """The Link header for the next page of a list; none on the last page."""
    if cursor is None:
        return {}
    kept = [(name, value) for name, value in parse_qsl(request.url.query) if name not in ("cursor", "offset")]
    return {"Link": f'<{request.url.path}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'}
