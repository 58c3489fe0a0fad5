"""How fast one download is, and what many slow ones cost those who only want to know how their export is doing.

    python -m benchmarks.downloads [--downloads 200] [--seconds 20] [--rate 65536] [--repeat 5]

The API runs in a process of its own on a scratch PostgreSQL. First curl takes one file of 0.8 GB from the API and from
nginx, which uses ``sendfile``, in turn. Then so many clients take a large file at ``rate`` bytes a second each, while
another asks for the status of an export, again and again; the same without downloads comes before. Figures go to stdout
as JSON lines.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
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
from analytics_exports.stack.tcp import answers, free_port
from analytics_exports_tests.live_service import live_service
from analytics_exports_tests.scratch import scratch_postgres
from analytics_exports_tests.waiting import until
from benchmarks.figures import OURS, print_figure, print_times, say_what_is_busy

SHARES = (0.5, 0.99)
FILE_BYTES = 8 * 10**8
PIECE = 2**14
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
user root;
events {{}}
http {{
    access_log off;
    sendfile on;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


def serve(database_url: str) -> None:
    """The API with one large file, until standard input ends; says where to find it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        live_service(Path(folder), database_url, downloads_per_user=2000) as service,
    ):
        user = service.user()
        job_id = service.make(user.asked(), FILE_BYTES)
        (path,) = Path(service.services.settings.artifact_root).glob(f"exports/*/{job_id}.*")
        with path.open("r+b") as file:  # it has been grown, and has no blocks yet
            for _ in range(FILE_BYTES // 10**6):
                file.write(os.urandom(10**6))
        found = {"url": service.base_url, "token": user.token, "job_id": str(job_id), "path": str(path)}
        print(json.dumps(found), flush=True)
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


@contextmanager
def nginx(path: Path) -> Iterator[str]:
    """Nginx with the folder of a file; the URL of the file."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder, "nginx.conf")
        configuration.write_text(NGINX.format(folder=folder, port=port, root=path.parent))
        command = ["nginx", "-p", folder, "-c", str(configuration)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            until(lambda: answers(port))
            yield f"http://127.0.0.1:{port}/{path.name}"
            process.terminate()


def fetched(url: str, *arguments: str) -> float:
    """Seconds in which curl takes a file and throws it away."""
    command = ["curl", "--silent", "--fail", "--output", os.devnull, "--write-out", "%{size_download} %{time_total}"]
    done = subprocess.run([*command, *arguments, url], capture_output=True, text=True, check=True)
    size, seconds = done.stdout.split()
    assert int(size) == FILE_BYTES, "not the whole file"
    return float(seconds)


def compare_with_nginx(found: dict[str, str], repeat: int) -> None:
    """One download at a time, from both in turn."""
    url = f"{found['url']}{BASE_PATH}/exports/{found['job_id']}/download"
    ours, theirs = [], []
    with nginx(Path(found["path"])) as plain:
        for _ in range(repeat):
            ours.append(fetched(url, "--header", f"Authorization: Bearer {found['token']}"))
            theirs.append(fetched(plain))
            print(f"API {ours[-1]:.3f} s, nginx {theirs[-1]:.3f} s", file=sys.stderr)
    for arm, seconds in ((OURS, ours), ("nginx", theirs)):
        print_figure(
            "download_mb_per_s", arm, "median", FILE_BYTES / 10**6 / statistics.median(seconds), "MB/s", n=repeat
        )
    ratio = statistics.median(theirs) / statistics.median(ours)
    print_figure("download_vs_nginx", OURS, "median", ratio, "ratio", n=repeat)


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
        if shutil.which("nginx") is None:
            print("nginx is not installed: nothing is compared with it", file=sys.stderr)
        else:
            compare_with_nginx(found, options.repeat)
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
    parser.add_argument("--repeat", type=int, default=5, help="downloads from each, nginx and the API")
    parser.add_argument("--serve", metavar="DATABASE_URL", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
    else:
        main(given)
