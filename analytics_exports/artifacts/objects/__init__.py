"""The artifact store in an object store: S3 and compatible ones, Google Cloud Storage, Azure.

bucket   requests to the store, and their errors
names    names of objects
reading  an object as a file object
staging  uploading and publishing a file
store    the adapter
"""

from analytics_exports.artifacts.objects.store import ObjectArtifactStore

__all__ = ["ObjectArtifactStore"]
