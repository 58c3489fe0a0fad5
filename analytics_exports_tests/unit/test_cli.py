"""The command line: help at once, failures as one line and an exit code, listings as text and JSON."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from analytics_exports.cli.app import app
from analytics_exports.cli.listing import catalogue_json, catalogue_text, settings_table
from analytics_exports.domain.dataset import (
    CatalogueState,
    Column,
    Dataset,
    EnumFilter,
    FilterSet,
    NumericFilter,
    Rejection,
    Relation,
    dataset_id,
)
from analytics_exports.settings import PREFIX, Settings

COMMAND = [sys.executable, "-m", "analytics_exports"]
HEAVY = ("dagster", "sqlalchemy", "duckdb", "polars", "pyarrow", "fastapi", "httpx", "psycopg", "pydantic")


@pytest.fixture
def state() -> CatalogueState:
    sales = Dataset(
        id=dataset_id("fct_sales"),
        name="fct_sales",
        friendly_name="Sales",
        description="",
        group="facts",
        time_grain="day",
        relation=Relation("db", "main", "fct_sales"),
        owner_column="user_id",
        columns=(Column("user_id", "VARCHAR"), Column("day", "DATE", "Day of the sale.")),
        filters=FilterSet(
            date_column="day",
            enum_filters=(EnumFilter("kind", "Kind", ("a", "b")),),
            numeric_filters=(NumericFilter("amount", "Amount"),),
        ),
    )
    rejected = (Rejection("fct_other", "it has no column user_id"),)
    return CatalogueState(
        datasets={sales.id: sales},
        rejected=rejected,
        generated_at=datetime(2026, 1, 1, tzinfo=UTC),
        invocation_id="i",
    )


def test_help_loads_nothing_heavy() -> None:
    probe = (
        "import sys; sys.argv = ['x', '--help']\n"
        "from analytics_exports.cli import main\n"
        "try: main()\n"
        f"finally: print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)

    assert "serve" in done.stdout
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("arguments", [["nonsense"], ["serve", "--nonsense"], ["db", "nonsense"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_a_wrong_setting_is_named_and_its_value_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYTICS_EXPORTS_API_PORT", "hush")
    monkeypatch.setenv("ANALYTICS_EXPORTS_DATABASE_URL", "mysql://hush")
    result = CliRunner().invoke(app, ["datasets"])

    assert result.exit_code == 1
    assert "error: ANALYTICS_EXPORTS_API_PORT: " in result.stderr
    assert "error: ANALYTICS_EXPORTS_DATABASE_URL: " in result.stderr
    assert "hush" not in result.output


def test_a_failure_is_one_line_on_standard_error() -> None:
    environment = {"ANALYTICS_EXPORTS_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    done = subprocess.run([*COMMAND, "db", "upgrade"], env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 5
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_every_setting_is_listed_with_its_variable_and_meaning() -> None:
    lines = settings_table().splitlines()[1:]

    assert len(lines) == len(Settings.model_fields)
    for line, (name, field) in zip(lines, Settings.model_fields.items(), strict=True):
        assert line.split()[:2] == [name, f"{PREFIX}{name.upper()}"]
        assert field.description
        assert line.endswith(field.description)


def test_settings_prints_the_table() -> None:
    result = CliRunner().invoke(app, ["settings"])

    assert result.exit_code == 0
    assert result.stdout == settings_table() + "\n"


def test_settings_as_json_say_the_same() -> None:
    listed = json.loads(CliRunner().invoke(app, ["settings", "--json"]).stdout)["settings"]

    assert [item["name"] for item in listed] == list(Settings.model_fields)
    assert all(item["variable"] in settings_table() for item in listed)


def test_datasets_as_json_say_everything(state: CatalogueState) -> None:
    assert json.loads(catalogue_json(state)) == {
        "datasets": [
            {
                "id": str(dataset_id("fct_sales")),
                "dataset_name": "fct_sales",
                "friendly_name": "Sales",
                "group": "facts",
                "time_grain": "day",
                "filters": {
                    "date_column": "day",
                    "account_id_column": None,
                    "tag_id_column": None,
                    "enum_filters": [{"name": "kind", "label": "Kind", "options": ["a", "b"]}],
                    "numeric_filters": [{"name": "amount", "label": "Amount"}],
                },
                "columns": [
                    {"name": "user_id", "type": "VARCHAR", "description": ""},
                    {"name": "day", "type": "DATE", "description": "Day of the sale."},
                ],
            }
        ],
        "rejected": [{"name": "fct_other", "reason": "it has no column user_id"}],
    }


def test_datasets_as_text_are_one_line_each(state: CatalogueState) -> None:
    assert catalogue_text(state).splitlines() == [
        f"fct_sales  {dataset_id('fct_sales')}  Sales",
        "rejected: fct_other: it has no column user_id",
    ]
