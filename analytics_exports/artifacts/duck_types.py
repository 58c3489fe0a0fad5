"""What DuckDB's name of a type says that the type of a Polars column does not: which text is JSON, which list is a map.

Only names are read here; how values of a type travel is written down in ``warehouse.frames``.
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
        inner: Of a list its element; of a map key and value; of a struct its fields in their order.
    """

    name: str = ""
    inner: tuple["Kind", ...] = ()

    def child(self, number: int) -> "Kind":
        """What is inside at this place; the unknown kind where nothing is known."""
        return self.inner[number] if number < len(self.inner) else UNKNOWN


UNKNOWN = Kind()


def parse(name: str) -> Kind:
    """The kind of the type that DuckDB calls ``name``. What cannot be read has the unknown kind."""
    tokens = _TOKEN.findall(name)
    try:
        kind, end = _type(tokens, 0)
    except IndexError:
        return UNKNOWN
    return kind if end == len(tokens) else UNKNOWN


def _type(tokens: list[str], at: int) -> tuple[Kind, int]:
    """The type that begins at a token, and the place after it."""
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
    """What is in parentheses, when those are types, and the place after them."""
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
