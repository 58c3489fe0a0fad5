"""The types of columns, by DuckDB's names for them.

Every warehouse describes its columns by DuckDB's type names, as ``DESCRIBE`` prints them. This is the only place that
parses them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class ColumnType:
    """The type of a column, or of something inside one.

    Attributes:
        name: In SQL, such as ``DECIMAL(18,2)``; a collation is no part of it.
        kind: The family in lower case and without parameters, such as ``decimal``; ``unknown`` if not one of ``KINDS``.
        fields: Fields of a struct; ``key`` and ``value`` of a map; the only ``child`` of a list or an array.
        precision: Digits of a DECIMAL.
        scale: Digits after the decimal point of a DECIMAL.
        collation: Of text; empty for the comparison by bytes.
    """

    name: str
    kind: str
    fields: tuple[tuple[str, "ColumnType"], ...] = ()
    precision: int = 0
    scale: int = 0
    collation: str = ""

    @property
    def child(self) -> "ColumnType":
        """The element type of a list or an array."""
        return self.inner(0)

    def inner(self, position: int) -> "ColumnType":
        """The type of the field at this position; the unknown type when there is none."""
        return self.fields[position][1] if position < len(self.fields) else UNKNOWN


UNKNOWN = ColumnType("", "unknown")
VARCHAR = ColumnType("VARCHAR", "varchar")

INTEGERS = frozenset(
    {
        *("tinyint", "smallint", "integer", "bigint", "hugeint"),
        *("utinyint", "usmallint", "uinteger", "ubigint", "uhugeint"),
    }
)
FLOATS = frozenset({"float", "double"})
NUMBERS = INTEGERS | FLOATS | {"decimal"}
EXACT = INTEGERS | {"uuid", "varchar"}
"""Kinds whose values are equal exactly when their text is equal."""

DATES = frozenset(
    {
        *("date", "timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"),
        *("timestamp with time zone", "timestamptz_ns"),
    }
)
LISTS = frozenset({"array", "list"})
KINDS = (
    NUMBERS
    | EXACT
    | DATES
    | LISTS
    | {
        *("bignum", "bit", "blob", "boolean", "enum", "geometry", "interval", "json", "map", "struct", "union"),
        *("time", "time_ns", "time with time zone", "variant"),
    }
)
"""All kinds. A type that a project or a later DuckDB defines is ``unknown``; its values are read as text."""


@lru_cache(maxsize=4096)
def parse_type(name: str) -> ColumnType:
    """The type with this name."""
    try:
        tokens = list(_tokens(name))
        parsed, end = _Parser(name, tokens).type(0)
    except (IndexError, ValueError, RecursionError):
        return ColumnType(name, "unknown")
    return parsed if end == len(tokens) else ColumnType(name, "unknown")


_TOKEN = re.compile(r"""\s*("(?:[^"]|"")*"|'(?:[^']|'')*'|[(),]|\[\d*\]|[^\s"'(),\[\]]+)""")


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    begin: int
    end: int


def _tokens(name: str) -> Iterator[_Token]:
    """The tokens of a type name. Raises ValueError when it has anything else."""
    end = 0
    while found := _TOKEN.match(name, end):
        end = found.end()
        yield _Token(found[1], found.start(1), end)
    if name[end:].strip():
        raise ValueError


@dataclass(frozen=True, slots=True)
class _Parser:
    """Recursive descent over the tokens; each method returns what it read and the position after it."""

    source: str
    tokens: Sequence[_Token]

    def type(self, at: int) -> tuple[ColumnType, int]:
        begin, end = at, self._word_end(at)
        words = [token.text.lower() for token in self.tokens[at:end]]
        kind, collation = " ".join(words), ""
        if words[:2] == ["varchar", "collate"]:
            kind, collation = "varchar", " ".join(words[2:])
        fields: tuple[tuple[str, ColumnType], ...] = ()
        digits = (18, 3) if kind == "decimal" else (0, 0)
        if self._is("(", end):
            if kind == "struct":
                fields, end = self._fields(end + 1, named=True)
            elif kind == "map":
                fields, end = self._fields(end + 1, named=False)
                fields = (("key", fields[0][1]), ("value", fields[1][1]))
            elif kind == "decimal":
                digits, end = (int(self.tokens[end + 1].text), int(self.tokens[end + 3].text)), end + 5
            else:
                end = self._closing(end)
        name = "VARCHAR" if collation else self._text(begin, end)
        found = ColumnType(name, kind if kind in KINDS else "unknown", fields, *digits, collation)
        while end < len(self.tokens) and self.tokens[end].text.startswith("["):
            kind = "list" if self.tokens[end].text == "[]" else "array"
            end += 1
            found = ColumnType(self._text(begin, end), kind, (("child", found),))
        return found, end

    def _fields(self, at: int, *, named: bool) -> tuple[tuple[tuple[str, ColumnType], ...], int]:
        fields: list[tuple[str, ColumnType]] = []
        while True:
            name = _unquoted(self.tokens[at].text) if named else ""
            field, at = self.type(at + named)
            fields.append((name, field))
            at += 1
            if self._is(")", at - 1):
                return tuple(fields), at
            if not self._is(",", at - 1):
                raise ValueError

    def _word_end(self, at: int) -> int:
        end = at
        while end < len(self.tokens) and self.tokens[end].text[0] not in "(),[":
            end += 1
        if end == at:
            raise ValueError
        return end

    def _closing(self, at: int) -> int:
        """The position after the parenthesis that closes the one at ``at``."""
        depth = 0
        while True:
            depth += {"(": 1, ")": -1}.get(self.tokens[at].text, 0)
            at += 1
            if not depth:
                return at

    def _is(self, text: str, at: int) -> bool:
        return at < len(self.tokens) and self.tokens[at].text == text

    def _text(self, begin: int, end: int) -> str:
        return self.source[self.tokens[begin].begin : self.tokens[end - 1].end]


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
