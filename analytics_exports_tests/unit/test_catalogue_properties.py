"""What holds for every manifest, also for those that no dbt would write."""

import copy
import json
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics_exports.catalogue import roles
from analytics_exports.domain.dataset import CatalogueState, Dataset
from analytics_exports.domain.errors import CatalogueUnavailable
from analytics_exports_tests.data.manifests.handmade import COLUMNS, META, Project, catalog, manifest, node, put

many = settings(deadline=None, max_examples=100)

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20)
)
words = st.sampled_from(
    [*COLUMNS, "dataset", "filters", "name", "options", "columns", "type", "primary_key", "user_id"]
)
values = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
"""Any JSON, often with words that mean something here."""

types = st.sampled_from(
    ["UUID", "VARCHAR", "VARCHAR COLLATE nocase", "BIGINT", "DOUBLE", "DATE", "TIMESTAMP", "UUID[]", "JSON", "", "x"]
)
column_names = st.sampled_from(["user_id", "USER_ID", "day", "Day", "kind", "amount", "größe", 'a"b', "<owner>"])
filters = st.fixed_dictionaries(
    {},
    optional={
        "date_column": column_names,
        "tag_id_column": column_names,
        "enum_filters": st.lists(st.builds(lambda name: {"name": name, "options": ["a"]}, column_names), max_size=2),
        "numeric_filters": st.lists(st.builds(lambda name: {"name": name}, column_names), max_size=2),
    },
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("projects")


def fresh(folder: Path) -> Project:
    """A project of its own in ``folder``."""
    own = folder / uuid4().hex
    own.mkdir()
    return Project(own)


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to ``content`` and to every value inside it."""
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [path, *(found for key, value in inner for found in places(value, (*path, key)))]


def replaced(content: Any, path: tuple[Any, ...], value: object) -> Any:
    """A copy of ``content`` with ``value`` at the end of the way."""
    if not path:
        return value
    result = copy.deepcopy(content)
    inner = result
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return result


def is_sound(dataset: Dataset) -> bool:
    """Whether a dataset refers only to columns of its own, each of a type for its use, under exactly one name."""
    columns, filters = dataset.columns_by_name(), dataset.filters
    uses = [
        (dataset.owner_column, roles.OWNER),
        (filters.date_column, roles.DATE),
        (filters.account_id_column, roles.ACCOUNT),
        (filters.tag_id_column, roles.TAG),
        *((item.name, roles.CHOICE) for item in filters.enum_filters),
        *((item.name, roles.NUMBER) for item in filters.numeric_filters),
    ]
    return (
        len({name.lower() for name in columns}) == len(dataset.columns)
        and dataset.owner_column.lower() == "user_id"
        and all(name in columns and role.accepts(columns[name].type) for name, role in uses if name is not None)
        and set(dataset.unique_key) <= columns.keys()
        and not any(set(name) & set('"<>;\0') for name in columns)
    )


def read(project: Project) -> CatalogueState | None:
    """The catalogue, checked for what holds for every one; ``None`` when there is none."""
    try:
        state = project.catalogue().state()
    except CatalogueUnavailable:
        return None
    assert all(is_sound(item) and item.id == key for key, item in state.datasets.items())
    assert all(item.reason and (item.name + item.reason).isprintable() for item in state.rejected)
    return state


@many
@given(meta=values | st.dictionaries(st.sampled_from(list(META)), values), offers=values)
def test_whatever_stands_under_meta_spoils_no_more_than_its_own_model(folder: Path, meta: Any, offers: Any) -> None:
    project = fresh(folder)
    project.tables |= {"one": COLUMNS, "two": COLUMNS}
    project.publish(node("one", meta=meta), node("two", meta={**META, "filters": offers}), node())

    state = read(project)

    assert state is not None
    assert "fct_transactions" in {item.name for item in state.datasets.values()}


@many
@given(data=st.data())
def test_any_value_in_any_place_of_the_files_is_survived(folder: Path, data: st.DataObject) -> None:
    project = fresh(folder)
    contents = {
        project.manifest: manifest(
            node(constraints=[{"type": "primary_key", "columns": ["amount"]}], version=1, latest_version=1)
        ),
        project.catalog: catalog(COLUMNS),
    }
    for path, content in contents.items():
        put(path, content)
    assert read(project) is not None
    path = data.draw(st.sampled_from(list(contents)))
    put(path, replaced(contents[path], data.draw(st.sampled_from(places(contents[path]))), data.draw(values)))

    read(project)


@many
@given(
    columns=st.dictionaries(column_names, types, max_size=6), filters=filters, key=st.lists(column_names, max_size=2)
)
def test_whatever_is_accepted_is_sound_and_whatever_is_not_has_a_reason(
    folder: Path, columns: dict[str, str], filters: dict[str, Any], key: list[str]
) -> None:
    project = fresh(folder)
    project.tables = {"fct_transactions": columns}
    project.publish(node(meta={"dataset": True, "filters": filters}, primary_key=key))

    state = read(project)

    assert state is not None
    assert len(state.datasets) + len(state.rejected) == 1


@many
@given(data=st.data())
def test_bytes_that_are_changed_in_place_never_break_a_catalogue_that_was_whole(
    folder: Path, data: st.DataObject
) -> None:
    project = fresh(folder)
    project.publish(node())
    catalogue = project.catalogue()
    before = catalogue.state()
    whole = bytearray(project.manifest.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at : at + 1] = data.draw(st.binary(max_size=3))
    project.manifest.write_bytes(whole)
    os.utime(project.manifest, ns=(0, 0))  # written in place, at another moment

    after = catalogue.state()

    assert all(map(is_sound, after.datasets.values()))
    assert after.stale is None or after.datasets == before.datasets
    try:
        json.loads(whole)
    except ValueError:
        assert after.stale is not None
