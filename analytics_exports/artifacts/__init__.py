"""Frames to files, and where finished files are kept: the adapter behind the port ``ArtifactStore``.

``local`` keeps files in a folder and ``staging`` writes them there; ``objects`` does both in an object store. ``files``
is the file object through which every byte goes. ``writing`` turns a frame into bytes with the ``writers``, one module
for each format. Which rows are in a frame belongs to ``warehouse``; when a file is published, to ``services``.
"""

from analytics_exports.artifacts.local import LocalArtifactStore

__all__ = ["LocalArtifactStore", "is_object_store"]

SCHEMES = frozenset({"s3", "s3a", "gs", "az", "azure", "abfs", "abfss"})


def is_object_store(root: str) -> bool:
    """Whether that is the URL of an object store, rather than a folder."""
    return root.partition("://")[0] in SCHEMES
