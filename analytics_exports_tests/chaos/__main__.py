"""``python -m analytics_exports_tests.chaos``: see the package."""

import argparse
import sys

from analytics_exports_tests.chaos.running import main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Break the service in many ways and check that exports survive it.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--faults", type=int, default=10, help="of each round")
    given = parser.parse_args()
    sys.exit(main(given.seed, given.rounds, given.faults))
