"""One dbt model to a Dataset, or to the reasons against it.

Names. A column used by a filter is a plain identifier: ASCII letters, digits and underscores, at most 63. The names of
the model, its database, schema and table consist of letters of any script, digits, underscores, dashes, dots and inner
spaces, and begin with none of the last three: they are always quoted, and safe as names of folders and files. A column
that is not used by a filter may have any printable name, because real projects have brackets and slashes there, but no
quotation marks, backslashes, semicolons or angle brackets. A column with such a name rejects the dataset, since it must
not be omitted silently. Two columns whose names differ in case only are the same to DuckDB, and reject it too.

Columns. A filter's column exists and has a suitable type; names are matched case-insensitively and kept as the
warehouse writes them. The owner column is ``user_id``.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from analytics_exports.catalogue import roles
from analytics_exports.catalogue.artifact_models import RejectedModel, sanitize
from analytics_exports.catalogue.meta import DatasetMeta, parse_meta
from analytics_exports.catalogue.nodes import Model
from analytics_exports.domain.dataset import (
    OWNER_COLUMN,
    Column,
    Dataset,
    EnumFilter,
    FilterSet,
    NumericFilter,
    dataset_id,
)

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
RELATION_NAME = re.compile(r"\w([\w .-]*[\w.-])?")
UNSAFE_CHARACTERS = frozenset("\"'`\\;<>")
MAX_NAME_LENGTH = 128
IN_MEMORY = frozenset({"memory", "system", "temp"})
"""DuckDB's built-in databases: what dbt builds there is gone when dbt ends."""

_MAX_PROBLEMS = 5

ByName = Mapping[str, Column]
"""Columns by name in lower case."""


def dataset_of(model: Model, columns: Sequence[Column]) -> Dataset:
    """The dataset that ``model`` offers.

    Args:
        columns: Those of its table, in order.

    Raises:
        RejectedModel: it must not be offered.
    """
    meta = parse_meta(model.meta)
    by_name = {column.name.lower(): column for column in columns}
    problems = [*_names(model), *_column_names(columns), *_owner(by_name), *_invalid_uses(meta, by_name)]
    if problems:
        raise RejectedModel(" ".join(problems[:_MAX_PROBLEMS]))
    return Dataset(
        id=dataset_id(model.name),
        name=model.name,
        friendly_name=meta.friendly_name or model.name,
        description=model.description,
        group=meta.group,
        time_grain=meta.time_grain,
        relation=model.relation,
        owner_column=by_name[OWNER_COLUMN].name,
        columns=tuple(_described(column, model) for column in columns),
        filters=_filters(meta, by_name),
        unique_key=_unique_key(meta, model, by_name),
    )


def _names(model: Model) -> Iterator[str]:
    relation = model.relation
    for part, name, remedy in (
        ("model", model.name, "rename the model"),
        ("database", relation.database, "rename the DuckDB file, after which dbt names it, in the dbt profile"),
        ("schema", relation.schema, "change the schema in the dbt profile or in the model's config"),
        ("table", relation.name, "change the alias in the model's config"),
    ):
        if len(name) > MAX_NAME_LENGTH or not RELATION_NAME.fullmatch(name):
            shown = sanitize(name)
            yield f"The name of its {part}, {shown}, holds characters that are not safe, or too many; {remedy}."
    if relation.database.lower() in IN_MEMORY:
        yield "Its database exists only while dbt runs; give the dbt profile the path of a file."


def _column_names(columns: Sequence[Column]) -> Iterator[str]:
    for column in columns:
        if not _is_printable(column.name):
            yield f"The column name {sanitize(column.name)} holds characters that are not safe; rename it in the model."
    for name, number in Counter(column.name.lower() for column in columns).items():
        if number > 1:
            yield f"Several columns are named {sanitize(name)}, if case is left aside; rename them in the model."


def _is_printable(name: str) -> bool:
    return (
        0 < len(name) <= MAX_NAME_LENGTH
        and name == name.strip()
        and name.isprintable()
        and not UNSAFE_CHARACTERS & {*name}
    )


def _uses(meta: DatasetMeta) -> Iterator[tuple[str, str, roles.Role]]:
    """Each use of a column by a filter: where it is written, the name as written, and the use."""
    filters = meta.filters
    for place, name, role in (
        ("date_column", filters.date_column, roles.DATE),
        ("account_id_column", filters.account_id_column, roles.ACCOUNT),
        ("tag_id_column", filters.tag_id_column, roles.TAG),
    ):
        if name is not None:
            yield f"filters.{place}", name, role
    for enum_filter in filters.enum_filters:
        yield "filters.enum_filters", enum_filter.name, roles.CHOICE
    for numeric_filter in filters.numeric_filters:
        yield "filters.numeric_filters", numeric_filter.name, roles.NUMBER


def _owner(columns: ByName) -> Iterator[str]:
    column = columns.get(OWNER_COLUMN)
    if column is None:
        yield f"The table has no column {OWNER_COLUMN}, which says whose a row is; add it to the model."
    elif not roles.OWNER.accepts(column.type):
        yield _type_problem(column, roles.OWNER)


def _invalid_uses(meta: DatasetMeta, columns: ByName) -> Iterator[str]:
    for place, name, role in _uses(meta):
        column = columns.get(name.lower())
        if column is None:
            yield f"{place}: {_missing(name, columns)}"
        elif not IDENTIFIER.fullmatch(column.name):
            yield f"{place}: {sanitize(column.name)} is not a plain identifier; rename it in the model."
        elif not role.accepts(column.type):
            yield f"{place}: {_type_problem(column, role)}"
    for name in meta.unique_key:
        if name.lower() not in columns:
            yield f"unique_key: {_missing(name, columns)}"


def _missing(name: str, columns: ByName) -> str:
    similar = get_close_matches(name.lower(), columns, n=1)
    hint = f"; is {sanitize(columns[similar[0]].name)} meant?" if similar else "."
    return f"the table has no column {sanitize(name)}{hint}"


def _type_problem(column: Column, role: roles.Role) -> str:
    return f"{column.name} has the type {sanitize(column.type)}; it must be {role.wanted}."


def _described(column: Column, model: Model) -> Column:
    description = model.descriptions.get(column.name.lower(), "")
    return Column(column.name, column.parsed_type.name, description)


def _filters(meta: DatasetMeta, columns: ByName) -> FilterSet:
    def exact(name: str | None) -> str | None:
        return None if name is None else columns[name.lower()].name

    offers = meta.filters
    return FilterSet(
        date_column=exact(offers.date_column),
        account_id_column=exact(offers.account_id_column),
        tag_id_column=exact(offers.tag_id_column),
        enum_filters=tuple(
            EnumFilter(columns[item.name.lower()].name, item.label or item.name, item.options)
            for item in offers.enum_filters
        ),
        numeric_filters=tuple(
            NumericFilter(columns[item.name.lower()].name, item.label or item.name) for item in offers.numeric_filters
        ),
    )


def _unique_key(meta: DatasetMeta, model: Model, columns: ByName) -> tuple[str, ...]:
    """The project's own key, or the first of dbt's keys whose columns exist: a key may also be an expression."""
    for key in (meta.unique_key, *model.keys):
        names = [name.lower() for name in key]
        if names and columns.keys() >= set(names):
            return tuple(columns[name].name for name in dict.fromkeys(names))
    return ()
