"""Reads how an organization's log grew from the registry that witnessed it, and checks each step.

Nothing is believed of the registry but when it saw what: every step is proven by the path from the
one before, and whoever cosigned did so with the key of its own record.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from homeroom.api.common.v1.evidence_pb2 import SignedStatement
from homeroom.api.registry.v1 import witness_service_pb2 as pb
from homeroom.audit.beginning import open_beginning
from homeroom.audit.checkpoint import (
    GATEWAY_LOG,
    Checkpoint,
    log_origin,
    open_cosignatures,
    read_checkpoint,
    registry_witness_name,
    witness_key,
    witness_name,
)
from homeroom.audit.following import opened_by
from homeroom.audit.growth import Contradiction, LogBeginning, contradiction_between
from homeroom.audit.note import NoteKey
from homeroom.audit.reconciling import WitnessedNote
from homeroom.errors import EvidenceInvalidError, NotPermittedError
from homeroom.evidence import key_that_signed
from homeroom.federation import FederationState, Organization
from homeroom.key_history import KeyHistory
from homeroom.session import Session, call

_KINDS = {
    pb.CONTRADICTION_KIND_SHORTENED: Contradiction.SHORTENED,
    pb.CONTRADICTION_KIND_FORKED: Contradiction.FORKED,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One checkpoint that was taken.

    Attributes:
        cosigned_by: the organizations whose lines check, and `registry`.
        reason: why the log began anew here; empty where it continues.
    """

    position: int
    checkpoint: Checkpoint
    note: str
    witnessed_at: dt.datetime
    cosigned_by: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A checkpoint that was refused, beside the one that it contradicts."""

    kind: str
    known_note: str
    refused_note: str
    refused_at: dt.datetime


@dataclass(frozen=True, slots=True)
class WitnessedLog:
    """How a log grew, and what was refused of it."""

    steps: tuple[Step, ...]
    contradictions: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class PartnersLog:
    """A partner's log, and what came of checking it.

    Attributes:
        log: what was read of it; nothing where `checks` is false.
        checks: whether every step that the registry shows could be checked.
        cosigned_size: how many entries the newest checkpoint had that one's own node cosigned.
    """

    organization_id: str
    log: WitnessedLog
    checks: bool
    cosigned_size: int

    @property
    def newest(self) -> Step | None:
        return self.log.steps[-1] if self.log.steps else None

    @property
    def verdict(self) -> str:
        """One word for it; the gravest that applies."""
        if not self.checks:
            return "not_checked"
        if self.log.contradictions:
            return "contradicted"
        if not self.log.steps:
            return "not_witnessed"
        return "began_anew" if any(one.reason for one in self.log.steps) else "continues"

    @property
    def sound(self) -> bool:
        """Whether nothing speaks against it; a log that lost entries said so itself."""
        return self.checks and not self.log.contradictions


async def read_partners_logs(
    session: Session, organization_ids: Collection[str] = ()
) -> tuple[PartnersLog, ...]:
    """The logs of these organizations; of every partner that keeps one, if none is named.

    Raises:
        NotPermittedError: if one that is named keeps no log.
    """
    state = await session.registry_view.state(session.seen.registry)
    names = sorted(set(organization_ids)) or _partners(state, session.organization_id)
    return tuple([await _read_partners(session, name) for name in names])


async def _read_partners(session: Session, name: str) -> PartnersLog:
    try:
        log = await read_log(session, name)
    except EvidenceInvalidError:
        return PartnersLog(name, WitnessedLog((), ()), checks=False, cosigned_size=0)
    own = session.organization_id
    cosigned = [one.checkpoint.size for one in log.steps if own in one.cosigned_by]
    return PartnersLog(name, log, checks=True, cosigned_size=cosigned[-1] if cosigned else 0)


def _partners(state: FederationState, own: str) -> list[str]:
    return [
        name
        for name, one in sorted(state.organizations.items())
        if name != own and one.checkpoint_key and state.agreement_of_all("", (own, name))
    ]


async def read_log(session: Session, organization_id: str, after: int = 0) -> WitnessedLog:
    """The log of an organization, or `GATEWAY_LOG`, after a place; every step of it checked.

    Raises:
        NotPermittedError: if no such organization keeps a log.
        EvidenceInvalidError: if a step does not follow from the one before.
    """
    state = await session.registry_view.state(session.seen.registry)
    keeper = _keeper(state, organization_id, session.profile.registry_key)
    witnesses = _witnesses(state, session.profile.registry_key)
    steps: list[Step] = []
    while True:
        request = pb.ListCheckpointsRequest(
            organization_id=organization_id,
            after_position=steps[-1].position if steps else after,
        )
        page = (await call(session.witness.ListCheckpoints, request)).checkpoints
        for one in page:
            before = steps[-1] if steps else None
            steps.append(_checked(one, before, keeper, state.federation, witnesses))
        if not page:
            break
    return WitnessedLog(tuple(steps), await _refused(session, organization_id))


async def newest_witnessed(session: Session, organization: Organization) -> WitnessedNote | None:
    """The newest checkpoint that the registry has of a log; None if it has none.

    Raises:
        EvidenceInvalidError: if the log's own key did not sign it, or the registry not cosign it:
            with less, nobody could be accused.
    """
    name, federation = organization.organization_id, session.profile.federation
    request = pb.ListCheckpointsRequest(organization_id=name, newest=True)
    shown = (await call(session.witness.ListCheckpoints, request)).checkpoints
    if not shown:
        return None
    note = shown[0].note
    registry = witness_key(registry_witness_name(federation), session.profile.registry_key)
    seen = open_cosignatures(note, [registry])
    if not seen:
        raise EvidenceInvalidError("the registry shows what it did not witness")
    keys = organization.keys.checkpoint_keys_at(seen[0].at)
    checkpoint, _ = opened_by(note, log_origin(federation, name), keys)
    return WitnessedNote(checkpoint, note)


@dataclass(frozen=True, slots=True)
class _Keeper:
    """Whose log it is, and who says so where it did not continue.

    Attributes:
        keys: None of the gateway's log: the registry, which knows its key, speaks for it.
    """

    log_name: str
    signing_key: bytes
    keys: KeyHistory | None = None

    def checkpoint_in(self, note: str, federation: str, seen_at: dt.datetime) -> Checkpoint:
        """The checkpoint of a note that the log signed, by a key that stood when it was seen."""
        origin = log_origin(federation, self.log_name)
        if self.keys is not None:
            return opened_by(note, origin, self.keys.checkpoint_keys_at(seen_at))[0]
        checkpoint = read_checkpoint(note)
        if checkpoint.origin != origin:
            raise EvidenceInvalidError("a checkpoint is of another log")
        return checkpoint

    def beginning(
        self, evidence: SignedStatement, federation: str, seen_at: dt.datetime
    ) -> LogBeginning:
        """What was said of a log that did not continue."""
        name, key = self.log_name, self.signing_key
        if self.keys is not None:
            key = key_that_signed(evidence, name, self.keys, seen_at)
        return open_beginning(evidence, federation, name, key)


def _keeper(state: FederationState, log_name: str, registry_key: bytes) -> _Keeper:
    if log_name == GATEWAY_LOG:
        return _Keeper(log_name, registry_key)
    organization = state.organizations.get(log_name)
    if organization is None or not organization.checkpoint_key:
        raise NotPermittedError("no such organization keeps a log")
    return _Keeper(log_name, organization.signing_key, organization.keys)


def _checked(
    one: pb.WitnessedCheckpoint,
    before: Step | None,
    keeper: _Keeper,
    federation: str,
    witnesses: Sequence[tuple[str, NoteKey]],
) -> Step:
    lines = open_cosignatures(one.note, [key for _, key in witnesses])
    # What the registry signed for, not what it says beside it, is when it saw the note.
    seen = [line.at for line in lines if line.witness == registry_witness_name(federation)]
    if not seen:
        raise EvidenceInvalidError("the log does not continue", position=str(one.position))
    checkpoint, reason = keeper.checkpoint_in(one.note, federation, seen[0]), ""
    if one.HasField("beginning"):
        said = keeper.beginning(one.beginning, federation, seen[0])
        reason = said.reason
        wrong = said.now != checkpoint or (before is not None and said.lost != before.checkpoint)
    else:
        # Of the first that is shown, what came before it is not known here.
        wrong = before is not None and bool(
            contradiction_between(before.checkpoint, checkpoint, one.consistency_path)
        )
    wrong |= before is not None and one.previous_position != before.position
    named = {key.name: who for who, key in witnesses}
    who = tuple(dict.fromkeys(named[line.witness] for line in lines))
    if wrong:
        raise EvidenceInvalidError("the log does not continue", position=str(one.position))
    at = one.witness_time.ToDatetime(dt.UTC)
    return Step(one.position, checkpoint, one.note, at, who, reason)


def _witnesses(state: FederationState, registry_key: bytes) -> Sequence[tuple[str, NoteKey]]:
    """Whoever may cosign, by the name that is told; with every key that it ever had."""
    federation = state.federation
    found = [("registry", witness_key(registry_witness_name(federation), registry_key))]
    for name, one in state.organizations.items():
        keys = {period.keys.checkpoint for period in one.keys.periods if period.keys.checkpoint}
        found += [(name, witness_key(witness_name(federation, name), key)) for key in sorted(keys)]
    return found


async def _refused(session: Session, organization_id: str) -> tuple[Refused, ...]:
    request = pb.ListContradictionsRequest(organization_id=organization_id)
    found = (await call(session.witness.ListContradictions, request)).contradictions
    return tuple(
        Refused(
            str(_KINDS.get(one.kind, "unknown")),
            one.known_note,
            one.refused_note,
            one.refuse_time.ToDatetime(dt.UTC),
        )
        for one in found
    )
