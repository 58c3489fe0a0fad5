"""Lists and links: responses to owners besides single exports."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from analytics_exports.contract import examples
from analytics_exports.contract.responses import ExportOut
from analytics_exports.domain.formats import Format


class ExportList(BaseModel):
    """Some of your exports, newest first."""

    model_config = examples.example_config(examples.EXPORT_LIST)

    exports: list[ExportOut]
    next_cursor: str | None = Field(description="For the exports after these; null on the last page.")


class LinkOut(BaseModel):
    """A link that downloads the file without a token."""

    model_config = examples.example_config(examples.LINK)

    url: str = Field(description="Address on this service. Whoever has it can download the file.")
    expires_at: datetime


class FormatOut(BaseModel):
    """A file format, and the options that an export in it can have."""

    format: Format
    hint: str
    media_type: str
    options: dict[str, Any] = Field(description="A JSON Schema of the fields of the request that are about the format.")


class FormatList(BaseModel):
    """All file formats."""

    model_config = examples.example_config(examples.FORMAT_LIST)

    formats: list[FormatOut]
