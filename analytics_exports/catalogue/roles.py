"""Which DuckDB types a column may have for each use.

Owners, accounts and tags are only compared exactly: with a collation ``alice`` would see the rows of ``ALICE``, and the
number 1.0 can be spelled in several ways. The types of each use are exactly those that the warehouse can compare.
"""

from collections.abc import Callable
from dataclasses import dataclass

from analytics_exports.domain.column_type import DATES, EXACT, LISTS, NUMBERS, ColumnType, parse_type


@dataclass(frozen=True, slots=True)
class Role:
    """A use of a column.

    Attributes:
        fits: Whether a type is allowed for this use.
        wanted: The allowed types, for operators.
    """

    fits: Callable[[ColumnType], bool]
    wanted: str

    def accepts(self, type_name: str) -> bool:
        """Whether a column of the type with this name is allowed."""
        return self.fits(parse_type(type_name))


def _is_id(of: ColumnType) -> bool:
    return of.kind in EXACT and not of.collation


def _is_id_or_list(of: ColumnType) -> bool:
    return _is_id(of.child if of.kind in LISTS else of)


def _is_date(of: ColumnType) -> bool:
    return of.kind in DATES


def _is_number(of: ColumnType) -> bool:
    return of.kind in NUMBERS


def _is_choice(of: ColumnType) -> bool:
    return _is_id(of) or of.kind in {"boolean", "enum"}


OWNER = ACCOUNT = Role(_is_id, "UUID, an integer type, or VARCHAR without a collation")
TAG = Role(_is_id_or_list, "UUID, an integer type, VARCHAR without a collation, or a list of one of these")
DATE = Role(_is_date, "DATE or a TIMESTAMP type")
CHOICE = Role(_is_choice, "VARCHAR without a collation, an ENUM, BOOLEAN, UUID or an integer type")
NUMBER = Role(_is_number, "an integer type, DECIMAL, FLOAT or DOUBLE")
