"""The XML of sheets: those with rows, with a frozen header, and the one about the export."""

import re
from collections.abc import Sequence
from typing import IO, cast

import polars as pl

from analytics_exports.artifacts.compression import NonClosingWriter
from analytics_exports.artifacts.layout import Layout
from analytics_exports.artifacts.writers.sheet_columns import ESCAPES, LOOKS_ESCAPED, ROW, SheetColumn
from analytics_exports.artifacts.writers.workbook import MAIN, Style, column_letters

_WIDEST = 40
_HEAD = f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<worksheet xmlns="{MAIN}">'
_FROZEN = (
    '<sheetViews><sheetView workbookViewId="0">'
    '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
)
_TRANSLATION = {ord(character): escape for character, escape in ESCAPES.items()}
_TAIL = "</sheetData></worksheet>"


class Sheet:
    """A sheet that is being written.

    Attributes:
        rows: Rows written so far, without the header.
        file: Destination of the XML.
    """

    def __init__(self, file: IO[bytes], names: Sequence[str], columns: Sequence[SheetColumn]) -> None:
        """Begin a sheet with these column names; ``file`` is closed at the end."""
        self.rows = 0
        self.file = NonClosingWriter(file)
        self._below = file
        self._columns = columns
        widths = [min(len(name) + 6, _WIDEST) for name in names]
        self.file.write(f"{_HEAD}{_FROZEN}{_widths(widths)}<sheetData>{_row(1, names, Style.HEADER)}".encode())

    def write(self, rows: pl.DataFrame) -> None:
        """Write rows; the caller ensures that they fit."""
        number = pl.int_range(self.rows + 2, self.rows + 2 + rows.height).cast(pl.String)
        self.rows += rows.height
        numbered = rows.with_columns(number.alias(ROW))
        looks = {
            (at, name): look for at, column in enumerate(self._columns) for name, look in column.measures().items()
        }
        found = numbered.select(look.alias(str(key)) for key, look in looks.items()).rows()
        seen = dict(zip(looks, found[0] if found else (), strict=True))
        cells = [
            column.cells({name: value for (place, name), value in seen.items() if place == at}, numbered)
            for at, column in enumerate(self._columns)
        ]
        line = pl.concat_str([pl.lit('<row r="'), pl.col(ROW), pl.lit('">'), *cells, pl.lit("</row>")])
        numbered.select(line).write_csv(cast("IO[bytes]", self.file), include_header=False, quote_style="never")

    def finish(self) -> None:
        """Write the end."""
        self.file.write(_TAIL.encode())
        self._below.close()


def about_sheet(layout: Layout, timezone: str) -> str:
    """A sheet with the facts of the export, the time zone of its timestamps and a list of its columns."""
    lines = [
        *layout.facts.items(),
        ("timezone", timezone),
        (),
        ("Column", "Type", "Description"),
        *((field.name, field.column.type, field.column.description) for field in layout.fields),
    ]
    rows = (_row(number, line, Style.TEXT) for number, line in enumerate(lines, start=1))
    return f"{_HEAD}{_widths([24, 32, 80])}<sheetData>{''.join(rows)}{_TAIL}"


def _row(number: int, texts: Sequence[str], style: Style) -> str:
    cells = (_text(f"{column_letters(at)}{number}", text, style) for at, text in enumerate(texts))
    return f'<row r="{number}">{"".join(cells)}</row>\n'


def _text(reference: str, text: str, style: Style) -> str:
    escaped = re.sub(f"_(?={LOOKS_ESCAPED[1:]})", "_x005F_", text).translate(_TRANSLATION)
    return f'<c r="{reference}" s="{style}" t="inlineStr"><is><t xml:space="preserve">{escaped}</t></is></c>'


def _widths(widths: Sequence[int]) -> str:
    columns = (
        f'<col min="{number}" max="{number}" width="{width}" customWidth="1"/>'
        for number, width in enumerate(widths, start=1)
    )
    return f"<cols>{''.join(columns)}</cols>"
