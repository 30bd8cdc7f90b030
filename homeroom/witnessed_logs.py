"""Reads how an organization's log grew from the registry that witnessed it, and checks each step.

Nothing is believed of the registry but when it saw what: every step is proven by the path from the
one before, and whoever cosigned did so with the key of its own record.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from homeroom.api.registry.v1 import witness_service_pb2 as pb
from homeroom.audit.beginning import open_beginning
from homeroom.audit.checkpoint import (
    GATEWAY_LOG,
    Checkpoint,
    log_origin,
    open_checkpoint,
    open_cosignatures,
    read_checkpoint,
    registry_witness_name,
    witness_key,
    witness_name,
)
from homeroom.audit.growth import Contradiction, contradiction_between
from homeroom.audit.note import NoteKey
from homeroom.audit.reconciling import WitnessedNote
from homeroom.errors import EvidenceInvalidError, NotPermittedError
from homeroom.federation import FederationState, Organization
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
    checkpoint = open_checkpoint(note, log_origin(federation, name), organization.checkpoint_key)
    registry = witness_key(registry_witness_name(federation), session.profile.registry_key)
    if not open_cosignatures(note, [registry]):
        raise EvidenceInvalidError("the registry shows what it did not witness")
    return WitnessedNote(checkpoint, note)


@dataclass(frozen=True, slots=True)
class _Keeper:
    """Whose log it is, and who says so where it did not continue."""

    log_name: str
    signing_key: bytes


def _keeper(state: FederationState, log_name: str, registry_key: bytes) -> _Keeper:
    if log_name == GATEWAY_LOG:
        return _Keeper(log_name, registry_key)
    organization = state.organizations.get(log_name)
    if organization is None or not organization.checkpoint_key:
        raise NotPermittedError("no such organization keeps a log")
    return _Keeper(log_name, organization.signing_key)


def _checked(
    one: pb.WitnessedCheckpoint,
    before: Step | None,
    keeper: _Keeper,
    federation: str,
    witnesses: dict[str, NoteKey],
) -> Step:
    name = keeper.log_name
    checkpoint, reason = read_checkpoint(one.note), ""
    if checkpoint.origin != log_origin(federation, name):
        raise EvidenceInvalidError("a checkpoint is of another log")
    if one.HasField("beginning"):
        said = open_beginning(one.beginning, federation, name, keeper.signing_key)
        reason = said.reason
        wrong = said.now != checkpoint or (before is not None and said.lost != before.checkpoint)
    else:
        # Of the first that is shown, what came before it is not known here.
        wrong = before is not None and bool(
            contradiction_between(before.checkpoint, checkpoint, one.consistency_path)
        )
    wrong |= before is not None and one.previous_position != before.position
    lines = open_cosignatures(one.note, witnesses.values())
    named = {key.name: who for who, key in witnesses.items()}
    who = tuple(named[line.witness] for line in lines)
    if wrong or "registry" not in who:
        raise EvidenceInvalidError("the log does not continue", position=str(one.position))
    at = one.witness_time.ToDatetime(dt.UTC)
    return Step(one.position, checkpoint, one.note, at, who, reason)


def _witnesses(state: FederationState, registry_key: bytes) -> dict[str, NoteKey]:
    """Whoever may cosign, by the name that is told."""
    federation = state.federation
    found = {"registry": witness_key(registry_witness_name(federation), registry_key)}
    for name, one in state.organizations.items():
        if one.checkpoint_key:
            found[name] = witness_key(witness_name(federation, name), one.checkpoint_key)
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
