"""A node whose log is nothing, to measure by; it exists in the benchmarks alone."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from homeroom.audit import AuditKind, Position
from services.node import opening, server
from services.node.domain.log import Note
from services.node.settings import NodeSettings
from services.node.store.log import LogStore
from services.runtime.audit.witnessing import LogWitness, Witnessing
from services.runtime.process import run_service


class NoLog(LogStore):
    """Takes every entry and keeps none, nor what goes with it."""

    async def append(
        self,
        kind: AuditKind,
        query_digest: bytes,
        content: Mapping[str, Any],
        notes: Sequence[Note] = (),
    ) -> Position:
        return Position(0, "00" * 32)


class NoWitness(Witnessing):
    """Shows nobody a log that is nothing; its organization has another node, with a log."""

    async def run(self, witness: LogWitness) -> None:
        self._standing.settle(None, None)
        self._compared.set()
        await asyncio.Event().wait()


if __name__ == "__main__":
    for module, name, nothing in ((opening, "LogStore", NoLog), (server, "Witnessing", NoWitness)):
        setattr(module, name, nothing)
    sys.exit(run_service("node", NodeSettings, server.build_server))
