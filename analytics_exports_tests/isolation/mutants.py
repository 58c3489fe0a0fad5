"""Wrong compilers. Each makes one mistake that somebody could make, in the finished SQL or in its parameters.

A mutant that no property finds out would mean that the properties prove less than they seem to.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from analytics_exports.warehouse.compiler import Compiler, Query
from analytics_exports.warehouse.paging import Position
from analytics_exports_tests.isolation.generated_data import Example

Change = Callable[[Query, Example], Query]

OWNED = re.compile(r'(?P<column>"<rows>"\."user_id"(?: COLLATE C)?) = CAST\(\$owner AS (?P<type>\w+)\)')
"""The owner's condition, wherever it stands."""


@dataclass(frozen=True)
class Mutant:
    """A mistake, and which queries it is made in."""

    name: str
    change: Change
    in_pages: bool = False


class Mutated(Compiler):
    """The real compiler, with one mistake made in all it compiles."""

    def __init__(self, example: Example, change: Change) -> None:
        super().__init__(example.dataset, example.scope, example.selection)
        self._example = example
        self._change = change

    def rows(self) -> Query:
        return self._mutate(super().rows())

    def page(self, limit: int, offset: int, position: Position | None) -> Query:
        return self._mutate(super().page(limit, offset, position))

    def count(self) -> Query:
        return self._mutate(super().count())

    def sizes(self, limit: int) -> Query:
        return self._mutate(super().sizes(limit))

    def _mutate(self, query: Query) -> Query:
        changed = self._change(query, self._example)
        used = {name: value for name, value in changed.params.items() if re.search(rf"\${name}\b", changed.sql)}
        return replace(changed, params=used)


def owner(condition: str, *, key: Callable[[Example], object] | None = None) -> Change:
    """Put ``condition`` in place of the owner's; ``{column}``, ``{text}`` and ``{type}`` stand for parts of it.

    Args:
        key: The owner parameter, when it is not the one that was compiled.
    """

    def change(query: Query, example: Example) -> Query:
        def put(match: re.Match[str]) -> str:
            bare = '"<rows>"."user_id"'
            return condition.format(bare=bare, text=f"CAST({bare} AS VARCHAR)", **match.groupdict())

        params = query.params if key is None else {**query.params, "owner": key(example)}
        return Query(OWNED.sub(put, query.sql), params)

    return change


def text(pattern: str, replacement: str) -> Change:
    """Replace what ``pattern`` matches in the SQL."""
    return lambda query, example: replace(query, sql=re.sub(pattern, replacement, query.sql))


def raw(example: Example) -> object:
    """The caller's key, without a look at whether it is a value of the column's type."""
    return example.scope.owner_key


def interpolated(query: Query, example: Example) -> Query:
    """The caller's key pasted into the SQL."""
    pasted = f"CAST(\"user_id\" AS VARCHAR) = '{example.scope.owner_key}'"
    return Query(OWNED.sub(lambda match: pasted, query.sql), query.params)


def without_empty_lists(query: Query, example: Example) -> Query:
    """A list of nothing taken for no list."""
    sql = query.sql
    for name, value in query.params.items():
        if value == []:
            sql = re.sub(
                rf"(?:list_has_any\([^$]*|[^ ]+(?: COLLATE C)? = ANY\()CAST\(\${name} AS \w+\[\]\)\)", "true", sql
            )
    return replace(query, sql=sql)


MUTANTS = (
    Mutant("no owner condition", owner("true")),
    Mutant("everybody but the owner", owner("{column} <> CAST($owner AS {type})")),
    Mutant("owner OR the first filter", text(r"(\$owner AS \w+\)) AND ", r"\1 OR ")),
    Mutant("filters joined by OR, without parentheses", text(r"(WHERE .+) AND (?!.* AND )", r"\1 OR ")),
    Mutant("owner LIKE key", owner("{text} LIKE $owner", key=raw)),
    Mutant("owner ILIKE key", owner("{text} ILIKE $owner", key=raw)),
    Mutant("owner in lower case", owner("lower({text}) = lower($owner)", key=raw)),
    Mutant("owner without spaces around", owner("trim({text}) = trim($owner)", key=raw)),
    Mutant("owner in normal form", owner("nfc_normalize({text}) = nfc_normalize($owner)", key=raw)),
    Mutant("owner without accents", owner("strip_accents({text}) = strip_accents($owner)", key=raw)),
    Mutant("owner begins with key", owner("starts_with({text}, $owner)", key=raw)),
    Mutant("key begins with owner", owner("starts_with($owner, {text})", key=raw)),
    Mutant("owner or nobody", owner("({column} = CAST($owner AS {type}) OR {bare} IS NULL)")),
    Mutant("NULL key is everybody", owner("({column} = CAST($owner AS {type}) OR $owner IS NULL)")),
    Mutant("empty key is everybody", owner("({text} = $owner OR $owner = '')", key=raw)),
    Mutant("key pasted into the SQL", interpolated),
    Mutant("key converted loosely", owner("{column} = TRY_CAST($owner AS {type})", key=raw)),
    Mutant("collation of the column", text(" COLLATE C", "")),
    Mutant("empty list is no list", without_empty_lists),
    Mutant("first day left out", text(r">= CAST\(\$start_date", "> CAST($start_date")),
    Mutant("last day left out", text(r"CAST\(\$end_date AS DATE\) \+ 1", "CAST($end_date AS DATE)")),
    Mutant("day after the last let in", text(r'"day" < CAST', '"day" <= CAST')),
    Mutant("NaN is a number", text(r" AND NOT isnan\([^)]+\)", "")),
    Mutant("largest number left out", text(r"<= CAST\(\$max_0", "< CAST($max_0")),
    Mutant("all tags in place of any", text("list_has_any", "list_has_all")),
    Mutant("a silent limit", text(r"( ORDER BY .+?)(\) AS found)?$", r"\1 LIMIT 3\2")),
    Mutant("no order", text(r" ORDER BY .+?(\) AS found)?$", r"\1")),
    Mutant("NULLs first", text("NULLS LAST", "NULLS FIRST")),
    Mutant("page begins one late", text(r"OFFSET (\d+)\)", r"OFFSET \1 + 1)"), in_pages=True),
    Mutant("cursor loses rows without a date", text(' OR "<rows>"."day" IS NULL', ""), in_pages=True),
    Mutant(
        "cursor ignores the second key",
        text(r'OR \("<rows>"."day" = [^()]+\([^()]+\) AND', "OR (false AND"),
        in_pages=True,
    ),
)
