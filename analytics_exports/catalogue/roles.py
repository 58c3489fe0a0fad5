"""Which DuckDB types a column may have for each use.

Owners, accounts and tags are only compared exactly: with a collation ``alice`` would see the rows of ``ALICE``, and the
number 1.0 can be spelled in several ways. The types of each use are exactly those that the warehouse can compare.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)
IDS = INTEGERS | {"UUID", "VARCHAR"}
NUMBERS = INTEGERS | {"FLOAT", "DOUBLE"}
DATES = frozenset(
    {
        "DATE",
        "TIMESTAMP",
        "TIMESTAMP_S",
        "TIMESTAMP_MS",
        "TIMESTAMP_NS",
        "TIMESTAMP WITH TIME ZONE",
        "TIMESTAMPTZ_NS",
    }
)

_LIST = re.compile(r"(\w+)\[\d*\]")
_DECIMAL = re.compile(r"DECIMAL(\(\d+,\s*\d+\))?")
_COLLATED = re.compile(r"VARCHAR COLLATE [\w.]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Role:
    """A use of a column.

    Attributes:
        fits: Whether a type, by its name in upper case, is allowed for this use.
        wanted: The allowed types, for operators.
    """

    fits: Callable[[str], bool]
    wanted: str

    def accepts(self, type_name: str) -> bool:
        """Whether a column of this type is allowed."""
        return self.fits(type_name.upper())


def _is_id(name: str) -> bool:
    return name in IDS


def _is_id_or_list(name: str) -> bool:
    found = _LIST.fullmatch(name)
    return _is_id(found[1] if found else name)


def _is_date(name: str) -> bool:
    return name in DATES


def _is_number(name: str) -> bool:
    return name in NUMBERS or _DECIMAL.fullmatch(name) is not None


def _is_choice(name: str) -> bool:
    return name in IDS or name == "BOOLEAN" or name.startswith("ENUM(")


OWNER = ACCOUNT = Role(_is_id, "UUID, an integer type, or VARCHAR without a collation")
TAG = Role(_is_id_or_list, "UUID, an integer type, VARCHAR without a collation, or a list of one of these")
DATE = Role(_is_date, "DATE or a TIMESTAMP type")
CHOICE = Role(_is_choice, "VARCHAR without a collation, an ENUM, BOOLEAN, UUID or an integer type")
NUMBER = Role(_is_number, "an integer type, DECIMAL, FLOAT or DOUBLE")


def without_collation(type_name: str) -> str:
    """The name of the type without its collation."""
    return "VARCHAR" if _COLLATED.fullmatch(type_name) else type_name
