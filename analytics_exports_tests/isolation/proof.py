"""Running the properties over many examples, in chunks with a seed each, so that any failure can be run again."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from analytics_exports.warehouse.ranges import Range
from analytics_exports_tests.isolation.engine import Engine, compiler
from analytics_exports_tests.isolation.generated_data import Example, generated_examples, simpler, twins
from analytics_exports_tests.isolation.mutants import MUTANTS, Mutant, Mutated
from analytics_exports_tests.isolation.properties import (
    adapter_agrees,
    count_is_exact,
    guard_stops_leaks,
    nothing_shows,
    pages_are_the_rows,
    ranges_are_the_rows,
    rows_are_exact,
)
from analytics_exports_tests.isolation.shape import shape_is_right

EVERY_PAGES, EVERY_TWIN, EVERY_FILE = 10, 20, 250
"""For so many examples: one is read page by page and its SQL is parsed, one is compared with its twin, and one pair of
twins is read through the whole adapter."""

MUTANT_EXAMPLES = 2_000
"""Examples within which every mutant must be found out."""

GUARD_EXAMPLES = 20
"""Examples with which the guard is tried on every mutant, also on those found out already."""

_HUNT_CHUNK = 100


@dataclass(frozen=True)
class Chunk:
    """Some examples, made from one seed."""

    seed: int
    examples: int

    def share(self, every: int) -> "Chunk":
        """One example in so many, but at least one."""
        return Chunk(self.seed, max(1, self.examples // every))


def report(chunk: Chunk) -> str | None:
    """Examine a chunk, and return what to print about a failure."""
    try:
        examine(chunk)
    except Exception as failure:  # noqa: BLE001 - whatever it is, it is the finding
        return "".join(traceback.format_exception(failure))
    return None


def examine(chunk: Chunk, engine: Engine | None = None) -> None:
    """Check the real compiler on the examples of a chunk. Raises for the first example on which a property fails."""
    engine = engine or Engine()

    def exact(example: Example) -> None:
        real = compiler(example)
        engine.load(example)
        rows_are_exact(engine, example, real)
        count_is_exact(engine, example, real)

    def paged(example: Example) -> None:
        real = compiler(example)
        engine.load(example)
        pages_are_the_rows(engine, example, real)
        ranges_are_the_rows(engine, example, real)
        bounded = (real.rows_within(part) for part in (Range("0"), Range("0", "1"), Range(end="1"), Range()))
        for query in (real.rows(), real.page(2, 0, None), real.count(), real.sizes(2), real.extents(), *bounded):
            if query is not None:
                shape_is_right(query, example.dataset)

    run(generated_examples(), exact, chunk)
    run(generated_examples(), paged, chunk.share(EVERY_PAGES))
    run(twins(), lambda pair: nothing_shows(engine, *pair), chunk.share(EVERY_TWIN))
    with TemporaryDirectory() as folder:
        run(twins(), lambda pair: adapter_agrees(Path(folder), *pair), chunk.share(EVERY_FILE))


def hunt(first_seed: int, mutants: Sequence[Mutant] = MUTANTS, limit: int = MUTANT_EXAMPLES) -> dict[str, int]:
    """How many examples it took to find out each mutant; those that were not are left out.

    On the way it is checked that no row of another owner passes the guard, whatever the mutant.
    """
    engine, numbers = Engine(), count(1)
    found: dict[str, int] = {}

    def try_all(example: Example) -> None:
        number = next(numbers)
        engine.load(example)
        for mutant in mutants:
            if mutant.name in found and number > GUARD_EXAMPLES:
                continue
            wrong = Mutated(example, mutant.change)
            guard_stops_leaks(engine, example, wrong)
            if mutant.name not in found and _is_found_out(engine, example, wrong, mutant):
                found[mutant.name] = number

    for chunk in range(0, limit, _HUNT_CHUNK):
        if len(found) < len(mutants):
            run(generated_examples(), try_all, Chunk(first_seed + chunk, _HUNT_CHUNK))
    return found


def _is_found_out(engine: Engine, example: Example, wrong: Mutated, mutant: Mutant) -> bool:
    """Whether a property fails on a mutant, or its SQL does not even run."""
    judge = pages_are_the_rows if mutant.in_pages else rows_are_exact
    try:
        judge(engine, example, wrong)
    except Exception:  # noqa: BLE001 - any failure gives the mutant away
        return True
    return False


def run(examples: st.SearchStrategy[Any], check: Callable[[Any], None], chunk: Chunk) -> None:
    """Call ``check`` with the examples of a chunk; what fails is made as simple as possible and raised."""

    @seed(chunk.seed)
    @settings(
        max_examples=chunk.examples,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(examples)
    def test(example: Any) -> None:
        if _fails(check, example):
            simplest = _simplest(check, example) if isinstance(example, Example) else example
            try:
                check(simplest)
            except Exception as failure:
                failure.add_note(f"Seen with: {simplest}")
                raise

    test()


def _simplest(check: Callable[[Example], None], example: Example) -> Example:
    """An example on which ``check`` still fails, and from which nothing can be taken away."""
    for candidate in simpler(example):
        if _fails(check, candidate):
            return _simplest(check, candidate)
    return example


def _fails(check: Callable[[Any], None], example: Any) -> bool:
    try:
        check(example)
    except Exception:  # noqa: BLE001 - the caller makes it happen again
        return True
    return False
