"""The tutorial, every command of it, in one shell and in its order, as somebody who has just started the service."""

import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl

from analytics_exports_tests.journeys.conftest import Service

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)


def test_every_command_of_the_tutorial_works(service: Service, repository: Path, tmp_path: Path) -> None:
    text = (repository / "docs" / "tutorial" / "first-export.md").read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "ANALYTICS_EXPORTS_URL": service.stack.api_url,
        "ANALYTICS_EXPORTS_TOKEN": service.users[0].token,
        "ANALYTICS_EXPORTS_DATABASE_URL": service.stack.database_url,  # what `make serve` has in its state folder
    }
    script = "\n".join(["set -euo pipefail", *blocks])
    done = subprocess.run(
        ["bash", "-c", script], env=os.environ | environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert len(blocks) >= 6
    assert pl.read_csv(tmp_path / "transactions.csv").height > 0
    booked = pl.read_parquet(tmp_path / "booked.parquet")
    assert booked.columns == ["booking_date", "amount", "merchant"]
    assert booked["amount"].max() <= -100  # type: ignore[operator]
    assert pl.read_csv(tmp_path / "accounts.csv").height > 0
    assert pl.read_csv(tmp_path / "theirs.csv").height == 0
