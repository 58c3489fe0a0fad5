"""Frames to files, and where finished files are kept: the adapter behind the port ``ArtifactStore``.

``local`` keeps files in a folder and ``staging`` writes them there; ``objects`` does both in an object store. ``files``
is the file object through which every byte goes. ``writing`` turns a frame into bytes with the ``writers``, one module
for each format. Which rows are in a frame belongs to ``warehouse``; when a file is published, to ``services``.
"""

from analytics_exports.artifacts.local import LocalArtifactStore
from analytics_exports.ports import ArtifactStore

__all__ = ["LocalArtifactStore", "artifact_store"]

SCHEMES = frozenset({"s3", "s3a", "gs", "az", "azure", "abfs", "abfss"})
"""How URLs of object stores begin; anything else is a folder."""


def artifact_store(root: str, max_bytes: int, reserve_bytes: int) -> ArtifactStore:
    """The store at a URL or in a folder.

    Args:
        max_bytes: Size that one file may have.
        reserve_bytes: Free space that is left alone on a disk of this machine.
    """
    if "://" in root and root.partition("://")[0] in SCHEMES:
        from analytics_exports.artifacts.objects import ObjectArtifactStore  # noqa: PLC0415 - an optional dependency

        return ObjectArtifactStore(root, max_bytes=max_bytes)
    return LocalArtifactStore(root, max_bytes=max_bytes, reserve_bytes=reserve_bytes)
