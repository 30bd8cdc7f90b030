"""A small HTTP server on a unix socket that answers as OPA does, or as no OPA should.

The embedded evaluator decides behind it, so that the client is exercised where there is no binary.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from homeroom.errors import PolicyUnavailableError
from services.runtime.policy import EmbeddedOpa, PolicyFolder

Decide = Callable[[str, bytes], Awaitable[bytes]]
"""Gives the bytes of a whole HTTP reply to a question: its path and its body."""


def http_reply(body: bytes, status: str = "200 OK") -> bytes:
    """A whole HTTP reply."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def json_reply(content: Any, status: str = "200 OK") -> bytes:
    """A whole HTTP reply with a JSON body."""
    return http_reply(json.dumps(content).encode(), status)


class StandInOpa:
    """Answers for one policy folder.

    Attributes:
        decide: how questions are answered; tests put another in its place.
        asked: how many questions came.
    """

    def __init__(self, folder: PolicyFolder, evaluator: EmbeddedOpa) -> None:
        self.decide: Decide = self._evaluate
        self.asked = 0
        self._folder = folder
        self._evaluator = evaluator

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers the requests of one connection, until either side ends it."""
        try:
            while request := await _read_request(reader):
                writer.write(await self._answer(*request))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, method: str, path: str, body: bytes) -> bytes:
        if method == "POST":
            self.asked += 1
            return await self.decide(path, body)
        held = {
            "/health": {},
            "/v1/config": {"result": {"labels": {"version": "of a stand-in"}}},
            "/v1/policies": {"result": [{"raw": text} for text in self._folder.modules.values()]},
            **{f"/v1/data/{k}": {"result": v} for k, v in self._folder.constants.items()},
        }
        return json_reply(held[path])

    async def _evaluate(self, path: str, body: bytes) -> bytes:
        try:
            facts = json.loads(body)["input"]
            entrypoint = path.removeprefix("/v1/data/").partition("?")[0]
            return json_reply({"result": await self._evaluator.decide(entrypoint, facts)})
        except PolicyUnavailableError:
            return json_reply({})


@asynccontextmanager
async def stand_in_opa(policy_folder: Path, socket: Path) -> AsyncIterator[StandInOpa]:
    """Serves one policy folder on a socket."""
    folder = PolicyFolder.read(policy_folder)
    # How long a decision may take is the asker's to say.
    evaluator = await EmbeddedOpa.open(folder, decision_seconds=60.0, threads=1)
    opa = StandInOpa(folder, evaluator)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(opa.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_unix_server(accept, socket)
    yield opa
    server.close()
    for task in tuple(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await evaluator.close()


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, str, bytes] | None:
    """One request: its method, its path with the question mark's part, and its body."""
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    lines = head.decode().split("\r\n")
    method, path, _ = lines[0].split(" ")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    length = int(fields.get("content-length", "0"))
    return method, path, await reader.readexactly(length)
