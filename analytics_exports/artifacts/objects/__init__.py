"""Finished files in an object store: S3 and whatever speaks it, Google Cloud Storage, Azure.

``bucket`` reaches the store and says what its errors mean, ``names`` say where things are in it, ``reading`` makes a
file object of one, ``staging`` uploads one, and ``store`` is the adapter. How rows become bytes belongs to ``writing``.
"""

from analytics_exports.artifacts.objects.store import ObjectArtifactStore

__all__ = ["ObjectArtifactStore"]
