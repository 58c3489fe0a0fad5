"""The proof with any budget: ``python -m analytics_exports_tests.isolation --examples 100000 --seed 1``.

Progress goes to stderr. The last line on stdout is one JSON object; the exit code is 0 only when nothing failed.
"""

import argparse
import json
import os
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from analytics_exports_tests.isolation.mutants import MUTANTS
from analytics_exports_tests.isolation.proof import Chunk, hunt, report

CHUNK_EXAMPLES = 500


def main() -> int:
    """Run the mutants and the examples on all cores. Returns the exit code."""
    options = _options()
    started = time.monotonic()
    chunks = [
        Chunk(options.seed * 1_000_003 + number, min(CHUNK_EXAMPLES, options.examples - first))
        for number, first in enumerate(range(0, options.examples, CHUNK_EXAMPLES))
    ]
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        mutants = pool.submit(hunt, options.seed)
        running = {pool.submit(report, chunk): chunk for chunk in chunks}
        examples, failures = 0, 0
        for future in as_completed(running):
            failure = future.result()
            examples += running[future].examples
            failures += failure is not None
            _say(failure or f"{examples} of {options.examples} examples")
        found = mutants.result()
    survivors = [mutant.name for mutant in MUTANTS if mutant.name not in found]
    for name, needed in sorted(found.items(), key=lambda item: item[1]):
        _say(f"mutant found out after {needed} examples: {name}")
    for name in survivors:
        _say(f"MUTANT SURVIVED: {name}")
    elapsed = time.monotonic() - started
    print(  # noqa: T201 - the result
        json.dumps(
            {
                "examples": examples,
                "mutants_killed": len(found),
                "mutants": len(MUTANTS),
                "seed": options.seed,
                "failures": failures,
                "examples_per_second": round(examples / elapsed, 1),
            }
        )
    )
    return 1 if failures or survivors else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=None, help="unset: a new one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(2**31)
    return options


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress


if __name__ == "__main__":
    sys.exit(main())
