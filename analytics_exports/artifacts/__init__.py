"""Writing frames to files, and the artifact store: the port ``ArtifactStore``.

    arrow_tables       rows as Arrow tables, for formats that keep types
    cells              values in cells of CSV and XLSX: as text, and guarded against formulas
    compression        compressed text files, and zip files
    counting           counts records, and rows of other owners, in finished files
    formats            the base class and the table of all formats
    hashing_writer     the file object that counts, hashes and limits what is written
    keys               keys of files
    layout             the columns and facts that a writer knows in advance
    local              the store in a folder
    objects            the store in an object store
    options            the base class of format options
    parts              exports split into several files in a zip
    staging            writing and publishing a file in a folder
    warning_collector  warnings about a file
    writers            the formats
    writing            the loop that writes a frame to a file

Which rows are in a frame belongs to ``warehouse``; when a file is published, to ``services``.
"""

from analytics_exports.artifacts.local import LocalArtifactStore
from analytics_exports.ports import ArtifactStore

__all__ = ["LocalArtifactStore", "artifact_store"]

SCHEMES = frozenset({"s3", "s3a", "gs", "az", "azure", "abfs", "abfss"})
"""URL schemes of object stores; anything else is a folder."""


def artifact_store(root: str, max_bytes: int, reserve_bytes: int) -> ArtifactStore:
    """The store at a URL or in a folder.

    Args:
        max_bytes: Maximum size of one file.
        reserve_bytes: Disk space on this machine that is kept free.
    """
    if "://" in root and root.partition("://")[0] in SCHEMES:
        from analytics_exports.artifacts.objects import ObjectArtifactStore  # noqa: PLC0415 - an optional dependency

        return ObjectArtifactStore(root, max_bytes=max_bytes)
    return LocalArtifactStore(root, max_bytes=max_bytes, reserve_bytes=reserve_bytes)
