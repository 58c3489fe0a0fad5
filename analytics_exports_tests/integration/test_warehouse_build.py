"""Building with real dbt: what the demonstration warehouse holds, and that publication is all or nothing.

The content is checked on the shared build of the demonstration project; publication on builds of a project with one
model, because those are quicker.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import psutil
import pytest

from analytics_exports.catalogue import DbtCatalogue
from analytics_exports.catalogue.lineage import read_lineage
from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.selection import Selection
from analytics_exports.orchestration.build import build_definitions
from analytics_exports.ports import BuildFailed, BuildReport
from analytics_exports.warehouse import DuckDBWarehouse
from analytics_exports.warehouse.build import PATH_VARIABLE, build_warehouse
from analytics_exports_tests.demo_warehouse import REPOSITORY, DemoFiles, built_demo
from analytics_exports_tests.rows import collected
from analytics_exports_tests.run_workers import gone
from analytics_exports_tests.waiting import killed_at_end, until
from demo.generate import LARGEST, USERS

MARTS = {"dim_accounts", "dim_tags", "fct_daily_spending_by_tag", "fct_monthly_trends", "fct_transactions"}


@contextmanager
def opened(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A reader of the version of the file that has the name now."""
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"ATTACH '{warehouse}' AS analytics (READ_ONLY)")
        connection.execute("USE analytics")
        yield connection


@pytest.fixture(scope="module")
def demo() -> DemoFiles:
    return built_demo()


@pytest.fixture(scope="module")
def marts(demo: DemoFiles) -> dict[str, dict[str, Any]]:
    """The manifest's nodes of the models that are datasets, by name."""
    nodes = json.loads(demo.manifest.read_bytes())["nodes"].values()
    return {node["name"]: node for node in nodes if node["config"].get("meta", {}).get("dataset")}


@pytest.fixture(scope="module")
def types(demo: DemoFiles) -> dict[str, dict[str, str]]:
    """Column types by model, from the catalog."""
    nodes = json.loads(demo.catalog.read_bytes())["nodes"].values()
    return {
        node["metadata"]["name"]: {name: column["type"] for name, column in node["columns"].items()} for node in nodes
    }


def test_the_manifest_offers_the_marts_and_describes_every_column(
    marts: dict[str, dict[str, Any]], types: dict[str, dict[str, str]]
) -> None:
    assert set(marts) == set(types) == MARTS
    for name, node in marts.items():
        assert node["description"]
        assert {column["name"] for column in node["columns"].values() if column["description"]} == set(types[name])
        assert node["meta"]["friendly_name"]
        assert node["meta"]["group"] in {"facts", "dimensions"}


def test_every_filter_names_a_column_of_a_fitting_type(
    marts: dict[str, dict[str, Any]], types: dict[str, dict[str, str]]
) -> None:
    for name, node in marts.items():
        filters, columns = node["meta"]["filters"], types[name]
        assert columns.get(filters.get("date_column"), "DATE") == "DATE"
        assert columns.get(filters.get("account_id_column"), "UUID") == "UUID"
        assert {columns[entry["name"]] for entry in filters.get("enum_filters", ())} <= {"VARCHAR"}
        assert {columns[entry["name"]] for entry in filters.get("numeric_filters", ())} <= {"DECIMAL(18,2)", "BIGINT"}
    assert types["fct_transactions"][marts["fct_transactions"]["meta"]["filters"]["tag_id_column"]] == "UUID[]"
    daily = "fct_daily_spending_by_tag"
    assert types[daily][marts[daily]["meta"]["filters"]["tag_id_column"]] == "UUID"


def test_the_catalog_tells_the_types_of_the_tables(demo: DemoFiles, types: dict[str, dict[str, str]]) -> None:
    with opened(demo.warehouse) as connection:
        live = {
            name: {column: kind for column, kind, *_ in connection.execute(f"DESCRIBE {name}").fetchall()}
            for name in MARTS
        }
    assert live == types
    assert {columns["user_id"] for columns in types.values()} == {"UUID"}
    assert not any("HUGEINT" in kind or "DECIMAL(38" in kind for columns in types.values() for kind in columns.values())


