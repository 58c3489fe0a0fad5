"""The parts of an XLSX workbook around its sheets: the subset of Office Open XML (ECMA-376) that every reader needs.

A workbook is a zip of XML files. Sheets are written first; these parts follow once their number is known. They contain
only fixed names and numbers.
"""

from collections.abc import Iterator, Sequence
from enum import IntEnum
from xml.sax.saxutils import quoteattr

SHEETS = "xl/worksheets/"
"""Folder of the sheets in the zip."""

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"

_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_CONTENT = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_FIRST_FORMAT = 164
"""Lower numbers are built-in number formats."""

MAX_DECIMALS = 15


def column_letters(number: int) -> str:
    """The letters of a column; the first has number 0."""
    letters = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


class Style(IntEnum):
    """Cell styles, by their number in the list of formats. They are followed by decimals with 1, 2, ... places."""

    GENERAL = 0
    DATE = 1
    TIMESTAMP = 2
    TIMESTAMP_MS = 3
    TIME = 4
    TIME_MS = 5
    TEXT = 6
    HEADER = 7

    @classmethod
    def decimal(cls, places: int) -> int:
        """The style of a number with so many decimal places, at most 15; general for none."""
        return len(cls) - 1 + places if places else cls.GENERAL


_NUMBER_FORMATS = ("yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss", "yyyy-mm-dd hh:mm:ss.000", "hh:mm:ss", "hh:mm:ss.000")


def sheet_name(number: int) -> str:
    """Name of a sheet in the zip; the first has number 1."""
    return f"{SHEETS}sheet{number}.xml"


def parts(sheets: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Names and contents of the parts around sheets with these titles."""
    numbered = list(enumerate(sheets, start=1))
    overrides = "".join(
        f'<Override PartName="/{sheet_name(number)}" ContentType="{_CONTENT}.worksheet+xml"/>' for number, _ in numbered
    )
    types = (
        f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_CONTENT}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_CONTENT}.styles+xml"/>{overrides}</Types>'
    )
    yield "[Content_Types].xml", types
    yield "_rels/.rels", _relationships([("officeDocument", "xl/workbook.xml")])
    listed = "".join(
        f'<sheet name={quoteattr(title)} sheetId="{number}" r:id="rId{number}"/>' for number, title in numbered
    )
    yield (
        "xl/workbook.xml",
        f'{_HEAD}<workbook xmlns="{MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>',
    )
    targets = [("worksheet", f"worksheets/sheet{number}.xml") for number, _ in numbered]
    yield "xl/_rels/workbook.xml.rels", _relationships([*targets, ("styles", "styles.xml")])
    yield "xl/styles.xml", _styles()


def _relationships(targets: Sequence[tuple[str, str]]) -> str:
    items = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, start=1)
    )
    return f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{items}</Relationships>'


def _styles() -> str:
    decimals = ["0." + "0" * places for places in range(1, MAX_DECIMALS + 1)]
    formats = list(enumerate([*_NUMBER_FORMATS, *decimals], start=_FIRST_FORMAT))
    declared = "".join(f'<numFmt numFmtId="{number}" formatCode="{code}"/>' for number, code in formats)
    numbered = [_style(number) for number, _ in formats]
    text = '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" quotePrefix="1"/>'
    header = '<xf numFmtId="49" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1" quotePrefix="1"/>'
    styles = [_style(0), *numbered[: len(_NUMBER_FORMATS)], text, header, *numbered[len(_NUMBER_FORMATS) :]]
    font = '<sz val="11"/><name val="Calibri"/>'
    return (
        f'{_HEAD}<styleSheet xmlns="{MAIN}"><numFmts count="{len(formats)}">{declared}</numFmts>'
        f'<fonts count="2"><font>{font}</font><font><b/>{font}</font></fonts>'
        '<fills count="2"><fill><patternFill patternType="none"/></fill>'
        '<fill><patternFill patternType="gray125"/></fill></fills>'
        '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
        f'<cellXfs count="{len(styles)}">{"".join(styles)}</cellXfs>'
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
    )


def _style(number_format: int) -> str:
    applied = ' applyNumberFormat="1"' if number_format else ""
    return f'<xf numFmtId="{number_format}" fontId="0" fillId="0" borderId="0" xfId="0"{applied}/>'
