"""What a program does over HTTP: find a dataset, ask, follow, download."""

import hashlib
from typing import Any

import httpx

from analytics_exports_tests.waiting import until


def dataset(client: httpx.Client, name: str) -> str:
    listed = client.get("/datasets").json()["datasets"]
    return str(next(item["id"] for item in listed if item["dataset_name"] == name))


def finished(client: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    """Create an export and follow it to its end."""
    accepted = client.post("/exports", json=body)
    assert accepted.status_code == 202, accepted.text
    assert set(accepted.json()) == {"job_id", "status", "message"}
    return ended(client, accepted)


def ended(client: httpx.Client, accepted: httpx.Response) -> dict[str, Any]:
    """Follow an accepted export to its end."""

    def look() -> dict[str, Any] | None:
        status = client.get(f"/exports/{accepted.json()['job_id']}")
        assert status.status_code == 200
        job: dict[str, Any] = status.json()
        return job if job["status"] not in ("pending", "running") else None

    return until(look)


def downloaded(client: httpx.Client, job: dict[str, Any]) -> bytes:
    """The file, checked against what the status says of it."""
    response = client.get(f"/exports/{job['job_id']}/download")
    assert response.status_code == 200
    assert len(response.content) == job["file_size_bytes"]
    assert hashlib.sha256(response.content).hexdigest() == job["sha256"]
    assert response.headers["ETag"] == f'"{job["sha256"]}"'
    return response.content
