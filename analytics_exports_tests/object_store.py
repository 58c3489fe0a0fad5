"""A server that speaks S3, started by the tests, and buckets of their own in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from threading import Event, Thread
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


class PausableUploads:
    """WSGI middleware: holds uploads back while a test has paused them."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._released = Event()
        self._released.set()
        self.waiting = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] in ("PUT", "POST") and "/files/" in environ["PATH_INFO"]:
            self.waiting += not self._released.is_set()
            self._released.wait()
        return self._application(environ, start_response)

    def pause(self) -> None:
        self.waiting = 0
        self._released.clear()

    def resume(self) -> None:
        self._released.set()


class S3Bucket:
    """One bucket, seen by another client than the one that is tested."""

    def __init__(self, client: Any, endpoint: str, name: str) -> None:
        self._client = client
        self._name = name
        self.url = f"s3://{name}/some/prefix?endpoint={endpoint}"

    def names(self) -> list[str]:
        """All objects, without the prefix."""
        found = self._client.list_objects_v2(Bucket=self._name).get("Contents", ())
        return [item["Key"].removeprefix("some/prefix/") for item in found]

    def unfinished_uploads(self) -> int:
        return len(self._client.list_multipart_uploads(Bucket=self._name).get("Uploads", ()))

    def overwrite(self, name: str, content: bytes) -> None:
        self._client.put_object(Bucket=self._name, Key=f"some/prefix/{name}", Body=content)

    def download(self, name: str) -> bytes:
        return bytes(self._client.get_object(Bucket=self._name, Key=f"some/prefix/{name}")["Body"].read())

    def destroy(self) -> None:
        for name in self.names():
            self._client.delete_object(Bucket=self._name, Key=f"some/prefix/{name}")
        self._client.delete_bucket(Bucket=self._name)


class S3:
    """The server."""

    def __init__(self, endpoint: str, uploads: PausableUploads) -> None:
        self.endpoint = endpoint
        self.uploads = uploads
        self._numbers = count()
        self._client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=CREDENTIALS["AWS_REGION"],
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )

    def make_bucket(self) -> S3Bucket:
        name = f"bucket-{os.getpid()}-{next(self._numbers)}"
        self._client.create_bucket(Bucket=name)
        return S3Bucket(self._client, self.endpoint, name)


@contextmanager
def s3_server() -> Iterator[S3]:
    """The server, and credentials for it in this process's environment."""
    before = {name: os.environ.get(name) for name in CREDENTIALS}
    os.environ.update(CREDENTIALS)
    uploads = PausableUploads(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, uploads, threaded=True)
    thread = Thread(target=server.serve_forever, name="s3")
    thread.start()
    try:
        yield S3(f"http://127.0.0.1:{server.server_port}", uploads)
    finally:
        uploads.resume()
        server.shutdown()
        thread.join()
        server.server_close()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
