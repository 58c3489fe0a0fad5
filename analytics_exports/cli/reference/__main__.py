"""Writes the generated documents, or with ``--check`` says which are not current."""

import sys

from analytics_exports.cli.reference import stale, write

if "--check" not in sys.argv[1:]:
    write()
elif found := stale():
    for path in found:
        sys.stderr.write(f"{path} is not current: python -m analytics_exports.cli.reference\n")
    sys.exit(1)
