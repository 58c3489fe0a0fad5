"""The local store on a real disk: what it leaves behind, what it refuses, and what it says when writing fails."""

import errno
import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import polars as pl
import pytest

from analytics_exports.artifacts import LocalArtifactStore
from analytics_exports.artifacts.formats import file_format
from analytics_exports.artifacts.hashing_writer import FileLimits, LocalFileWriter, to_domain_error
from analytics_exports.artifacts.local import MARKER
from analytics_exports.artifacts.writing import write_file
from analytics_exports.domain.errors import (
    ExportError,
    InternalFailure,
    IsolationViolation,
    StorageFull,
    StorageUnavailable,
    TooLarge,
)
from analytics_exports.domain.formats import Format
from analytics_exports_tests.rows import FrameRows, GeneratedRows

USER, JOB = UUID(int=1), UUID(int=2)
KEY = f"exports/{USER}/{JOB}.csv"
PARTIAL = f".{JOB}.1.part"
LARGE = FrameRows(
    pl.LazyFrame({"number": range(300_000)}).with_columns(pl.col("number").hash().cast(pl.String).alias("text"))
)


def stored(root: Path) -> LocalArtifactStore:
    return LocalArtifactStore(root, max_bytes=2**30, reserve_bytes=0)


def ignore(rows: int, size: int) -> None:
    """Progress that nobody follows."""


def publish(store: LocalArtifactStore, key: str = KEY) -> None:
    with store.stage(key, 1) as staging:
        staging.write(FrameRows(pl.DataFrame({"number": [1]})), Format.CSV, {}, ignore)
        staging.publish()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    stored(root).prepare()
    return root


