"""Writes ``docs/reference/openapi.json``: the interface as it is, for those who make clients from it.

    python -m analytics_exports.api.document [--check]

With ``--check`` nothing is written; it fails when the interface is not the one in the file.
"""

import json
import sys
from pathlib import Path

from analytics_exports.api.app import create_app
from analytics_exports.bootstrap import Application
from analytics_exports.settings import Settings

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"


def document() -> str:
    """The OpenAPI document of the default settings."""
    interface = create_app(Application(Settings(), "reference")).openapi()
    return json.dumps(interface, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write or check; returns the exit code."""
    wanted = document()
    if "--check" not in sys.argv[1:]:
        DOCUMENT.write_text(wanted, encoding="utf-8")
        return 0
    if DOCUMENT.exists() and DOCUMENT.read_text(encoding="utf-8") == wanted:
        return 0
    sys.stderr.write(f"The interface is not the one in {DOCUMENT}: python -m analytics_exports.api.document\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
