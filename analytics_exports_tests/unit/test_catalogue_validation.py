"""Which models become datasets, and the reasons why others are rejected."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from analytics_exports.catalogue.artifact_models import RejectedModel
from analytics_exports.catalogue.nodes import model_of
from analytics_exports.catalogue.validation import dataset_of
from analytics_exports.domain.dataset import Column, Dataset, EnumFilter, FilterSet, NumericFilter, Relation
from analytics_exports_tests import factories
from analytics_exports_tests.data.manifests.handmade import COLUMNS, FILTERS, META, node

PRIMARY_KEY = {"type": "primary_key", "columns": ["booking_date", "transaction_id"]}


def fit(types: Mapping[str, str], **changes: Any) -> Dataset:
    """The dataset of a model with these columns; ``changes`` are to its node."""
    columns = tuple(Column(name, of) for name, of in types.items())
    return dataset_of(model_of(node(**changes), None), columns)


def reason(types: Mapping[str, str], **changes: Any) -> str:
    """Why it is none."""
    with pytest.raises(RejectedModel) as refusal:
        fit(types, **changes)
    return str(refusal.value)


def typed(column: str, of: str) -> Mapping[str, str]:
    """The usual columns, one of them of another type."""
    return {**COLUMNS, column: of}


def offering(**filters: Any) -> Mapping[str, Any]:
    return {**META, "filters": filters}


def test_a_sound_model_is_a_dataset_with_all_that_was_said_about_it() -> None:
    key = {"type": "primary_key", "columns": ["transaction_id"]}

    expected = factories.dataset()
    columns = tuple(replace(item, description="What it moved." * (item.name == "amount")) for item in expected.columns)
    assert fit(COLUMNS, constraints=[key]) == replace(expected, columns=columns)


def test_names_match_without_regard_to_case_and_are_kept_as_in_the_warehouse() -> None:
    found = fit({name.upper(): of for name, of in COLUMNS.items()}, constraints=[PRIMARY_KEY])

    assert found.owner_column == "USER_ID"
    assert found.unique_key == ("BOOKING_DATE", "TRANSACTION_ID")
    assert found.columns_by_name()["AMOUNT"].description == "What it moved."
    assert found.filters == FilterSet(
        date_column="BOOKING_DATE",
        account_id_column="ACCOUNT_ID",
        tag_id_column="TAG_IDS",
        enum_filters=(EnumFilter("STATUS", "Status", ("booked", "pending")),),
        numeric_filters=(NumericFilter("AMOUNT", "Amount"),),
    )


def test_what_the_project_did_not_say_has_a_default() -> None:
    found = fit(COLUMNS, meta={"dataset": True, "filters": {"numeric_filters": [{"name": "Amount"}]}}, description=None)

    assert (found.friendly_name, found.description, found.group) == ("fct_transactions", "", None)
    assert found.filters == FilterSet(numeric_filters=(NumericFilter("amount", "Amount"),))


def test_the_relation_is_that_of_the_manifest() -> None:
    assert fit(COLUMNS, alias="tx", schema="marts", database="lake").relation == Relation("lake", "marts", "tx")
    assert fit(COLUMNS, alias=None).relation.name == "fct_transactions"


def test_without_an_owner_there_is_no_dataset() -> None:
    others = {name: of for name, of in COLUMNS.items() if name != "user_id"}

    assert "The table has no column user_id, which says whose a row is" in reason(others)
    assert "no column user_id" in reason({**others, "userid": "UUID", "user_\u0131d": "UUID"})
    assert "no column user_id" in reason({})


@pytest.mark.parametrize("of", ["UUID", "BIGINT", "INTEGER", "HUGEINT", "UTINYINT", "VARCHAR", "varchar"])
def test_an_owner_that_is_compared_exactly_is_accepted(of: str) -> None:
    assert fit(typed("user_id", of)).owner_column == "user_id"


@pytest.mark.parametrize(
    "of",
    [
        "VARCHAR COLLATE nocase",
        "VARCHAR COLLATE nocase.noaccent",
        "DOUBLE",
        "FLOAT",
        "DECIMAL(18,0)",
        "BLOB",
        "BIT",
        "JSON",
        "BOOLEAN",
        "DATE",
        "ENUM('a', 'b')",
        "UUID[]",
        "VARCHAR[]",
        "BIGNUM",
        "STRUCT(a UUID)",
        "UNION(a UUID, b VARCHAR)",
        "",
    ],
)
def test_an_owner_that_could_be_compared_loosely_is_refused(of: str) -> None:
    message = reason(typed("user_id", of))

    assert message.startswith(f"user_id has the type {of}; it must be UUID, an integer type, or VARCHAR")


@pytest.mark.parametrize(
    ("column", "place", "good", "bad"),
    [
        ("booking_date", "date_column", ["TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS"], ["VARCHAR", "TIME"]),
        ("account_id", "account_id_column", ["VARCHAR", "BIGINT"], ["DOUBLE", "UUID[]", "VARCHAR COLLATE de"]),
        (
            "tag_ids",
            "tag_id_column",
            ["UUID", "VARCHAR[]", "BIGINT[3]"],
            ["JSON", "UUID[][]", "DOUBLE[]", "ENUM('[]')"],
        ),
        ("status", "enum_filters", ["ENUM('booked', 'x')", "BOOLEAN", "INTEGER"], ["DOUBLE", "VARCHAR COLLATE nocase"]),
        (
            "amount",
            "numeric_filters",
            ["BIGINT", "DOUBLE", "DECIMAL(38, 9)"],
            ["VARCHAR", "DATE", "BIGNUM", "INTERVAL"],
        ),
    ],
)
def test_a_filter_needs_a_column_of_a_type_that_fits(column: str, place: str, good: list[str], bad: list[str]) -> None:
    assert [fit(typed(column, of)).columns_by_name()[column].type for of in good] == good
    for of in bad:
        assert f"filters.{place}: {column} has the type {of}; it must be" in reason(typed(column, of))


@pytest.mark.parametrize("place", ["date_column", "account_id_column", "tag_id_column"])
def test_a_filter_needs_a_column_that_exists(place: str) -> None:
    assert f"filters.{place}: the table has no column nowhere." in reason(COLUMNS, meta=offering(**{place: "nowhere"}))


@pytest.mark.parametrize("place", ["enum_filters", "numeric_filters"])
def test_so_does_each_filter_of_a_list(place: str) -> None:
    (first,) = FILTERS[place]
    message = reason(COLUMNS, meta=offering(**{place: [first, {**first, "name": "amout"}]}))

    assert message == f"filters.{place}: the table has no column amout; is amount meant?"


def test_all_that_is_wrong_is_reported_together() -> None:
    message = reason({"amount": "VARCHAR"}, meta=offering(date_column="day", numeric_filters=[{"name": "amount"}]))

    assert "The table has no column user_id" in message
    assert "filters.date_column: the table has no column day." in message
    assert "filters.numeric_filters: amount has the type VARCHAR" in message


@pytest.mark.parametrize("name", ["jaffle-shop", "my model", "Größe", "1st", "a.b", "日付", "x" * 128])
@pytest.mark.parametrize("part", ["name", "database", "schema", "alias"])
def test_a_model_and_its_table_may_have_names_that_have_to_be_quoted(part: str, name: str) -> None:
    dataset = fit(COLUMNS, **{part: name})

    assert name in (dataset.name, dataset.relation.database, dataset.relation.schema, dataset.relation.name)


@pytest.mark.parametrize(
    "name", ["t; drop", 'a"b', " a", "a ", "x" * 129, "a\nb", "", "../up", ".a", "a/b", "a*", "-a", "\u202e", "a\0"]
)
@pytest.mark.parametrize("part", ["name", "database", "schema", "alias"])
def test_a_hostile_name_of_the_model_or_its_table_is_refused(part: str, name: str) -> None:
    if part == "alias" and not name:
        return  # no alias: the table has the model's name
    message = reason(COLUMNS, **{part: name})

    assert "holds characters that are not safe" in message
    assert "rename the" in message or "change the" in message
    assert message.isprintable()


@pytest.mark.parametrize("name", ["memory", "TEMP", "system"])
def test_a_model_that_is_not_built_into_a_file_is_refused(name: str) -> None:
    assert "exists only while dbt runs" in reason(COLUMNS, database=name)


@pytest.mark.parametrize("name", ["Größe", "Total (EUR)", "count_star()", "amount/day", "日付", "e\u0301"])
def test_real_projects_have_such_columns_and_may_export_them(name: str) -> None:
    assert fit({**COLUMNS, name: "VARCHAR"}).columns[-1] == Column(name, "VARCHAR")


@pytest.mark.parametrize(
    "name",
    ['a"b', "a'b", "a`b", "a;b", "a\\b", "<owner>", "a\0b", "a\nb", "\u202eb", "", " a", "a ", "x" * 129, "a\u00a0b"],
)
def test_a_hostile_column_rejects_the_dataset_though_nobody_filters_by_it(name: str) -> None:
    message = reason({**COLUMNS, name: "VARCHAR"})

    assert "holds characters that are not safe" in message
    assert message.isprintable()


def test_a_column_that_is_filtered_by_has_a_plain_name() -> None:
    message = reason({**COLUMNS, "Größe": "BIGINT"}, meta=offering(numeric_filters=[{"name": "größe"}]))

    assert message == "filters.numeric_filters: Größe is not a plain identifier; rename it in the model."


def test_columns_that_differ_in_case_alone_are_refused() -> None:
    assert "Several columns are named amount" in reason({**COLUMNS, "Amount": "BIGINT"})
    assert "Several columns are named user_id" in reason({**COLUMNS, "USER_ID": "UUID"})


def test_nested_columns_may_be_exported() -> None:
    types = {**COLUMNS, "lines": "STRUCT(sku VARCHAR, qty INTEGER)[]", "labels": "MAP(VARCHAR, VARCHAR)"}

    assert [column.type for column in fit(types).columns] == list(types.values())


def test_users_do_not_see_the_collation_of_a_text() -> None:
    assert fit({**COLUMNS, "note": "VARCHAR COLLATE nocase.noaccent"}).columns[-1] == Column("note", "VARCHAR")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ()),
        ({"meta": {**META, "unique_key": ["transaction_id", "booking_date"]}}, ("transaction_id", "booking_date")),
        ({"meta": {**META, "unique_key": "Transaction_Id"}, "constraints": [PRIMARY_KEY]}, ("transaction_id",)),
        ({"constraints": [PRIMARY_KEY], "primary_key": ["account_id"]}, ("booking_date", "transaction_id")),
        ({"constraints": [{"type": "unique", "columns": ["amount"]}], "primary_key": ["account_id"]}, ("account_id",)),
        ({"columns": {"a": {"name": "account_id", "constraints": [{"type": "primary_key"}]}}}, ("account_id",)),
        ({"primary_key": ["gone"], "config": {"unique_key": "account_id"}}, ("account_id",)),
        ({"config": {"unique_key": "md5(account_id)"}}, ()),
        ({"config": {"materialized": "incremental", "unique_key": "account_id"}}, ()),
        (
            {"config": {"materialized": "incremental", "incremental_strategy": "merge", "unique_key": ["account_id"]}},
            ("account_id",),
        ),
        ({"primary_key": ["account_id", "ACCOUNT_ID"]}, ("account_id",)),
    ],
)
def test_the_stable_order_follows_the_most_trustworthy_key(
    changes: Mapping[str, Any], expected: tuple[str, ...]
) -> None:
    assert fit(COLUMNS, **changes).unique_key == expected


def test_a_key_that_the_project_names_for_this_must_exist() -> None:
    assert reason(COLUMNS, meta={**META, "unique_key": ["transaction_ids"]}) == (
        "unique_key: the table has no column transaction_ids; is transaction_id meant?"
    )
