"""What many slow downloads cost those who only want to know how their export is doing.

    python -m benchmarks.downloads [--downloads 200] [--seconds 20] [--rate 65536]

The API runs in a process of its own on a scratch PostgreSQL; so many clients take a large file at ``rate`` bytes a
second each, while another asks for the status of an export, again and again. The same without downloads comes first.
Figures go to stdout as JSON lines.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from analytics_exports.contract import BASE_PATH
from analytics_exports.database import migrations
from analytics_exports_tests.live_service import live_service
from analytics_exports_tests.scratch import scratch_postgres
from benchmarks.figures import OURS, print_figure, print_times, say_what_is_busy

SHARES = (0.5, 0.99)
FILE_BYTES = 2**28
PIECE = 2**14


def serve(database_url: str) -> None:
    """The API with one large file, until standard input ends; says where to find it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        live_service(Path(folder), database_url, downloads_per_user=2000) as service,
    ):
        user = service.user()
        job_id = service.make(user.asked(), FILE_BYTES)
        print(json.dumps({"url": service.base_url, "token": user.token, "job_id": str(job_id)}), flush=True)
        sys.stdin.read()


@contextmanager
def service() -> Iterator[dict[str, str]]:
    """The API in a process of its own."""
    with scratch_postgres() as server:
        migrations.upgrade_schema(server.url)
        command = [sys.executable, "-m", "benchmarks.downloads", "--serve", server.url]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdin
            assert process.stdout
            found: dict[str, str] = json.loads(process.stdout.readline())
            yield {**found, "pid": str(process.pid)}
            process.stdin.close()


class Slow:
    """Clients that take their time, on a thread of their own."""

    def __init__(self, found: dict[str, str], count: int, rate: int) -> None:
        self._found, self._count, self._pause = found, count, PIECE / rate
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.running = 0

    def start(self) -> None:
        """Returns when all of them receive bytes."""
        self._thread.start()
        for _ in range(self._count):
            asyncio.run_coroutine_threadsafe(self._download(), self._loop)
        while self.running < self._count:
            time.sleep(0.05)

    async def _download(self) -> None:
        place = urlsplit(self._found["url"])
        reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=PIECE)
        path = f"{BASE_PATH}/exports/{self._found['job_id']}/download"
        head = f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {self._found['token']}\r\n\r\n"
        writer.write(head.encode())
        assert (await reader.readline()).split()[1] == b"200"
        self.running += 1
        while await reader.read(PIECE):
            await asyncio.sleep(self._pause)
        self.running -= 1


def asked(found: dict[str, str], seconds: float) -> list[float]:
    """Seconds of each status request, one after the other."""
    times = []
    until = time.perf_counter() + seconds
    with httpx.Client(headers={"Authorization": f"Bearer {found['token']}"}) as client:
        while time.perf_counter() < until:
            began = time.perf_counter()
            client.get(f"{found['url']}{BASE_PATH}/exports/{found['job_id']}").raise_for_status()
            times.append(time.perf_counter() - began)
            time.sleep(0.005)
    return times


def cpu_seconds(pid: str) -> float:
    """CPU time of a process so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def main(options: argparse.Namespace) -> None:
    """Without downloads, then with them."""
    say_what_is_busy()
    with service() as found:
        asked(found, 1)
        print_times("status_get_s_beside_0_downloads", OURS, asked(found, options.seconds), SHARES)
        slow = Slow(found, options.downloads, options.rate)
        slow.start()
        began = cpu_seconds(found["pid"])
        times = asked(found, options.seconds)
        assert slow.running == options.downloads, "a download ended before it was measured"
        used = (cpu_seconds(found["pid"]) - began) / options.seconds
        print_times(f"status_get_s_beside_{options.downloads}_downloads", OURS, times, SHARES)
        print_figure(f"api_cores_beside_{options.downloads}_downloads", OURS, "mean", used, "cores", n=len(times))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--downloads", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=int, default=2**16, help="bytes a second of each download")
    parser.add_argument("--serve", metavar="DATABASE_URL", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
    else:
        main(given)
