"""A node follows its partners' logs, remembers them, and cosigns what it could follow."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from homeroom.api.node.v1.node_service_pb2 import GetNodeStatusResponse
from homeroom.api.registry.v1 import witness_service_pb2 as pb
from homeroom.audit.checkpoint import (
    Checkpoint,
    cosign,
    open_cosignatures,
    registry_witness_name,
    witness_key,
    witness_name,
)
from homeroom.audit.following import FollowedLog
from homeroom.cli import audit_witness
from homeroom.cli.app import app
from homeroom.cli.exits import ExitCode
from homeroom.errors import EvidenceInvalidError, NotPermittedError
from homeroom.federation import FederationState
from homeroom.identity import Identity, Role
from homeroom.signing import SigningKey
from homeroom.witnessed_logs import (
    PartnersLog,
    Refused,
    Step,
    WitnessedLog,
    newest_witnessed,
    read_log,
    read_partners_logs,
)
from services.node.api.partner_logs import tell_contradictions
from services.node.domain.partner_logs import PartnerLog, SeenContradiction, partners_of
from services.node.peers.partner_logs import CheckpointKeys, PartnerLogs
from services.node.store.partner_logs import PartnerLogStore
from services.runtime.database import open_database
from tests.contract.node_stores import Urls, urls
from tests.growing_logs import GrowingLog
from tests.organizations import NOW
from tests.unit.node.federation import HOLDER, REQUESTER, federation

__all__ = ["urls"]

REGISTRY = SigningKey.generate()
NAME = HOLDER.organization_id
FEDERATION = federation().federation
OWN = Identity(FEDERATION, REQUESTER.organization_id, Role.NODE)


@dataclass
class ScriptedWitness:
    """What a registry would show of one log, and what it was told."""

    shown: list[pb.WitnessedCheckpoint] = field(default_factory=list)
    told: list[pb.SubmitCosignatureRequest] = field(default_factory=list)
    contradicted: bool = True

    def show(self, log: GrowingLog, before: int) -> None:
        note = log.note()
        line = cosign(note, registry_witness_name(FEDERATION), REGISTRY, NOW)
        self.shown.append(
            pb.WitnessedCheckpoint(
                position=len(self.shown) + 1,
                note=note + line,
                consistency_path=log.path(before),
                previous_position=len(self.shown),
            )
        )

    async def ListContradictions(self, request: Any, timeout: float) -> Any:  # gRPC's
        if not self.contradicted:
            return pb.ListContradictionsResponse()
        refused = pb.LogContradiction(
            position=1,
            kind=pb.CONTRADICTION_KIND_FORKED,
            known_note="known",
            refused_note="refused",
        )
        return pb.ListContradictionsResponse(contradictions=[refused])

    async def ListCheckpoints(self, request: Any, timeout: float = 0) -> Any:  # gRPC's
        assert request.organization_id == NAME
        after = self.shown[-1:] if request.newest else self.shown[request.after_position :]
        return pb.ListCheckpointsResponse(checkpoints=after)

    async def SubmitCosignature(self, request: Any, timeout: float) -> Any:  # gRPC's
        self.told.append(request)
        return pb.SubmitCosignatureResponse()


@dataclass
class EmptyWitness:
    """A registry that has no checkpoint of anybody's, and remembers whose it was asked for."""

    asked: list[str] = field(default_factory=list)

    async def ListCheckpoints(self, request: Any, timeout: float) -> Any:  # gRPC's
        self.asked.append(request.organization_id)
        return pb.ListCheckpointsResponse()


@pytest.fixture
def store(urls: Urls) -> Iterator[PartnerLogStore]:
    engine = open_database(urls.state)
    yield PartnerLogStore(engine)
    engine.dispose()


def state_of() -> FederationState:
    """The federation, whose organizations have checkpoint keys."""
    known = federation()
    keys = {one.organization_id: one.checkpoint.public for one in (HOLDER, REQUESTER)}
    organizations = {
        name: replace(one, checkpoint_key=keys.get(name, b""))
        for name, one in known.organizations.items()
    }
    return replace(known, organizations=organizations)


def state_with(names: Sequence[str]) -> FederationState:
    """A federation in which all of some names are holders, like the usual one, of one agreement."""
    known = state_of()
    (agreement,) = known.agreements.values()
    party = agreement.document.party(NAME)
    assert party is not None
    others = [one for one in agreement.document.parties if one != party]
    holders = [party.model_copy(update={"organization_id": name}) for name in names]
    document = agreement.document.model_copy(update={"parties": [*others, *holders]})
    agreed = replace(agreement, document=document)
    like = known.organizations[NAME]
    organizations = {name: replace(like, organization_id=name) for name in names}
    return replace(
        known,
        organizations={**known.organizations, **organizations},
        agreements=dict.fromkeys(known.agreements, agreed),
    )


