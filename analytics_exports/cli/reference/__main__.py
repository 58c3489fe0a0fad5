"""Write the generated documents; with ``--check``, report those that are out of date."""

import sys

from analytics_exports.cli.reference import stale, write_documents

if "--check" not in sys.argv[1:]:
    write_documents()
elif found := stale():
    for path in found:
        sys.stderr.write(f"{path} is not current: python -m analytics_exports.cli.reference\n")
    sys.exit(1)