def modes(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*")}


def test_folders_and_files_are_their_owners_alone(root: Path) -> None:
    mask = os.umask(0)
    try:
        publish(stored(root))
        with stored(root).stage(f"exports/{USER}/{uuid4()}.csv", 1):
            found = modes(root)
    finally:
        os.umask(mask)

    folders = {name for name in found if (root / name).is_dir()}
    assert folders == {"exports", f"exports/{USER}"}
    assert {found[name] for name in folders} == {0o700}
    assert {mode for name, mode in found.items() if name not in folders} == {0o600}
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_a_folder_without_the_marker_is_not_written(tmp_path: Path) -> None:
    root = tmp_path / "mount_point"
    root.mkdir()
    with pytest.raises(StorageUnavailable):
        publish(stored(root))

    assert list(root.iterdir()) == []


def test_preparing_again_changes_nothing(root: Path) -> None:
    publish(stored(root))
    stored(root).prepare()

    assert (root / KEY).read_bytes() == b"number\n1\n"
    assert (root / MARKER).is_file()


@pytest.mark.parametrize(
    "key",
    [
        "",
        "exports",
        "/etc/passwd",
        f"exports/{USER}/../{USER}/{JOB}.csv",
        f"exports/../{USER}/{JOB}.csv",
        f"exports/{USER}/{JOB}",
        f"exports/{USER}/{JOB}.csv/..",
        f"exports/{USER}/{JOB}.csv\0",
        f"exports/{USER}/{JOB}.csv\n",
        f"exports/{str(USER).replace('-', '')}/{JOB}.csv",
        f"exports/{USER}/.{JOB}.1.part",
    ],
)
def test_only_keys_of_exports_are_keys(root: Path, key: str) -> None:
    store = stored(root)
    for use in (store.open, store.remove, lambda key: store.stage(key, 1).__enter__()):
        with pytest.raises(ValueError, match="not the key"):
            use(key)


def test_no_link_is_followed(root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / f"{JOB}.csv").write_text("secret")
    store = stored(root)
    folder = root / "exports" / str(USER)

    folder.symlink_to(secret)
    assert store.open(KEY) is None
    with pytest.raises(StorageUnavailable):
        publish(store)

    folder.unlink()
    folder.mkdir()
    (root / KEY).symlink_to(secret / f"{JOB}.csv")
    assert store.open(KEY) is None
    (root / KEY).unlink()
    os.mkfifo(root / KEY)
    assert store.open(KEY) is None
    assert (secret / f"{JOB}.csv").read_text() == "secret"


def test_a_link_in_the_place_of_the_partial_file_is_replaced(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("untouched")
    folder = root / "exports" / str(USER)
    folder.mkdir()
    (folder / PARTIAL).symlink_to(target)
    publish(stored(root))

    assert (root / KEY).read_bytes() == b"number\n1\n"
    assert target.read_text() == "untouched"


def test_what_an_attempt_left_is_replaced_by_the_same_attempt(root: Path) -> None:
    folder = root / "exports" / str(USER)
    folder.mkdir()
    (folder / PARTIAL).write_bytes(b"half a fi")
    publish(stored(root))

    assert [path.name for path in folder.iterdir()] == [f"{JOB}.csv"]


def test_a_frozen_attempt_does_not_publish_what_another_process_writes(root: Path) -> None:
    store = stored(root)
    with store.stage(KEY, 1) as frozen:
        frozen.write(FrameRows(pl.DataFrame({"number": [1]})), Format.CSV, {}, ignore)
        with store.stage(KEY, 1), pytest.raises(StorageUnavailable):
            frozen.publish()

    assert store.open(KEY) is None


def test_a_sweep_leaves_what_is_not_the_stores(root: Path) -> None:
    publish(stored(root))
    folder = root / "exports" / str(USER)
    for name in ("notes.txt", ".hidden", f".{JOB}.x.part"):
        (folder / name).touch()
    (root / "exports" / "lost+found").touch()

    assert stored(root).sweep(lambda job, attempt: False) == 1
    assert sorted(path.name for path in folder.iterdir()) == sorted(["notes.txt", ".hidden", f".{JOB}.x.part"])


def test_a_file_that_was_changed_on_the_disk_is_not_accepted(root: Path) -> None:
    def damage(rows: int, size: int) -> None:
        with (root / "exports" / str(USER) / PARTIAL).open("r+b") as file:
            file.truncate(10)

    with pytest.raises(InternalFailure), stored(root).stage(KEY, 1) as staging:
        staging.write(FrameRows(pl.DataFrame({"number": [1, 2, 3]})), Format.CSV, {}, damage)


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Iterator[int]:
    descriptor = os.open(request.param, os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize(
    ("device", "expected"),
    [("/dev/full", StorageFull), ("/proc/self/mem", StorageUnavailable)],
    indirect=["device"],
    ids=["ENOSPC", "EIO"],
)
@pytest.mark.parametrize("split", [None, {"rows": 100_000}], ids=["whole", "split"])
def test_a_disk_that_fails_is_the_reason_given(
    format: Format, device: int, expected: type[ExportError], split: dict[str, int] | None
) -> None:
    file = LocalFileWriter(device, FileLimits(2**40, 0))
    with pytest.raises(expected):
        write_file(LARGE, file, file_format(format, {"split": split}), ignore, columns=None, facts={})


@pytest.mark.parametrize("format", Format)
def test_a_file_never_passes_its_limit(format: Format, root: Path) -> None:
    store = LocalArtifactStore(root, max_bytes=200_000, reserve_bytes=0)
    sizes: list[int] = []
    with pytest.raises(TooLarge), store.stage(KEY, 1) as staging:
        staging.write(LARGE, format, {}, lambda rows, size: sizes.append(size))

    assert all(size <= 200_000 for size in sizes)
    assert list((root / "exports" / str(USER)).iterdir()) == []


def test_the_reserve_is_left_alone_while_writing() -> None:
    with Path(os.devnull).open("wb") as nowhere:
        file = LocalFileWriter(nowhere.fileno(), FileLimits(2**40, reserve_bytes=2**62))
        file.write(bytes(64 * 2**20 - 1))
        with pytest.raises(StorageFull):
            file.write(b"x")


def test_nothing_is_written_after_a_failure_or_a_stop(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as below:
        file = LocalFileWriter(below.fileno(), FileLimits(10, 0))
        file.write(b"12345")
        with pytest.raises(TooLarge):
            file.write(b"678901")
        file.write(b"6")
        sealed = LocalFileWriter(below.fileno(), FileLimits(10, 0))
        sealed.stop()
        sealed.write(b"7")

    assert path.read_bytes() == b"12345"
    assert (file.size, file.sha256) == (5, hashlib.sha256(b"12345").hexdigest())


CHILD = """
import resource, sys
from uuid import UUID
import polars as pl
from analytics_exports.artifacts import LocalArtifactStore
from analytics_exports.domain.errors import TooLarge
from analytics_exports.domain.formats import Format
from analytics_exports_tests.rows import FrameRows

store = LocalArtifactStore(sys.argv[1], max_bytes=2**40, reserve_bytes=0)
rows = FrameRows(pl.DataFrame({"number": range(1_000_000)}))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with store.stage(sys.argv[2], 1) as staging:
        staging.write(rows, Format.CSV, {}, lambda rows, size: None)
except TooLarge:
    print("refused")
"""


def test_a_limit_of_the_system_on_files_is_met_alive(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(root), KEY], capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "refused\n", "")
    assert list((root / "exports" / str(USER)).iterdir()) == []


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize("options", [{}, {"split": {"rows": 1000}}], ids=["whole", "split"])
def test_an_error_of_the_source_of_rows_comes_through(format: Format, options: dict[str, object]) -> None:
    def generate() -> Iterator[pl.DataFrame]:
        yield pl.DataFrame({"number": [1]})
        raise IsolationViolation

    rows, chosen = GeneratedRows(pl.Schema({"number": pl.Int64}), generate), file_format(format, options)
    with Path(os.devnull).open("wb") as nowhere, pytest.raises(IsolationViolation):
        write_file(
            rows, LocalFileWriter(nowhere.fileno(), FileLimits(2**40, 0)), chosen, ignore, columns=None, facts={}
        )


def test_a_small_disk_that_fills_up_leaves_no_file(tmp_path: Path) -> None:
    root = tmp_path / "small"
    root.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(root)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a file system is not permitted here")
    try:
        store = stored(root)
        store.prepare()
        with pytest.raises(StorageFull), store.stage(KEY, 1) as staging:
            staging.write(LARGE, Format.CSV, {}, ignore)
        assert list((root / "exports" / str(USER)).iterdir()) == []
        publish(store)
    finally:
        subprocess.run(["umount", str(root)], check=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only_is_unavailable(root: Path) -> None:
    (root / "exports").chmod(0o500)
    with pytest.raises(StorageUnavailable):
        stored(root).check()
    with pytest.raises(StorageUnavailable):
        publish(stored(root))


def test_errors_of_the_disk_have_their_meaning() -> None:
    assert isinstance(to_domain_error(OSError(errno.EDQUOT, "")), StorageFull)
    assert isinstance(to_domain_error(OSError(errno.EFBIG, "")), TooLarge)
    assert isinstance(to_domain_error(OSError(errno.EROFS, "")), StorageUnavailable)
    assert to_domain_error(OSError(errno.EINVAL, "")) is None