def test_relations_are_named_after_the_live_file(demo: DemoFiles, marts: dict[str, dict[str, Any]]) -> None:
    database = demo.warehouse.stem
    assert {node["relation_name"] for node in marts.values()} == {f'"{database}"."main"."{name}"' for name in MARTS}


@pytest.mark.parametrize("name", sorted(MARTS))
def test_rows_are_stored_in_the_order_of_a_unique_key(
    demo: DemoFiles, marts: dict[str, dict[str, Any]], name: str
) -> None:
    [constraint] = marts[name]["constraints"]
    date_column = marts[name]["meta"]["filters"].get("date_column", "user_id")
    key = ", ".join(constraint["columns"])
    with opened(demo.warehouse) as connection:
        [(rows, keys, misplaced)] = connection.execute(
            f"SELECT count(*), count(DISTINCT ({key})), count(*) FILTER (rowid <> place) "
            f"FROM (SELECT *, rowid, row_number() OVER (ORDER BY {key}) - 1 AS place FROM {name})"
        ).fetchall()
    assert constraint["type"] == "primary_key"
    assert key.startswith(("user_id, " + date_column, date_column))
    assert rows == keys > 0
    assert misplaced == 0


def test_the_marts_agree_with_the_source_files(demo: DemoFiles) -> None:
    source = pl.read_parquet(demo.sources / "transactions.parquet")
    spent = (
        source.filter(pl.col("amount") < 0)
        .explode("tag_ids")
        .drop_nulls("tag_ids")
        .group_by("user_id")
        .agg(pl.len(), -pl.col("amount").sum())
    )
    with opened(demo.warehouse) as connection:
        sizes = connection.execute("SELECT user_id::varchar, count(*) FROM fct_transactions GROUP BY 1").fetchall()
        by_month = connection.execute("SELECT sum(transaction_count), sum(net) FROM fct_monthly_trends").fetchall()
        by_tag = connection.execute(
            "SELECT user_id::varchar, sum(transaction_count), sum(spending) FROM fct_daily_spending_by_tag GROUP BY 1"
        ).fetchall()
        idle = connection.execute(
            "SELECT count(*) FROM dim_accounts WHERE transaction_count = 0 AND last_booking_date IS NULL"
        ).fetchall()
    assert dict(sizes) == {str(user.id): user.transactions for user in USERS}
    assert by_month == [(source.height, source["amount"].sum())]
    assert sorted(by_tag) == sorted(spent.rows())
    assert idle == [(4,)]


def test_values_come_through_unchanged(demo: DemoFiles) -> None:
    texts = ["description", "merchant", "category", "tag_ids", "booked_at", "amount", "fee"]
    source = pl.read_parquet(demo.sources / "transactions.parquet").sort("id").select(texts)
    with opened(demo.warehouse) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        mart = connection.sql(f"SELECT {', '.join(texts)} FROM fct_transactions ORDER BY transaction_id").pl()
    assert mart.cast(dict(source.schema)).equals(source)
    assert LARGEST in mart["amount"].to_list()


def test_the_warehouse_does_not_know_where_its_sources_were(demo: DemoFiles) -> None:
    assert str(demo.sources).encode() not in demo.warehouse.read_bytes()


def test_another_process_generates_the_same_bytes(demo: DemoFiles, tmp_path: Path) -> None:
    subprocess.run([sys.executable, REPOSITORY / "demo" / "generate.py", tmp_path], check=True)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"users.parquet", "accounts.parquet", "tags.parquet", "transactions.parquet"}
    assert all((tmp_path / name).read_bytes() == (demo.sources / name).read_bytes() for name in names)


