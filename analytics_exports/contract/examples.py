"""Examples of requests and responses for the OpenAPI document: one export, from the request to the file.

A test validates every example against its model, so that none is out of date.
"""

from typing import Any

from pydantic import ConfigDict

JOB = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
DATASET = "efd80499-4f32-542d-87f2-d085732e39bd"
USER = "00000000-0000-4000-8000-000000000001"
KNOWN_AS = "6f1c2a34-8f0e-4c57-9a3b-2f9d1f6f7a10"
CURSOR = "c2VhbGVkLWN1cnNvcg"

EXPORT_CREATE = {
    "dataset_id": DATASET,
    "format": "csv",
    "start_date": "2024-01-01",
    "end_date": "2024-12-31",
    "enum_filters": {"status": ["booked"]},
    "numeric_filters": {"amount": {"min": "-10.50"}},
    "columns": ["booking_date", "amount"],
    "compression": "gzip",
}
EXPORT_ACCEPTED = {"job_id": JOB, "status": "pending", "message": "Export job created"}
EXPORT: dict[str, Any] = {
    "job_id": JOB,
    "status": "completed",
    "dataset_id": DATASET,
    "dataset_name": "fct_transactions",
    "format": "csv",
    "row_count": 1234,
    "file_size_bytes": 56789,
    "download_url": f"/api/analytics/exports/{JOB}/download",
    "expires_at": "2026-01-26T12:00:05Z",
    "created_at": "2026-01-25T12:00:00Z",
    "completed_at": "2026-01-25T12:00:05Z",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "data_as_of": "2026-01-25T03:00:00Z",
    "attempt": 1,
    "error": None,
    "columns": [{"name": "amount", "type": "DECIMAL(18,2)", "description": "In euros."}],
    "progress": None,
    "filters": {"start_date": "2024-01-01", "end_date": "2024-12-31"},
    "options": {"compression": "gzip"},
    "retry_of": None,
    "warnings": [],
    "parts": [],
}
EXPORT_LIST = {"exports": [EXPORT], "next_cursor": CURSOR}
ESTIMATE = {"row_count": 1234, "file_size_bytes": 57000}
LINK = {"url": "/api/analytics/downloads/c2VhbGVkLWxpbms", "expires_at": "2026-01-25T12:05:00Z"}

DATASET_OUT: dict[str, Any] = {
    "id": DATASET,
    "dataset_name": "fct_transactions",
    "friendly_name": "Transactions",
    "description": "One row for each transaction.",
    "group": "facts",
    "time_grain": "day",
    "filters": {
        "date_column": "booking_date",
        "account_id_column": "account_id",
        "tag_id_column": "tag_ids",
        "enum_filters": [{"name": "status", "label": "Status", "options": ["booked", "pending"]}],
        "numeric_filters": [{"name": "amount", "label": "Amount"}],
    },
}
DATASET_LIST = {"datasets": [DATASET_OUT]}
DATASET_SCHEMA = {**DATASET_OUT, "columns": EXPORT["columns"]}
PAGE = {
    "columns": EXPORT["columns"],
    "rows": [{"amount": "12.50"}],
    "next_cursor": None,
    "data_as_of": "2026-01-25T03:00:00Z",
}
FORMAT_LIST = {
    "formats": [
        {
            "format": "csv",
            "hint": "Opens everywhere.",
            "media_type": "text/csv; charset=utf-8",
            "options": {"type": "object", "properties": {"compression": {"enum": ["none", "gzip", "zstd"]}}},
        }
    ]
}
STATUS = {
    "ok": False,
    "parts": {
        "database": {"ok": True, "detail": None},
        "orchestrator": {"ok": False, "detail": "No Dagster daemon has been seen lately; exports wait."},
    },
    "data_as_of": "2026-01-25T03:00:00Z",
    "rejected": [{"name": "fct_orders", "reason": "The model has no column user_id."}],
}
READINESS = {"ready": True, "parts": {"database": True}}

TOKEN_CREATE = {"name": "laptop", "scopes": ["exports:read", "exports:download"], "expires_in_days": 30}
TOKEN_ROTATE = {"overlap_seconds": 3600}
TOKEN_OUT = {
    "id": KNOWN_AS,
    "user_id": USER,
    "name": "laptop",
    "scopes": ["exports:download", "exports:read"],
    "created_at": "2026-01-25T12:00:00Z",
    "expires_at": "2026-02-24T12:00:00Z",
    "revoked_at": None,
    "last_used_at": "2026-01-25T12:01:00Z",
}
TOKEN_LIST = {"tokens": [TOKEN_OUT]}
NEW_TOKEN = {**TOKEN_OUT, "last_used_at": None, "token": "aex_<43 characters>_<8 hex digits>"}
PROFILE = {
    "user_id": USER,
    "label": "Ana",
    "scopes": ["datasets:read", "exports:create"],
    "accounts": [{"id": "checking", "name": "Checking account"}],
    "tags": [{"id": "rent", "name": "Rent"}],
}
ERROR_CODE = {
    "code": "export_not_found",
    "status": 404,
    "title": "Not Found",
    "detail": "There is no such export among yours.",
    "retryable": False,
    "example": {
        "type": "/api/analytics/errors/export_not_found",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no such export among yours.",
        "code": "export_not_found",
        "request_id": "4f6d2c0e9b7a4e1d8c3b5a6978f0e1d2",
    },
}


def example_config(example: dict[str, Any]) -> ConfigDict:
    """The configuration of a model whose schema shows this example."""
    return ConfigDict(json_schema_extra={"examples": [example]})
