"""Opens the gateway's log, and has it tell of the gateway's administration."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from homeroom.audit import AuditKind, Position
from homeroom.signing import SigningKey, digest_of
from services.gateway.domain.log import Log
from services.gateway.domain.recording import QuestionLog, started_content
from services.gateway.migrations import GATEWAY, VERSION_TABLE
from services.gateway.settings import GatewaySettings
from services.gateway.store import GatewayLog
from services.runtime.audit.standing import WitnessedLog
from services.runtime.database import bring_up_to_date
from services.runtime.policy import MemoryShelf

_DIGEST_BYTES = 32


async def open_log(settings: GatewaySettings) -> GatewayLog:
    """The log that the settings name, with its tables up to date."""
    await asyncio.to_thread(bring_up_to_date, settings.database_url, GATEWAY, VERSION_TABLE)
    return GatewayLog(settings.database_url)


class PatientLog:
    """A log that takes its first entries once it was compared with what the registry witnessed.

    A gateway that has just started lets questions wait a little, as for its first state; what comes
    too early even so is refused. Implements `Log`.
    """

    def __init__(
        self, log: WitnessedLog[None], compared: Callable[[], Awaitable[None]], seconds: float
    ) -> None:
        self._log = log
        self._compared = compared
        self._seconds = seconds

    async def append(
        self, kind: AuditKind, query_digest: bytes, content: Mapping[str, Any]
    ) -> Position:
        if not self._log.standing.compared:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._compared()
        return await self._log.append(kind, query_digest, content)


async def note_start(log: Log, settings: GatewaySettings, federation_revision: str) -> None:
    """Notes that the gateway has started.

    Raises:
        LogUnavailableError: if it cannot be noted; then no question can be passed on either.
    """
    # Without what may be secret, or be guessed from a digest: how a database is reached.
    known = settings.model_dump_json(exclude={"database_url"})
    key = SigningKey.load(settings.checkpoint_key).public
    said = started_content(key, known, federation_revision)
    await log.append(AuditKind.GATEWAY_STARTED, secrets.token_bytes(_DIGEST_BYTES), said)


class PolicyNotes:
    """Remembers which policy was taken last, and has the log tell of it; implements `BundleShelf`.

    A policy whose entry cannot be written decides nothing.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._taken = MemoryShelf()
        self._loop = asyncio.get_running_loop()

    def taken(self, scope: str) -> tuple[int, bytes] | None:
        return self._taken.taken(scope)

    def take(self, scope: str, sequence: int, packed: bytes) -> None:
        """Runs in a thread; the log is written from its loop."""
        digest = digest_of(packed).hex()
        said = {"scope": scope, "sequence": sequence, "bundle_digest": digest}
        asyncio.run_coroutine_threadsafe(self._note(said), self._loop).result()
        self._taken.take(scope, sequence, packed)

    async def _note(self, said: Mapping[str, Any]) -> None:
        await self._log.append(AuditKind.POLICY_TAKEN, secrets.token_bytes(_DIGEST_BYTES), said)


def note_refused_policy(log: QuestionLog, scope: str, why: str) -> None:
    """Notes that a policy's file was not taken; nobody waits for it."""
    said = {"scope": scope, "why": why}
    log.begin(AuditKind.POLICY_REFUSED, secrets.token_bytes(_DIGEST_BYTES), said)
