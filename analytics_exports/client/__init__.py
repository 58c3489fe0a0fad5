"""The service from Python: ask for an export, wait for it, have its rows.

    with Client("http://127.0.0.1:8000", token) as client:
        frame = client.export("fct_transactions", start_date="2024-01-01").to_polars()

    blocking    Client and Export, for ordinary programs and notebooks
    operations  AsyncClient: the same verbs as coroutines
    exports     AsyncExport
    transfer    downloads that resume and are checked; ``partial`` is the file meanwhile
    frames      files as data frames
    options     what can be asked for
    exchange    one request and its answer; ``retrying`` when to try again, ``errors`` what comes of it
    wire        the one thing that differs between blocking and asynchronous programs

It needs httpx and the contract, and nothing of the server: the service could run anywhere.
"""

from analytics_exports.client.blocking import Client, Export
from analytics_exports.client.errors import Answered
from analytics_exports.client.exports import AsyncExport
from analytics_exports.client.operations import AsyncClient
from analytics_exports.client.options import ExportOptions
from analytics_exports.client.retrying import Retries

__all__ = ["Answered", "AsyncClient", "AsyncExport", "Client", "Export", "ExportOptions", "Retries"]
