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
from services.runtime.policy.folder import PolicyFolder, is_test

_ENTRYPOINT = re.compile(r"[a-z_]+(/[a-z_]+)+")
_MAX_DOCUMENT_BYTES = 256 * 1024
_MAX_RULES_BYTES = 16 * 1024 * 1024
_RULES_SECONDS = 5.0


class _Client(AsyncOpaClient):  # type: ignore[misc]  # no type stubs are published for it
    """The client over a unix socket where there is one, and without a second try anywhere."""

    def __init__(self, socket_path: Path | None, host: str, port: int, seconds: float) -> None:
        super().__init__(host=host, port=port, retries=0, timeout=seconds)
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

    async def fetch_document(self, entrypoint: str, facts: bytes) -> Any:
        """What the server answers for an entrypoint."""
        asked = self._request(
            "POST",
            f"{self.root_url}/data/{entrypoint}",
            data=b'{"input":' + facts + b"}",
            headers={"Content-Type": "application/json"},
            params={"strict-builtin-errors": "true"},
            allow_redirects=False,
        )
        async with asyncio.timeout(self.timeout), asked as reply:
            return await _result_of(reply, _MAX_DOCUMENT_BYTES)

    async def fetch_rules(self, path: str) -> Any:
        """What the server holds: its policies, a part of its data or its configuration."""
        asked = self._request(
            "GET",
            f"{self.root_url}/{path}",
            timeout=aiohttp.ClientTimeout(total=_RULES_SECONDS),
            allow_redirects=False,
        )
        async with asked as reply:
            return await _result_of(reply, _MAX_RULES_BYTES)


class OpaServer:
    """Decides by asking an OPA server that holds one policy folder."""

    def __init__(self, revision: str, client: _Client, name: str) -> None:
        self.revision = revision
        self.name = name
        self._client = client

    @classmethod
    async def open(
        cls,
        folder: PolicyFolder,
        address: str,
        decision_seconds: float = DECISION_SECONDS,
        ready_within_seconds: float = 10.0,
    ) -> "OpaServer":
        """Connects to `unix:/path/to/socket` or `http://host:port`, and waits until it is ready.

        Raises:
            PolicyUnavailableError: if it is not ready in time or holds other rules.
        """
        client = _client_of(address, decision_seconds)
        await client._init_session()
        try:
            await client.wait_for_ready(ready_within_seconds, interval=0.05)
            configuration = require_object(await client.fetch_rules("config"))
            name = f"OPA server {configuration['labels']['version']}"
            same = await _holds(client, folder)
        except Exception as unexpected:
            await client.close_connection()
            raise PolicyUnavailableError("the policy server is not ready") from unexpected
        if not same:
            await client.close_connection()
            raise PolicyUnavailableError(
                "the policy server holds other rules", folder=folder.path.name
            )
        return cls(folder.revision, client, name)

    async def decide(self, entrypoint: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        if not _ENTRYPOINT.fullmatch(entrypoint):
            raise PolicyUnavailableError("there is no such entrypoint")
        written = encode_facts(facts)
        try:
            return require_object(await self._client.fetch_document(entrypoint, written))
        except Exception as unexpected:
            raise PolicyUnavailableError("the policy server gave no decision") from unexpected

    async def close(self) -> None:
        await self._client.close_connection()


def _client_of(address: str, decision_seconds: float) -> _Client:
    """The client of an address, which waits for an answer as long as a decision may take.

    Raises:
        PolicyUnavailableError: if it is neither a socket nor an HTTP address.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as malformed:
        raise PolicyUnavailableError("the policy server's address is malformed") from malformed
    if parts.scheme == "unix" and parts.path:
        return _Client(Path(parts.path), "localhost", 80, decision_seconds)
    if parts.scheme == "http" and parts.hostname and port:
        return _Client(None, parts.hostname, port, decision_seconds)
    raise PolicyUnavailableError("a policy server is at unix:/socket or http://host:port")


async def _holds(client: _Client, folder: PolicyFolder) -> bool:
    """Whether the server holds the folder's rules and constants, beside tests at most."""
    held = [policy["raw"] for policy in await client.fetch_rules("policies")]
    rules = sorted(source for source in held if not is_test(source))
    constants = {root: await client.fetch_rules(f"data/{root}") for root in folder.constants}
    return rules == sorted(folder.modules.values()) and constants == folder.constants


async def _result_of(reply: aiohttp.ClientResponse, most_bytes: int) -> Any:
    """The `result` of a reply. OPA answers 200 without one when a document is undefined.

    Raises:
        PolicyUnavailableError: if the reply is no success, too long or has no result.
    """
    if reply.status != HTTPStatus.OK:
        raise PolicyUnavailableError("the policy server refused", status=str(reply.status))
    read = bytearray()
    async for chunk in reply.content.iter_any():
        read += chunk
        if len(read) > most_bytes:
            raise PolicyUnavailableError("the policy server answered too much")
    body = require_object(json.loads(read))
    if "result" not in body:
        raise PolicyUnavailableError("the policy has no such document for these facts")
    return body["result"]
