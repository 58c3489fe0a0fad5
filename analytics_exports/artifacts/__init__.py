"""Frames to files, and where finished files are kept: the adapter behind the port ``ArtifactStore``.

``local`` keeps files in a folder and ``staging`` writes them there; ``files`` is the file object through which every
byte goes. ``writing`` turns a frame into bytes with the ``writers``, one module for each format. Which rows are in a
frame belongs to ``warehouse``; when a file is published, to ``services``.
"""

from analytics_exports.artifacts.local import LocalArtifactStore

__all__ = ["LocalArtifactStore"]
