"""The demo's own check has to notice what could be wrong with a file, or it would prove nothing."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from analytics_exports.cli.verification import Table, differences, same_cell

NAMES = ["transaction_id", "day", "amount", "text"]
ROWS: list[tuple[object, ...]] = [
    ("a", date(2024, 1, 1), Decimal("1.50"), 'quotes " and\nlines'),
    ("b", None, Decimal("-2.00"), None),
]
GOOD = 'transaction_id,day,amount,text\nb,,-2.00,\na,2024-01-01,1.50,"quotes "" and\nlines"\n'


def problems(tmp_path: Path, content: str) -> list[str]:
    file = tmp_path / "file.csv"
    file.write_text(content, encoding="utf-8", newline="")
    return differences(file, Table(NAMES, ROWS))


def test_the_right_rows_in_any_order_are_right(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("1.50", "1.51", "1 rows differ"),
        ("2024-01-01", "2024-01-02", "1 rows differ"),
        ("2024-01-01", "soon", "1 rows differ"),
        ("\nlines", " lines", "1 rows differ"),
        ("b,,-2.00,\n", "", "there are 1 rows, not 2"),
        ("b,,-2.00,\n", "b,,-2.00,\nb,,-2.00,\n", "there are 3 rows, not 2"),
        ("-2.00,\n", "-2.00\n", "1 rows differ"),
        ("day,amount", "amount,day", "the columns are transaction_id, amount, day, text, not"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, before: str, after: str, problem: str) -> None:
    assert before in GOOD
    assert problem in "; ".join(problems(tmp_path, GOOD.replace(before, after)))


def test_an_empty_file_is_wrong(tmp_path: Path) -> None:
    assert problems(tmp_path, "") != []


@pytest.mark.parametrize(
    ("value", "text", "other"),
    [
        (None, "", "NULL"),
        (7, "7", "8"),
        (True, "true", "false"),
        (Decimal("90071992547409.93"), "90071992547409.93", "90071992547409.94"),
        (date(2024, 2, 29), "2024-02-29", "2024-03-01"),
        (datetime(2024, 1, 1, 12, tzinfo=UTC), "2024-01-01T12:00:00Z", "2024-01-01T12:00:01Z"),
        (["x", 'y"'], '["x","y\\""]', '["x"]'),
        ([UUID(int=7)], f'["{UUID(int=7)}"]', f'["{UUID(int=8)}"]'),
        ([], "[]", ""),
        (UUID(int=7), str(UUID(int=7)), str(UUID(int=8))),
        ("plain", "plain", " plain"),
        ("'quoted", "'quoted", "quoted"),
        ("=1+1", "'=1+1", "=1+1"),
    ],
)
def test_a_cell_is_read_by_the_type_of_its_value(value: object, text: str, other: str) -> None:
    assert same_cell(value, text)
    assert not same_cell(value, other)