@dataclass(frozen=True, slots=True)
class Site:
    """A project with one model, and where its build goes: a file whose name dbt has to quote."""

    folder: Path

    @property
    def warehouse(self) -> Path:
        return self.folder / "live" / "jaffle-shop.duckdb"

    @property
    def manifest(self) -> Path:
        return self.folder / "dbt" / "manifest.json"

    def scratch(self, suffix: str) -> Path:
        """Folder of one build."""
        return self.warehouse.with_name(f".jaffle-shop.duckdb.build-{suffix}")

    def at_work(self) -> bool:
        """Whether a build has begun to write its file."""
        return any(self.warehouse.parent.glob(f"{self.scratch('*').name}/{self.warehouse.name}"))

    def write(self, sql: str, path: str = "{{ env_var('" + PATH_VARIABLE + "') }}") -> None:
        """Make the model select this; a data test wants its column not null."""
        files = {
            "dbt_project.yml": {"name": "tiny", "version": "1.0.0", "profile": "tiny"},
            "profiles.yml": {"tiny": {"target": "it", "outputs": {"it": {"type": "duckdb", "path": path}}}},
            "models/rows.yml": {
                "models": [
                    {
                        "name": "numbers",
                        "config": {"materialized": "table"},
                        "columns": [{"name": "n", "data_tests": ["not_null"]}],
                    }
                ]
            },
        }
        (self.folder / "project" / "models").mkdir(parents=True, exist_ok=True)
        for name, content in files.items():  # JSON is YAML
            (self.folder / "project" / name).write_text(json.dumps(content))
        (self.folder / "project" / "models" / "numbers.sql").write_text(sql)

    def write_versions(self) -> None:
        """Add a model in two versions, marked in the way in which dbt's users mark one."""
        versions = {
            "name": "customers",
            "latest_version": 2,
            "config": {"materialized": "table", "meta": {"dataset": True}},
            "versions": [{"v": 1, "defined_in": "customers_v1"}, {"v": 2, "defined_in": "customers_v2"}],
        }
        files = {
            "customers.yml": json.dumps({"models": [versions]}),
            "customers_base.sql": "select 'alice' as user_id, 1 as customer_id",
            "customers_v1.sql": "select * from {{ ref('customers_base') }}",
            "customers_v2.sql": "select *, 'new' as segment from {{ ref('customers_base') }}",
        }
        for name, content in files.items():
            (self.folder / "project" / "models" / name).write_text(content)

    def build(self, timeout: timedelta = timedelta(seconds=90)) -> BuildReport:
        return build_warehouse(
            self.folder / "project", self.warehouse, self.manifest, logs=self.folder / "logs", timeout=timeout
        )

    def numbers(self) -> list[int]:
        with opened(self.warehouse) as connection:
            return [n for (n,) in connection.execute("SELECT n FROM numbers ORDER BY n").fetchall()]

    def published(self) -> dict[str, tuple[int, bytes]]:
        """Every file that a reader could see, with its inode: which file it is, and what is in it."""
        files = (path for folder in ("live", "dbt") for path in (self.folder / folder).glob("**/*") if path.is_file())
        return {str(path.relative_to(self.folder)): (path.stat().st_ino, path.read_bytes()) for path in files}


