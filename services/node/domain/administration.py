"""What the log tells of a node's administration: its start, imports, policies that were refused."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from homeroom.audit import AuditKind
from homeroom.errors import LogUnavailableError
from homeroom.signing import digest_of, key_id_of
from services.node.domain.intake_history import Intakes, KeptRun

_LOOK_SECONDS = 5.0
_AT_ONCE = 1_000


class Acts(Protocol):
    """Where acts are noted that change nothing in the node's own state."""

    def note(self, kind: AuditKind, content: Mapping[str, Any], digest: bytes = b"") -> bool:
        """Notes an act, once for each digest; False if it was noted before.

        Raises:
            LogUnavailableError: if it cannot be noted now.
        """
        ...


class Administration:
    """Notes the node's start, the imports that others make, and policies that were refused."""

    def __init__(self, acts: Acts, intakes: Intakes) -> None:
        self._acts = acts
        self._intakes = intakes
        self._seen = 0
        self._noting: set[asyncio.Task[None]] = set()

    async def begin(self, started: Mapping[str, Any]) -> None:
        """Notes that the node has started.

        Raises:
            LogUnavailableError: if it cannot be noted; then the node can answer nothing either.
        """
        await asyncio.to_thread(self._acts.note, AuditKind.NODE_STARTED, started)

    async def run(self) -> None:
        """Notes each import that was kept, for as long as the node runs."""
        while True:
            with suppress(LogUnavailableError):
                await asyncio.to_thread(self.look_at_imports)
            await asyncio.sleep(_LOOK_SECONDS)

    def look_at_imports(self) -> None:
        """Notes the imports that came since it last looked; each once, whoever asks."""
        if self._intakes.change_sequence() <= self._seen:
            return
        for run in reversed(self._intakes.newest(_AT_ONCE)):
            if run.run > self._seen:
                content = import_content(run)
                act = f"import {run.run} {content['finished_at']}".encode()
                self._acts.note(AuditKind.RECORDS_IMPORTED, content, digest_of(act))
                self._seen = run.run

    def refused(self, scope: str, why: str) -> None:
        """Notes that a policy's file was not taken; nobody waits for it."""
        task = asyncio.ensure_future(self._refused({"scope": scope, "why": why}))
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)

    async def _refused(self, said: Mapping[str, Any]) -> None:
        with suppress(LogUnavailableError):
            await asyncio.to_thread(self._acts.note, AuditKind.POLICY_REFUSED, said)


def started_content(
    keys: tuple[bytes, bytes], settings: str, revisions: Sequence[str], views: Iterable[str]
) -> Mapping[str, Any]:
    """What the log tells of a start: the keys for signing and sealing, settings and policies."""
    signing, sealing = map(key_id_of, keys)
    federation, local = revisions
    return {
        "signing_key": signing,
        "sealing_key": sealing,
        "settings_digest": digest_of(settings.encode()).hex(),
        "federation_revision": federation,
        "local_revision": local,
        "views": sorted(views),
    }


def import_content(run: KeptRun) -> Mapping[str, Any]:
    """What the log tells of an import: counts, no record."""
    return {
        "run": run.run,
        "source": run.source,
        "format": run.format_name,
        "finished_at": int(run.finished_at.timestamp()),
        "tables": {one.table: _counts(one[1:]) for one in run.tables},
        "rejected": run.rejected,
    }


def _counts(counted: Sequence[Any]) -> list[int]:
    """Read, added, changed, removed, ended, rejected."""
    return [int(count) for count in counted]
