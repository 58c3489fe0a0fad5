"""Error bodies: ``application/problem+json`` of RFC 9457."""

from pydantic import BaseModel, Field

from analytics_exports.contract import BASE_PATH, examples

MEDIA_TYPE = "application/problem+json"


class ProblemField(BaseModel):
    """One invalid field."""

    pointer: str = Field(description="A JSON pointer (RFC 6901) to the field of the body, or to the parameter.")
    detail: str = Field(description="What to do about it. The value that was sent is never repeated.")


class Problem(BaseModel):
    """An error."""

    type: str = Field(description="Address of the documentation of this code.")
    title: str = Field(description="The HTTP status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What went wrong and what to do, for people.")
    code: str = Field(description="What went wrong, for programs. A code never changes its meaning.")
    request_id: str = Field(description="Under this id operators find the request in the log.")
    errors: list[ProblemField] | None = Field(None, description="Which fields are wrong.")


class ErrorCode(BaseModel):
    """The documentation of a code."""

    model_config = examples.example_config(examples.ERROR_CODE)

    code: str
    status: int
    title: str
    detail: str
    retryable: bool = Field(description="Whether the same request can succeed later without a change.")
    example: Problem


def documentation_path(code: str) -> str:
    """The path of the documentation of a code."""
    return f"{BASE_PATH}/errors/{code}"
