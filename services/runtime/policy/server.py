"""Asks an OPA server, over a unix socket or HTTP, through `opa-python-client`.

The client is used for its connection alone. It retries errors that will not pass, takes a missing
`result` for an answer and loses the server's message; here each of these is no decision.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from opa_client.opa_async import AsyncOpaClient

from homeroom.errors import PolicyUnavailableError
from services.runtime.policy.engine import DECISION_SECONDS, encode_facts, require_object

_ENTRYPOINT = re.compile(r"[a-z_]+(/[a-z_]+)+")
_MAX_DOCUMENT_BYTES = 256 * 1024


class _Client(AsyncOpaClient):  # type: ignore[misc]  # no type stubs are published for it
    """The client over a unix socket where there is one, and without a second try anywhere."""

    def __init__(self, socket_path: Path | None, host: str, port: int) -> None:
        super().__init__(host=host, port=port, retries=0, timeout=DECISION_SECONDS)
        self._socket_path = socket_path

    async def _init_session(self) -> None:
        self._connector = (
            aiohttp.UnixConnector(str(self._socket_path))
            if self._socket_path
            else aiohttp.TCPConnector()
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self.timeout),
        )

    async def fetch(self, method: str, path: str, body: bytes | None = None) -> Any:
        """The decoded body of a successful reply.

        Raises:
            PolicyUnavailableError: if the reply is no success, too long or no JSON object.
        """
        async with self._request(
            method,
            f"{self.root_url}/{path}",
            data=body,
            headers={"Content-Type": "application/json"},
            params={"strict-builtin-errors": "true"},
            allow_redirects=False,
        ) as reply:
            if reply.status != HTTPStatus.OK:
                raise PolicyUnavailableError("the policy server refused", status=str(reply.status))
            return json.loads(await _bounded(reply.content))


class OpaServer:
    """Decides by asking an OPA server that holds one policy folder."""

    def __init__(self, revision: str, client: _Client, name: str) -> None:
        self.revision = revision
        self.name = name
        self._client = client

    @classmethod
    async def open(
        cls, revision: str, address: str, ready_within_seconds: float = 10.0
    ) -> "OpaServer":
        """Connects to `unix:/path/to/socket` or `http://host:port`, and waits until it is ready.

        Raises:
            PolicyUnavailableError: if it is not ready in time or the address has another form.
        """
        client = _client_of(address)
        await client._init_session()
        try:
            await client.wait_for_ready(ready_within_seconds, interval=0.05)
            labels = require_object(await client.fetch("GET", "config"))["result"]["labels"]
            name = f"OPA server {labels['version']}"
        except Exception as unexpected:
            await client.close_connection()
            raise PolicyUnavailableError("the policy server is not ready") from unexpected
        return cls(revision, client, name)

    async def decide(self, entrypoint: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        if not _ENTRYPOINT.fullmatch(entrypoint):
            raise PolicyUnavailableError("there is no such entrypoint")
        body = b'{"input":' + encode_facts(facts) + b"}"
        try:
            async with asyncio.timeout(DECISION_SECONDS):
                reply = await self._client.fetch("POST", f"data/{entrypoint}", body)
            # OPA answers 200 without `result` when the document is undefined.
            return require_object(require_object(reply)["result"])
        except Exception as unexpected:
            raise PolicyUnavailableError("the policy server gave no decision") from unexpected

    async def close(self) -> None:
        await self._client.close_connection()


def _client_of(address: str) -> _Client:
    """The client of an address.

    Raises:
        PolicyUnavailableError: if it is neither a socket nor an HTTP address.
    """
    parts = urlsplit(address)
    if parts.scheme == "unix" and parts.path:
        return _Client(Path(parts.path), "localhost", 80)
    if parts.scheme == "http" and parts.hostname and parts.port:
        return _Client(None, parts.hostname, parts.port)
    raise PolicyUnavailableError("a policy server is at unix:/socket or http://host:port")


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    """The whole content.

    Raises:
        PolicyUnavailableError: if it is longer than any decision document.
    """
    read = bytearray()
    async for chunk in content.iter_any():
        read += chunk
        if len(read) > _MAX_DOCUMENT_BYTES:
            raise PolicyUnavailableError("the policy server answered too much")
    return bytes(read)
