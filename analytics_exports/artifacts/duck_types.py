"""Parses DuckDB's type names for what a Polars type does not tell: which text is JSON, which list is a map.

How values of each type are represented in a frame is defined in ``warehouse.frames``.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"""\s*("(?:[^"]|"")*"|'(?:[^']|'')*'|[(),]|\[\d*\]|[^\s"'(),\[\]]+)""")
_WITH_FIELDS = frozenset({"map", "struct"})


@dataclass(frozen=True, slots=True)
class Kind:
    """The family of a type.

    Attributes:
        name: In lower case and without parameters, such as ``decimal``; ``list`` also for arrays; empty when unknown.
        inner: The element of a list; key and value of a map; the fields of a struct in their order.
    """

    name: str = ""
    inner: tuple["Kind", ...] = ()

    def child(self, number: int) -> "Kind":
        """The inner kind at this position; the unknown kind when there is none."""
        return self.inner[number] if number < len(self.inner) else UNKNOWN


UNKNOWN = Kind()


def parse_type(name: str) -> Kind:
    """The kind of the type with this name; the unknown kind when it cannot be parsed."""
    tokens = _TOKEN.findall(name)
    try:
        kind, end = _type(tokens, 0)
    except IndexError:
        return UNKNOWN
    return kind if end == len(tokens) else UNKNOWN


def _type(tokens: list[str], at: int) -> tuple[Kind, int]:
    """The type that begins at a token, and the position after it."""
    words = []
    while at < len(tokens) and tokens[at] not in ("(", ")", ",") and not tokens[at].startswith("["):
        words.append(tokens[at].lower())
        at += 1
    kind = Kind(" ".join(words))
    if tokens[at : at + 1] == ["("]:
        inner, at = _parameters(tokens, at + 1, named=kind.name == "struct", types=kind.name in _WITH_FIELDS)
        kind = Kind(kind.name, inner)
    while at < len(tokens) and tokens[at].startswith("["):
        kind, at = Kind("list", (kind,)), at + 1
    return kind, at


def _parameters(tokens: list[str], at: int, *, named: bool, types: bool) -> tuple[tuple[Kind, ...], int]:
    """The types in parentheses, if they are types, and the position after them."""
    inner: list[Kind] = []
    depth = 1
    while types:
        kind, at = _type(tokens, at + named)
        inner.append(kind)
        at += 1
        if tokens[at - 1] == ")":
            return tuple(inner), at
    while depth:
        depth += {"(": 1, ")": -1}.get(tokens[at], 0)
        at += 1
    return (), at
