"""curl, wget and aria2 as download clients: a broken transfer is resumed, and eight connections make one file."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from analytics_exports_tests.live_service import Caller, LiveService, live_service
from analytics_exports_tests.waiting import LIMIT_SECONDS, killed_at_end, until

SIZE = 24 * 2**20
curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
aria2 = pytest.mark.skipif(shutil.which("aria2c") is None, reason="aria2 is not installed")


class Offered:
    """A large file of somebody, its address, and what has to arrive."""

    def __init__(self, service: LiveService) -> None:
        self.caller: Caller = service.user()
        self.job_id = service.make(self.caller.asked(), SIZE)
        self.url = str(self.caller.http.base_url.join(f"exports/{self.job_id}/download"))
        key = service.scalar("SELECT metadata->>'output_path' FROM jobs WHERE id = :id", id=self.job_id)
        path = Path(service.services.settings.artifact_root) / key
        content = bytes(range(251)) * (SIZE // 251) + b"." * (SIZE % 251)
        path.chmod(0o600)
        path.write_bytes(content)
        self.digest = hashlib.sha256(content).hexdigest()
        self.header = f"Authorization: Bearer {self.caller.token}"


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Offered]:
    folder = tmp_path_factory.mktemp("state")
    with live_service(folder, module_database_url) as service:
        yield Offered(service)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@curl
def test_curl_goes_on_where_it_was_interrupted(offered: Offered, tmp_path: Path) -> None:
    target = tmp_path / "file"
    command = ["curl", "--silent", "--fail", "--header", offered.header, "--output", str(target), offered.url]
    with killed_at_end(subprocess.Popen([*command, "--limit-rate", "4M"])) as slow:
        until(lambda: target.exists() and target.stat().st_size > 0)
        slow.kill()
    broken = target.stat().st_size
    assert 0 < broken < SIZE

    subprocess.run([*command, "--continue-at", "-"], check=True, timeout=LIMIT_SECONDS)
    assert target.stat().st_size == SIZE
    assert digest(target) == offered.digest


@aria2
def test_eight_connections_bring_one_file(offered: Offered, tmp_path: Path) -> None:
    command = ["aria2c", "--quiet", "--header", offered.header, "--dir", str(tmp_path), "--out", "file"]
    several = ["--max-connection-per-server=8", "--split=8", "--min-split-size=1M", "--no-conf"]
    subprocess.run([*command, *several, offered.url], check=True, timeout=LIMIT_SECONDS)

    assert digest(tmp_path / "file") == offered.digest


def test_a_link_in_a_browser_needs_nothing_else(offered: Offered) -> None:
    link = offered.caller.http.post(f"/exports/{offered.job_id}/link").json()["url"]
    answer = httpx.get(offered.caller.http.base_url.join(link), timeout=LIMIT_SECONDS)

    assert hashlib.sha256(answer.content).hexdigest() == offered.digest
