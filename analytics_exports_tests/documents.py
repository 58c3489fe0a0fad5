"""Running the code of documents as a reader would in one session: notebooks, and the Python blocks of Markdown."""

import ast
import asyncio
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def cells(document: Path) -> Iterator[str]:
    """The pieces of code of a document, in their order."""
    text = document.read_text(encoding="utf-8")
    if document.suffix == ".ipynb":
        yield from ("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")
    else:
        yield from BLOCK.findall(text)


def run(document: Path) -> dict[str, Any]:
    """Run all its code in one namespace, which is returned; a cell may await, as in a notebook."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells(document), 1):
        code = compile(cell, f"{document.name}, piece {number}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, namespace)
        if inspect.iscoroutine(result):
            asyncio.run(result)
    return namespace
