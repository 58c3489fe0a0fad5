"""One dbt build with its catalog, in a process of its own: ``build`` starts this file, nothing imports it.

dbt takes seconds to import and keeps global state, so it is never imported into a service process. One process runs
both commands, so that the import and the parsing of the project happen once.
"""

import sys
from collections.abc import Sequence

from dbt.cli.main import dbtRunner


def main(flags: Sequence[str]) -> int:
    """Run and test every model, then describe the tables; stops at the first of the two that fails."""
    runner = dbtRunner()
    commands = (["build"], ["docs", "generate", "--no-compile"])
    return 0 if all(runner.invoke([*command, *flags]).success for command in commands) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
