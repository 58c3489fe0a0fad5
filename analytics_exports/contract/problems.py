"""Error bodies: ``application/problem+json`` of RFC 9457."""

from pydantic import BaseModel, Field

MEDIA_TYPE = "application/problem+json"


class ProblemField(BaseModel):
    """One field that is wrong: a JSON pointer (RFC 6901) to it, and what to do about it."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """What went wrong. ``code`` is stable; ``detail`` says the remedy."""

    type: str = Field("about:blank", description="The documentation of this code.")
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[ProblemField] | None = None
