"""Counts what a log is told, and reads how it stands before its witness."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol

from homeroom.audit import AuditKind, Position
from services.runtime.audit.checkpoints import CheckpointSigner
from services.runtime.audit.standing import Appending, LogStanding, NoteT, WitnessedLog
from services.runtime.metrics.readings import Reading


class Counts(Protocol):
    """Counts entries by what they say."""

    def count(self, kind: AuditKind, content: Mapping[str, Any]) -> None:
        """Counts one that is durable."""
        ...


class CountedLog(WitnessedLog[NoteT], Generic[NoteT]):
    """A log that counts what was written to it: what is on the page is in the log."""

    def __init__(self, log: Appending[NoteT], counts: Counts) -> None:
        super().__init__(log)
        self._counts = counts

    async def append(
        self,
        kind: AuditKind,
        query_digest: bytes,
        content: Mapping[str, Any],
        notes: Sequence[NoteT] = (),
    ) -> Position:
        position = await super().append(kind, query_digest, content, notes)
        self._counts.count(kind, content)
        return position


class SizedLog(Protocol):
    """A log that says how long it is."""

    def size(self) -> int:
        """How many entries there are."""
        ...


def measure_log(log: SizedLog, signer: CheckpointSigner) -> tuple[Reading, ...]:
    """How long the log is, and how far it was signed."""
    return (
        Reading("homeroom_log_entries", "Entries of the log.", log.size),
        Reading(
            "homeroom_log_signed_entries",
            "Entries that the newest signed checkpoint covers.",
            lambda: signer.signed[0],
        ),
        Reading(
            "homeroom_log_checkpoint_timestamp_seconds",
            "When this process last signed a checkpoint; 0 before the first.",
            lambda: signer.signed[1],
        ),
    )


def measure_standing(standing: LogStanding) -> tuple[Reading, ...]:
    """How the log stands before its witness."""

    def witnessed() -> float:
        return standing.witnessed.checkpoint.size if standing.witnessed else 0

    def witnessed_at() -> float:
        return standing.witnessed.at.timestamp() if standing.witnessed else 0

    return (
        Reading(
            "homeroom_log_witnessed_entries",
            "Entries that the newest witnessed checkpoint covers.",
            witnessed,
        ),
        Reading(
            "homeroom_log_witnessed_timestamp_seconds",
            "When the log was last witnessed, by the witness's clock; 0 before the first time.",
            witnessed_at,
        ),
        Reading(
            "homeroom_log_contradicted",
            "1 if the log is not the one that was witnessed: nothing is answered any more.",
            lambda: float(standing.contradiction is not None),
        ),
    )
