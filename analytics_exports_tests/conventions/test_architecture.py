"""The import contracts of setup.cfg hold."""

import shutil
import subprocess
import sys
from pathlib import Path


def test_the_import_contracts_hold(repository: Path) -> None:
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert program
    done = subprocess.run([program, "--no-cache"], cwd=repository, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
