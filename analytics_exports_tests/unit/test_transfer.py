"""How much of a file is sent in one step: little at first and to slow clients, whose bytes wait in memory."""

import asyncio
from contextlib import ExitStack
from io import BytesIO
from typing import Any

import anyio
import pytest
from starlette.types import Message

from analytics_exports.api.transfer import CHUNK, LARGE_CHUNK, FileTransfer

SIZE = 2**25 + 1
CONTENT = bytes(range(256)) * (SIZE // 256) + b"!"


class Client:
    """Takes what is sent; chunks with these numbers take it a while.

    Attributes:
        received: The chunks.
    """

    def __init__(self, slow: frozenset[int]) -> None:
        self._slow = slow
        self.received: list[bytes] = []

    async def receive(self) -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body" and message["body"]:
            if len(self.received) in self._slow:
                await asyncio.sleep(0.05)
            self.received.append(message["body"])

    @property
    def sizes(self) -> list[int]:
        return [len(chunk) for chunk in self.received]


def sent(parts: list[range] | None, slow: frozenset[int] = frozenset()) -> Client:
    client = Client(slow)

    async def transfer() -> None:
        more: dict[str, Any] = {"headers": {}, "media_type": "text/csv", "stall_seconds": 10}
        readers = anyio.CapacityLimiter(1)
        response = FileTransfer(BytesIO(CONTENT), SIZE, parts, held=ExitStack(), readers=readers, **more)
        await response({}, client.receive, client.send)

    asyncio.run(transfer())
    return client


def test_a_fast_client_gets_large_chunks_after_the_first_bytes() -> None:
    client = sent(None)

    assert client.sizes == [CHUNK] * 32 + [LARGE_CHUNK] * 12 + [1]
    assert b"".join(client.received) == CONTENT


def test_a_client_that_keeps_the_server_waiting_gets_small_ones_again() -> None:
    client = sent(None, frozenset({33}))

    assert client.sizes[31:37] == [CHUNK, LARGE_CHUNK, LARGE_CHUNK, CHUNK, CHUNK, CHUNK]
    assert b"".join(client.received) == CONTENT


@pytest.mark.parametrize("part", [range(1), range(SIZE - 1, SIZE), range(CHUNK, CHUNK), range(5, SIZE - 5)])
def test_a_part_is_sent_exactly(part: range) -> None:
    assert b"".join(sent([part]).received) == CONTENT[part.start : part.stop]
