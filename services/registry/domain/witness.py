"""How the registry witnesses logs: it takes what continues a log, and keeps what contradicts it."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from homeroom.audit.checkpoint import Checkpoint, open_checkpoint
from homeroom.audit.growth import Contradiction, LogBeginning, contradiction_between
from homeroom.errors import ChangedMeanwhileError, NotPermittedError, RequestInvalidError
from services.registry.domain.organizations import RegisteredOrganization
from services.registry.domain.statements import Statement

MAX_NOTE_CHARACTERS = 4_096
MAX_PATH_BYTES = 128 * 32
MAX_REASON_CHARACTERS = 500
MAX_COSIGNATURES = 90
"""Whoever reads a note reads at most a hundred lines."""

Cosign = Callable[[str], str]
"""The registry's own line below a note."""


@dataclass(frozen=True, slots=True)
class TakenCheckpoint:
    """A checkpoint of an organization's log as it was taken.

    Attributes:
        position: its place among the log's checkpoints, from 1 on.
        note: as the log signed it, and the registry's line.
        path: leads from the one before.
        previous: the position of the one before, of those that are kept; 0 for the first.
        beginning: the organization's word, where the log did not continue.
        cosignatures: the lines of other witnesses, in their order.
    """

    organization_id: str
    position: int
    checkpoint: Checkpoint
    note: str
    path: bytes
    taken_at: dt.datetime
    beginning: Statement | None = None
    cosignatures: tuple[str, ...] = ()
    previous: int = 0

    @property
    def whole_note(self) -> str:
        """The note with every line below it."""
        return self.note + "".join(self.cosignatures)


@dataclass(frozen=True, slots=True)
class FoundContradiction:
    """A checkpoint that was refused, beside the one that it contradicts; both are signed."""

    organization_id: str
    kind: Contradiction
    known_note: str
    refused_note: str
    refused_at: dt.datetime
    position: int = 0


@dataclass(frozen=True, slots=True)
class ShownCheckpoint:
    """A checkpoint that an organization shows of its log.

    Attributes:
        known_size: of the checkpoint that `path` leads from, as the organization knows it.
        beginning: what the organization says where the log did not continue, and the statement.
    """

    note: str
    known_size: int
    path: bytes
    beginning: tuple[LogBeginning, Statement] | None = None


@dataclass(frozen=True, slots=True)
class LogKeeper:
    """Whose word a log is.

    Attributes:
        log_name: an organization's, or the gateway's.
        checkpoint_key: signs its checkpoints; empty where none is kept.
        signing_key: signs what is said of the log where it did not continue.
    """

    log_name: str
    checkpoint_key: bytes
    signing_key: bytes


Verdict: TypeAlias = TakenCheckpoint | FoundContradiction


class WitnessStore(Protocol):
    """Keeps what was taken and what was refused. Each call is one transaction."""

    def decide(
        self,
        organization_id: str,
        rule: Callable[[RegisteredOrganization | None, TakenCheckpoint | None], Verdict],
    ) -> Verdict:
        """Writes what the rule makes of the newest checkpoint; nothing where it gives that back.

        Args:
            organization_id: whose log it is, or the gateway's; here and below.
            rule: called while nobody else can write of this log.
        """
        ...

    def add_cosignature(
        self,
        organization_id: str,
        position: int,
        rule: Callable[[TakenCheckpoint | None], tuple[str, str]],
    ) -> None:
        """Keeps the line that the rule gives, by the witness that it gives; one for each."""
        ...

    def organization(self, organization_id: str) -> RegisteredOrganization | None:
        """The organization, if it is registered."""
        ...

    def newest(self, organization_id: str) -> TakenCheckpoint | None:
        """The checkpoint that was taken last."""
        ...

    def taken(self, organization_id: str, after: int, limit: int) -> Sequence[TakenCheckpoint]:
        """The checkpoints after a place, in their order."""
        ...

    def logs(self) -> Sequence[str]:
        """The organizations whose logs are witnessed."""
        ...

    def thin(self, organization_id: str, before: dt.datetime) -> int:
        """Leaves out what need not be kept of what is older; returns how many checkpoints."""
        ...

    def contradictions(
        self, organization_id: str, after: int, limit: int
    ) -> Sequence[FoundContradiction]:
        """What was refused after a place, in its order."""
        ...


@dataclass(frozen=True, slots=True)
class Witness:
    """Takes checkpoints of logs.

    Attributes:
        origin: the name that an organization's log has.
        cosign: makes the registry's own line.
    """

    origin: Callable[[str], str]
    cosign: Cosign

    def judge(
        self,
        shown: ShownCheckpoint,
        keeper: LogKeeper | None,
        newest: TakenCheckpoint | None,
        now: dt.datetime,
    ) -> Verdict:
        """What becomes of a checkpoint.

        Raises:
            NotPermittedError: if nobody is known to keep it, with a checkpoint key.
            EvidenceInvalidError: if its log did not sign it.
            ChangedMeanwhileError: if another checkpoint was taken meanwhile; whoever shows one has
                to know the newest, so that nothing is held against a log for its being slow.
            RequestInvalidError: if a new beginning is not about what was taken last.
        """
        if keeper is None or not keeper.checkpoint_key:
            raise NotPermittedError("no log of this organization is witnessed")
        name = keeper.log_name
        checkpoint = open_checkpoint(shown.note, self.origin(name), keeper.checkpoint_key)
        if newest is not None and checkpoint == newest.checkpoint:
            return newest
        known = newest.checkpoint if newest else None
        if shown.known_size != (known.size if known else 0):
            raise ChangedMeanwhileError("another checkpoint was taken", field="known_size")
        taken = TakenCheckpoint(
            organization_id=name,
            position=newest.position + 1 if newest else 1,
            checkpoint=checkpoint,
            note=shown.note + self.cosign(shown.note),
            path=shown.path,
            taken_at=now,
            previous=newest.position if newest else 0,
        )
        if shown.beginning is not None:
            beginning, statement = shown.beginning
            _require_about(beginning, newest, checkpoint)
            return replace(taken, path=b"", beginning=statement)
        found = contradiction_between(known, checkpoint, shown.path)
        if found is None:
            return taken
        known_note = newest.note if newest else ""
        return FoundContradiction(name, found, known_note, shown.note, now)


def _require_about(
    beginning: LogBeginning, newest: TakenCheckpoint | None, checkpoint: Checkpoint
) -> None:
    if newest is None or (beginning.lost_position, beginning.lost) != (
        newest.position,
        newest.checkpoint,
    ):
        raise RequestInvalidError("a new beginning names what was taken last", field="beginning")
    if beginning.now != checkpoint:
        raise RequestInvalidError("a new beginning names its checkpoint", field="beginning")
    if not 0 < len(beginning.reason) <= MAX_REASON_CHARACTERS:
        raise RequestInvalidError("a new beginning says why", field="reason")
