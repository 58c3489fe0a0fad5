"""``docs/reference/settings.md``: every setting."""

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from analytics_exports.cli.reference.tables import table
from analytics_exports.settings import PREFIX, Settings

INTRODUCTION = """\
# Settings

Environment variables, read once when a process starts. `analytics-exports settings` prints the same table, and
`analytics-exports doctor` says which of them needs another value. A value that is not valid stops every command with a
sentence that names the variable and never shows the value.

"""


def document() -> str:
    """The whole document."""
    fields = Settings.model_fields.items()
    rows = [(f"`{PREFIX}{name.upper()}`", _default(field), field.description or "") for name, field in fields]
    return INTRODUCTION + table(("variable", "default", "meaning"), rows)


def _default(field: FieldInfo) -> str:
    return "" if field.default in (None, PydanticUndefined, "") else f"`{field.default}`"
