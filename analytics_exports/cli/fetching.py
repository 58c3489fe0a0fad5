"""Waiting for an export and downloading its file, with progress.

Progress is printed on standard error; standard output has the path of the file, or JSON.
"""

import json
from pathlib import Path
from types import TracebackType
from typing import Self

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from analytics_exports.client import Export
from analytics_exports.contract.responses import ExportOut
from analytics_exports.domain.export import Status

EXIT_INTERRUPTED = 130


class Display:
    """A progress bar on a terminal; otherwise one line for each change of the status."""

    def __init__(self) -> None:
        """Show nothing before the context is entered."""
        console = Console(stderr=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[amount]}"))
        self._moving = console.is_terminal
        self._progress = Progress(*columns, TimeElapsedColumn(), console=console, disable=not self._moving)
        self._task = self._progress.add_task("asking", total=None, amount="")
        self._status: Status | None = None

    def __enter__(self) -> Self:
        """Start the progress bar."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the progress bar."""
        self._progress.stop()

    def waiting(self, facts: ExportOut) -> None:
        """Show the status of the export."""
        if facts.status is not self._status and not self._moving:
            typer.echo(f"{facts.job_id} {facts.status}", err=True)
        self._status = facts.status
        done, total, amount = _progress(facts)
        description = f"{facts.dataset_name} {facts.status}"
        self._progress.update(self._task, description=description, completed=done, total=total, amount=amount)

    def downloading(self, done: int, total: int) -> None:
        """Show the progress of the download."""
        amount = f"{decimal(done)} of {decimal(total)}"
        self._progress.update(self._task, description="downloading", completed=done, total=total, amount=amount)


def _progress(facts: ExportOut) -> tuple[int, int | None, str]:
    """Rows written, rows in total if known, and both as text."""
    reported = facts.progress
    if reported is None:
        return 1, 1, "" if facts.row_count is None else f"{facts.row_count:,} rows"
    if reported.queue_position:
        return 0, None, f"number {reported.queue_position} in the queue"
    of = f" of {reported.rows_total:,}" if reported.rows_total else ""
    return reported.rows_written, reported.rows_total, f"{reported.rows_written:,}{of} rows"


def deliver(export: Export, output: Path, *, wait: bool, as_json: bool) -> None:
    """Download the file of an export to ``output`` and print its path; without ``wait``, print the export's id.

    Raises:
        typer.Exit: interrupted; the export continues, and how to download its file later was printed.
    """
    if not wait:
        typer.echo(export.facts.model_dump_json(indent=2) if as_json else str(export.facts.job_id))
        return
    try:
        with Display() as display:
            export.wait(progress=display.waiting)
            path = export.download(output, progress=display.downloading)
    except KeyboardInterrupt:
        again = f"analytics-exports exports download {export.facts.job_id} -o {output}"
        typer.echo(f"Interrupted. The export goes on; fetch its file with:\n  {again}", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    facts = export.facts
    if as_json:
        typer.echo(json.dumps({**facts.model_dump(mode="json"), "path": str(path)}, indent=2, ensure_ascii=False))
        return
    typer.echo(f"{facts.row_count:,} rows, {facts.file_size_bytes:,} bytes, SHA-256 {facts.sha256}: checked.", err=True)
    typer.echo(path)
