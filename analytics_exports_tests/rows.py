"""Rows between frames and the ports that read and write them."""

from collections.abc import Callable, Iterator

import polars as pl

from analytics_exports.ports import Rows


class FrameRows:
    """The rows of a frame. Implements ``ports.Rows``."""

    def __init__(self, frame: pl.DataFrame | pl.LazyFrame, batch_rows: int = 20_480) -> None:
        self._frame = frame.lazy().collect()
        self._batch_rows = batch_rows

    @property
    def schema(self) -> pl.Schema:
        return self._frame.schema

    def batches(self) -> Iterator[pl.DataFrame]:
        return self._frame.iter_slices(self._batch_rows)


class GeneratedRows:
    """Rows that a function generates. Implements ``ports.Rows``."""

    def __init__(self, schema: pl.Schema, generate: Callable[[], Iterator[pl.DataFrame]]) -> None:
        self.schema = schema
        self.batches = generate


def collected(rows: Rows) -> pl.DataFrame:
    """All rows as a frame."""
    return pl.concat([pl.DataFrame(schema=rows.schema), *rows.batches()])