PUBLISHED = {"live/jaffle-shop.duckdb", "live/.jaffle-shop.duckdb.lock", "dbt/manifest.json", "dbt/catalog.json"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Two builds of one warehouse: their reports, and what a reader saw that had opened the version before."""

    site: Site
    reports: list[BuildReport]
    opened: list[Any]
    seen: list[Any]


OLDER = "SELECT hash(range) AS n FROM range(300_000)"
"""The table of the older version: it does not compress, so that most of it is still on disk when a reader opens it."""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Builds over an older warehouse that is being read, where a killed build had left its files.

    The second begins while the first is at work.
    """
    site = Site(tmp_path_factory.mktemp("site"))
    site.write("select unnest(range(5)) as n")
    site.write_versions()
    (site.scratch("killed") / "target").mkdir(parents=True)
    (site.scratch("killed") / "jaffle-shop.duckdb").write_bytes(b"half")
    with duckdb.connect(site.warehouse) as writer:
        before = writer.execute(f"SELECT sum(n) FROM ({OLDER})").fetchall()
        writer.execute(f"CREATE TABLE numbers AS {OLDER}")
    with opened(site.warehouse) as reader, ThreadPoolExecutor(2) as pool:
        site.warehouse.with_name("jaffle-shop.duckdb.wal").write_bytes(b"of another file")
        builds = [pool.submit(site.build)]
        until(lambda: not site.scratch("killed").exists() and (site.at_work() or builds[0].done()))
        builds.append(pool.submit(site.build))
        reports = [build.result() for build in builds]
        return Outcome(site, reports, before, reader.execute("SELECT sum(n) FROM numbers").fetchall())


def test_builds_of_one_warehouse_take_turns(outcome: Outcome) -> None:
    first, last = sorted(outcome.reports, key=lambda report: report.data_as_of)
    live = outcome.site.warehouse.stat()
    assert outcome.site.numbers() == [0, 1, 2, 3, 4]
    assert json.loads(outcome.site.manifest.read_bytes())["metadata"]["invocation_id"] == last.invocation_id
    assert first.invocation_id != last.invocation_id
    assert (last.models, last.tests) == (4, 1)
    assert last.warehouse_bytes == live.st_size
    assert last.data_as_of.timestamp() == pytest.approx(live.st_mtime)
    assert 0 < last.seconds < 90


def test_a_reader_keeps_the_version_that_it_opened(outcome: Outcome) -> None:
    assert outcome.seen == outcome.opened


def test_nothing_is_left_of_a_killed_build_or_of_an_older_version(outcome: Outcome) -> None:
    assert set(outcome.site.published()) == PUBLISHED


def test_the_latest_version_of_a_model_is_a_dataset_and_all_are_in_the_asset_graph(outcome: Outcome) -> None:
    site = outcome.site
    warehouse = DuckDBWarehouse(
        site.warehouse, memory_limit="100MB", threads=1, seconds=60, spill_root=site.folder / "spill"
    )
    catalogue = DbtCatalogue(site.manifest, site.manifest.with_name("catalog.json"), warehouse.describe)
    state = catalogue.state()
    (dataset,) = state.datasets.values()
    with warehouse.scan(dataset, OwnerScope("alice"), Selection()) as scan:
        rows = collected(scan).rows()
    definitions = build_definitions(read_lineage=partial(read_lineage, site.manifest))

    assert (dataset.name, state.rejected) == ("customers", ())
    assert rows == [("alice", 1, "new")]
    shown = {key.to_user_string() for key in definitions.resolve_all_asset_keys()}
    assert shown >= {"dbt/customers", "dbt/model/tiny/customers/v1", "dbt/customers_base"}


def test_a_failing_data_test_publishes_nothing(outcome: Outcome) -> None:
    site = outcome.site
    before = site.published()
    site.write("select null::integer as n")
    with pytest.raises(BuildFailed) as failure:
        site.build()
    assert site.published() == before
    assert "not_null_numbers_n" in failure.value.log.read_text()
    assert not any(secret in str(failure.value) for secret in ("/", "select", "numbers"))


def test_a_build_that_takes_too_long_publishes_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.write("select 1 as n")
    with pytest.raises(BuildFailed, match="too long"):
        site.build(timeout=timedelta(milliseconds=1))
    assert set(site.published()) == {"live/.jaffle-shop.duckdb.lock"}


@pytest.mark.skipif(sys.platform != "linux", reason="processes end with their parent on Linux only")
def test_dbt_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.write("select 1 as n")
    paths = [site.folder / "project", site.warehouse, site.manifest, site.folder / "logs"]
    with killed_at_end(subprocess.Popen([sys.executable, "-c", BUILD, *paths])) as builder:
        (dbt,) = until(lambda: psutil.Process(builder.pid).children())
        until(lambda: "run_dbt.py" in " ".join(dbt.cmdline()))
        builder.kill()

    until(lambda: gone(dbt))
    assert not site.warehouse.exists()


BUILD = """
import sys
from pathlib import Path
from analytics_exports.warehouse.build import build_warehouse
project, warehouse, manifest, logs = map(Path, sys.argv[1:])
build_warehouse(project, warehouse, manifest, logs=logs)
"""


def test_a_profile_that_writes_elsewhere_gets_a_remedy(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.write("select 1 as n", path=str(tmp_path / "elsewhere.duckdb"))
    with pytest.raises(BuildFailed, match=PATH_VARIABLE):
        site.build()
    assert set(site.published()) == {"live/.jaffle-shop.duckdb.lock"}