def following(store: PartnerLogStore) -> PartnerLogs:
    keys = CheckpointKeys(REQUESTER.checkpoint, REGISTRY.public)
    return PartnerLogs(OWN, keys, state_of, store, lambda: NOW)


def log_of(entries: int) -> GrowingLog:
    log = GrowingLog(FEDERATION, NAME, HOLDER.checkpoint)
    log.grow(*(b"%d" % number for number in range(entries)))
    return log


def test_partners_are_who_shares_an_agreement_and_keeps_a_log() -> None:
    named = [one.organization_id for one in partners_of(state_of(), OWN.organization_id)]

    assert named == [NAME]
    assert partners_of(federation(), OWN.organization_id) == []
    assert partners_of(state_of(), "stranger") == []


def test_what_was_followed_comes_back(store: PartnerLogStore) -> None:
    root = b"\x00\xff" * 16
    known = PartnerLog(
        FollowedLog(7, Checkpoint("origin", 2**40, root), "note\n", b"\x00" * 32, 1), NOW
    )
    store.keep_partner_log("anytown", known)
    assert store.partner_logs() == {"anytown": replace(known, seen_at=NOW)}

    refused = replace(known, contradiction=SeenContradiction("forked", "a\n", "b\n", NOW))
    store.keep_partner_log("anytown", refused)
    assert store.partner_logs() == {"anytown": refused}


async def test_a_partner_cosigns_each_checkpoint_that_it_could_follow(
    store: PartnerLogStore,
) -> None:
    """Also after a restart it goes on from what it knew."""
    log, witness = log_of(3), ScriptedWitness()
    witness.show(log, 0)
    await following(store).look(witness)  # type: ignore[arg-type]  # speaks the stub's methods
    log.grow(b"more")
    witness.show(log, 3)
    for _ in range(2):
        await following(store).look(witness)  # type: ignore[arg-type]  # likewise

    key = witness_key(witness_name(FEDERATION, OWN.organization_id), REQUESTER.checkpoint.public)
    assert [one.position for one in witness.told] == [1, 2]
    for one in witness.told:
        note = witness.shown[one.position - 1].note
        assert len(open_cosignatures(note + one.line, [key])) == 1
    assert store.partner_logs()[NAME].followed.checkpoint == log.checkpoint()


async def test_many_partners_logs_are_looked_at_in_turn(store: PartnerLogStore) -> None:
    """Else each of a hundred nodes would ask for ninety-nine logs every minute."""
    names = [NAME, *(f"partner_{number:02}" for number in range(24))]
    state, witness = state_with(names), EmptyWitness()
    keys = CheckpointKeys(REQUESTER.checkpoint, REGISTRY.public)
    partners = PartnerLogs(OWN, keys, lambda: state, store, lambda: NOW)

    for looks in (10, 20, 25):
        await partners.look(witness)  # type: ignore[arg-type]  # speaks the stub's methods
        assert len(set(witness.asked)) == looks
    assert set(witness.asked) == set(names)
    assert len(witness.asked) == 30


async def test_a_log_that_became_another_is_remembered_and_never_cosigned(
    store: PartnerLogStore,
) -> None:
    """The registry itself shows it, and signs for it: the partner remembers better."""
    log, witness = log_of(3), ScriptedWitness()
    witness.show(log, 0)
    await following(store).look(witness)  # type: ignore[arg-type]  # speaks the stub's methods
    forked = log.copy(2)
    forked.grow(b"other", b"and more")
    witness.show(forked, 3)
    await following(store).look(witness)  # type: ignore[arg-type]  # likewise

    kept = store.partner_logs()[NAME]
    first = SeenContradiction("forked", witness.shown[0].note, witness.shown[1].note, NOW)
    assert kept.contradiction == first
    assert kept.followed.checkpoint == log.checkpoint()
    assert [one.position for one in witness.told] == [1]

    del witness.shown[1:]
    log.grow(b"as if nothing had been")
    witness.show(log, 3)
    await following(store).look(witness)  # type: ignore[arg-type]  # likewise
    kept = store.partner_logs()[NAME]
    assert kept.followed.checkpoint == log.checkpoint()
    assert kept.contradiction == first, "evidence is kept, whatever is shown later"
    status = GetNodeStatusResponse()
    tell_contradictions(status, {"sound": replace(kept, contradiction=None), NAME: kept})
    (told,) = status.partner_contradictions
    assert (told.organization_id, told.kind) == (NAME, "forked")
    assert (told.known_note, told.refused_note) == (first.known_note, first.refused_note)


