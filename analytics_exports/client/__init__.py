"""The Python client: request an export, wait for it, load its rows.

    with Client("http://127.0.0.1:8000", token) as client:
        frame = client.export("fct_transactions", start_date="2024-01-01").to_polars()

    blocking      Client and Export, for ordinary programs and notebooks
    errors        exceptions
    exchange      one request and its response
    exports       AsyncExport
    frames        files as data frames
    operations    AsyncClient: the same methods as coroutines
    options       arguments
    partial_file  the file of an unfinished download
    retrying      when to retry
    transfer      resumable, verified downloads
    transport     blocking and asynchronous HTTP

It needs httpx and the contract, and nothing of the server.
"""

from analytics_exports.client.blocking import Client, Export
from analytics_exports.client.errors import Answered
from analytics_exports.client.exports import AsyncExport
from analytics_exports.client.operations import AsyncClient
from analytics_exports.client.options import ExportOptions
from analytics_exports.client.retrying import Retries

__all__ = ["Answered", "AsyncClient", "AsyncExport", "Client", "Export", "ExportOptions", "Retries"]