async def test_whoever_asks_reads_each_step_and_what_was_refused() -> None:
    """`homeroom audit checkpoints` takes nothing on the registry's word but when it saw what."""
    log, witness = log_of(3), ScriptedWitness()
    witness.show(log, 0)
    log.grow(b"more")
    witness.show(log, 3)

    read = await read_log(AskingSession(witness), NAME)  # type: ignore[arg-type]  # what it uses

    assert [(one.position, one.checkpoint.size) for one in read.steps] == [(1, 3), (2, 4)]
    assert [one.cosigned_by for one in read.steps] == [("registry",), ("registry",)]
    assert [one.kind for one in read.contradictions] == ["forked"]
    forked = log.copy(2)
    forked.grow(b"other", b"and more", b"on")
    witness.show(forked, 4)
    with pytest.raises(EvidenceInvalidError):
        await read_log(AskingSession(witness), NAME)  # type: ignore[arg-type]  # likewise
    with pytest.raises(NotPermittedError):
        await read_log(AskingSession(witness), "nobody")  # type: ignore[arg-type]  # likewise


async def test_the_newest_witnessed_checkpoint_accuses_nobody_who_did_not_sign_it() -> None:
    """The log's own key has signed it, and the registry cosigned it; or it is not believed."""
    log, witness = log_of(3), ScriptedWitness()
    holder = state_of().organizations[NAME]
    session: Any = AskingSession(witness)

    assert await newest_witnessed(session, holder) is None
    witness.show(log, 0)
    log.grow(b"more")
    witness.show(log, 3)
    found = await newest_witnessed(session, holder)
    assert found is not None
    assert (found.checkpoint, found.note) == (log.checkpoint(), witness.shown[-1].note)

    invented = GrowingLog(FEDERATION, NAME, REGISTRY)
    invented.grow(b"what the holder never signed")
    witness.show(invented, 0)
    with pytest.raises(EvidenceInvalidError):
        await newest_witnessed(session, holder)
    witness.shown[-1].note = log.note()
    with pytest.raises(EvidenceInvalidError):
        await newest_witnessed(session, holder)


async def test_a_partners_view_tells_what_came_of_each_log_and_how_far_it_cosigned() -> None:
    """Each verdict is reached by what the registry shows, the gravest first."""
    log, witness = log_of(3), ScriptedWitness(contradicted=False)

    async def view() -> tuple[str, bool, int]:
        session = AskingSession(witness)
        (one,) = await read_partners_logs(session)  # type: ignore[arg-type]  # what it uses
        assert one.organization_id == NAME
        return one.verdict, one.sound, one.cosigned_size

    assert await view() == ("not_witnessed", True, 0)
    witness.show(log, 0)
    own = witness_name(FEDERATION, OWN.organization_id)
    witness.shown[0].note += cosign(log.note(), own, REQUESTER.checkpoint, NOW)
    log.grow(b"more")
    witness.show(log, 3)
    assert await view() == ("continues", True, 3)
    witness.contradicted = True
    assert await view() == ("contradicted", False, 3)
    forked = log.copy(2)
    forked.grow(b"other", b"and more", b"on")
    witness.show(forked, 4)
    assert await view() == ("not_checked", False, 0)


async def test_a_partners_view_of_a_log_that_nobody_keeps_is_refused() -> None:
    session = AskingSession(ScriptedWitness())
    with pytest.raises(NotPermittedError):
        await read_partners_logs(session, ["nobody"])  # type: ignore[arg-type]  # what it uses


class AskingSession:
    """As much of a session as reading a log needs."""

    def __init__(self, witness: ScriptedWitness) -> None:
        self.witness = witness
        self.organization_id = REQUESTER.organization_id
        self.seen = SimpleNamespace(registry=0)
        self.profile = SimpleNamespace(federation=FEDERATION, registry_key=REGISTRY.public)
        self.registry_view = self

    async def state(self, _sequence: int) -> FederationState:
        return state_of()


def test_the_command_tells_each_log_and_ends_with_7_where_one_is_contradicted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = Refused("forked", "known\n", "refused\n", NOW)
    step = Step(1, Checkpoint("origin", 3, b"\x01" * 32), "note\n", NOW, ("registry",))
    sound = PartnersLog("anytown", WitnessedLog((step,), ()), checks=True, cosigned_size=3)
    bad = PartnersLog("riverton", WitnessedLog((step,), (refused,)), checks=True, cosigned_size=0)

    async def read(_profile: str | None, holders: list[str]) -> list[PartnersLog]:
        return [one for one in (sound, bad) if one.organization_id in holders]

    monkeypatch.setattr(audit_witness, "_read", read)
    asked = ["audit", "witness", "--holder", "anytown"]
    alone = CliRunner().invoke(app, asked)
    both = CliRunner().invoke(app, [*asked, "--holder", "riverton"])
    told = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)

    assert alone.exit_code == 0, alone.output
    assert both.exit_code == ExitCode.EVIDENCE_INVALID, both.output
    assert f"riverton: forked, refused {NOW.isoformat()}" in both.output
    assert [(one["verdict"], one["entries"]) for one in told["logs"]] == [("continues", 3)]
