"""The registry as a witness, over a real connection: who may show what, and what everyone sees."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from homeroom.api.registry.v1 import witness_service_pb2 as pb
from homeroom.audit.beginning import open_beginning, sign_beginning
from homeroom.audit.checkpoint import (
    GATEWAY_LOG,
    cosign,
    open_checkpoint,
    open_cosignatures,
    registry_witness_name,
    witness_key,
    witness_name,
)
from homeroom.audit.growth import LogBeginning
from homeroom.errors import (
    ChangedMeanwhileError,
    EvidenceInvalidError,
    NotPermittedError,
    RequestInvalidError,
    TooMuchAskedError,
)
from homeroom.identity import Role
from homeroom.signing import SigningKey
from services.registry.server import WITNESS_ACCESS
from tests.contract.registry_premises import RunningRegistry, called
from tests.growing_logs import GrowingLog
from tests.organizations import NOW, Member, new_request_id
from tests.serving import FEDERATION, RUNNER, premises, running_registry

ANYTOWN, RIVERTON = Member.new("anytown"), Member.new("riverton")
METHODS = pb.DESCRIPTOR.services_by_name["WitnessService"].methods


@dataclass
class Registry(RunningRegistry):
    """A running registry as a witness, with two organizations."""

    def witness(self, member: Member, role: Role = Role.NODE) -> Any:
        return self.at.witness(self.port, member.organization_id, role)

    async def show(self, log: GrowingLog, known_size: int, **changed: Any) -> Any:
        """A log's own node shows its checkpoint."""
        request = pb.SubmitCheckpointRequest(
            note=log.note(),
            known_size=known_size,
            consistency_path=path_of(log, known_size, changed),
            request_id=new_request_id(),
            **changed,
        )
        return (await called(self.witness(ANYTOWN).SubmitCheckpoint(request))).checkpoint

    async def checkpoints(self, **asked: Any) -> Any:
        request = pb.ListCheckpointsRequest(organization_id="anytown", **asked)
        return (await called(self.witness(RIVERTON, Role.APP).ListCheckpoints(request))).checkpoints

    async def contradictions(self) -> Any:
        request = pb.ListContradictionsRequest(organization_id="anytown")
        return (await called(self.witness(RIVERTON).ListContradictions(request))).contradictions


def path_of(log: GrowingLog, known_size: int, changed: dict[str, Any]) -> bytes:
    path = changed.pop("path", None)
    return log.path(known_size) if path is None else bytes(path)


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    async with premises(tmp_path) as at, running_registry(at.registry_settings()) as port:
        running = Registry(at, port)
        await running.register(ANYTOWN, RIVERTON)
        yield running


def log_of(entries: int) -> GrowingLog:
    log = GrowingLog(FEDERATION, "anytown", ANYTOWN.checkpoint)
    log.grow(*(b"%d" % number for number in range(entries)))
    return log


async def test_a_log_is_witnessed_as_it_grows(registry: Registry) -> None:
    """Everyone sees each checkpoint, cosigned, with the path from the one before it."""
    log = log_of(3)
    first = await registry.show(log, 0)
    log.grow(b"more", b"still more")
    await registry.show(log, 3)
    again = await registry.show(log, 5)

    one, two = await registry.checkpoints()
    assert (one.position, two.position, again.position) == (1, 2, 2)
    assert one == first
    key = witness_key(registry_witness_name(FEDERATION), registry.at.registry_key.public)
    for shown, size in ((one, 3), (two, 5)):
        assert open_checkpoint(shown.note, log.origin, ANYTOWN.checkpoint.public) == log.checkpoint(
            size
        )
        assert len(open_cosignatures(shown.note, [key])) == 1
    assert two.consistency_path == log.path(3, 5)
    assert list(await registry.checkpoints(after_position=1)) == [two]
    assert list(await registry.checkpoints(newest=True)) == [two]


async def test_a_fork_is_refused_kept_and_shown(registry: Registry) -> None:
    """Both notes bear the log's own signature: it cannot deny them."""
    log = log_of(5)
    await registry.show(log, 0)
    forked = log.copy(4)
    forked.grow(b"another", b"and more")
    shorter = log.copy(2)

    with pytest.raises(EvidenceInvalidError) as refused:
        await registry.show(forked, 5)
    assert refused.value.metadata["kind"] == "forked"
    with pytest.raises(EvidenceInvalidError):
        await registry.show(shorter, 5, path=b"")
    with pytest.raises(ChangedMeanwhileError):
        await registry.show(log.copy(4), 3)

    fork, shortening = await registry.contradictions()
    assert fork.kind == pb.CONTRADICTION_KIND_FORKED
    assert shortening.kind == pb.CONTRADICTION_KIND_SHORTENED
    for note, of in ((fork.known_note, log), (fork.refused_note, forked)):
        opened = open_checkpoint(note, log.origin, ANYTOWN.checkpoint.public)
        assert opened == of.checkpoint()
    assert [one.position for one in await registry.checkpoints()] == [1]


async def test_a_log_that_was_lost_goes_on_by_its_organizations_word(registry: Registry) -> None:
    log = log_of(5)
    lost = await registry.show(log, 0)
    older = log.copy(3)
    said = LogBeginning(lost.position, log.checkpoint(), older.checkpoint(), "The disk died.", NOW)

    def word_of(member: Member) -> Any:
        return sign_beginning(said, FEDERATION, "anytown", member.signing)

    with pytest.raises(EvidenceInvalidError):
        await registry.show(older, 5, path=b"", beginning=word_of(RIVERTON))
    await registry.show(older, 5, path=b"", beginning=word_of(ANYTOWN))

    *_, newest = await registry.checkpoints()
    key = ANYTOWN.signing.public
    assert open_beginning(newest.beginning, FEDERATION, "anytown", key) == said
    assert (newest.position, newest.consistency_path) == (2, b"")
    older.grow(b"on")
    assert (await registry.show(older, 3)).position == 3


async def test_partners_cosign_in_their_own_name_alone(registry: Registry) -> None:
    shown = await registry.show(log_of(3), 0)
    name = witness_name(FEDERATION, "riverton")
    line = cosign(shown.note, name, RIVERTON.checkpoint, NOW)

    async def adds(member: Member, text: str, position: int = 1) -> None:
        request = pb.SubmitCosignatureRequest(
            organization_id="anytown", position=position, line=text, request_id=new_request_id()
        )
        await called(registry.witness(member).SubmitCosignature(request))

    await adds(RIVERTON, line)
    await adds(RIVERTON, line)

    (cosigned,) = await registry.checkpoints()
    key = witness_key(name, RIVERTON.checkpoint.public)
    assert len(open_cosignatures(cosigned.note, [key])) == 1
    assert cosigned.note == shown.note + line
    forged = cosign(shown.note, name, ANYTOWN.checkpoint, NOW)
    for wrong in (forged, line + line, "— x AAAA\n", line[:-1]):
        with pytest.raises(EvidenceInvalidError):
            await adds(RIVERTON, wrong)
    for member, position in ((ANYTOWN, 1), (RIVERTON, 2)):
        with pytest.raises(NotPermittedError):
            await adds(member, line, position)


async def test_only_listed_roles_may_call(registry: Registry) -> None:
    for method in METHODS:
        listed = WITNESS_ACCESS[f"/{method.containing_service.full_name}/{method.name}"]
        for role in set(Role) - listed:
            call = getattr(registry.witness(ANYTOWN, role), method.name)
            with pytest.raises(NotPermittedError):
                await called(call(getattr(pb, method.input_type.name)()))


async def test_bad_input_is_answered_by_a_typed_error(registry: Registry) -> None:
    node, request_id = registry.witness(ANYTOWN), new_request_id()
    note = log_of(1).note()
    for call, error in (
        (node.SubmitCheckpoint(pb.SubmitCheckpointRequest(note=note)), RequestInvalidError),
        (
            node.SubmitCheckpoint(pb.SubmitCheckpointRequest(note="x", request_id=request_id)),
            EvidenceInvalidError,
        ),
        (
            node.SubmitCheckpoint(
                pb.SubmitCheckpointRequest(note="x" * 9_999, request_id=request_id)
            ),
            TooMuchAskedError,
        ),
        (
            node.SubmitCheckpoint(
                pb.SubmitCheckpointRequest(note=note, known_size=2**64 - 1, request_id=request_id)
            ),
            ChangedMeanwhileError,
        ),
        (node.ListCheckpoints(pb.ListCheckpointsRequest()), RequestInvalidError),
        (
            node.ListCheckpoints(
                pb.ListCheckpointsRequest(organization_id="anytown", after_position=2**64 - 1)
            ),
            RequestInvalidError,
        ),
        (
            node.SubmitCosignature(
                pb.SubmitCosignatureRequest(
                    organization_id="riverton", position=2**64 - 1, request_id=request_id
                )
            ),
            RequestInvalidError,
        ),
    ):
        with pytest.raises(error):
            await called(call)


# The gateway's log.


def gateway_log(key: SigningKey, entries: int) -> GrowingLog:
    log = GrowingLog(FEDERATION, GATEWAY_LOG, key)
    log.grow(*(b"%d" % number for number in range(entries)))
    return log


async def shown(
    at: Registry, log: GrowingLog, role: Role = Role.GATEWAY, known_size: int = 0, **changed: Any
) -> Any:
    """Whoever runs the shared services shows a checkpoint, as a bearer of a role."""
    request = pb.SubmitCheckpointRequest(
        note=log.note(),
        known_size=known_size,
        consistency_path=path_of(log, known_size, changed),
        request_id=new_request_id(),
        **changed,
    )
    stub = at.at.witness(at.port, RUNNER, role)
    return (await called(stub.SubmitCheckpoint(request))).checkpoint


async def test_the_gateways_log_is_witnessed_and_everyone_sees_it(registry: Registry) -> None:
    log = gateway_log(registry.at.gateway_log_key, 3)
    await shown(registry, log)
    log.grow(b"more")
    await shown(registry, log, known_size=3)
    request = pb.ListCheckpointsRequest(organization_id=GATEWAY_LOG)
    stub = registry.witness(ANYTOWN, Role.APP)
    one, two = (await called(stub.ListCheckpoints(request))).checkpoints

    assert (one.position, two.position) == (1, 2)
    assert open_checkpoint(two.note, log.origin, log.key.public) == log.checkpoint()
    witness = witness_key(registry_witness_name(FEDERATION), registry.at.registry_key.public)
    assert open_cosignatures(two.note, [witness])


async def test_nobody_but_the_gateway_shows_its_log(registry: Registry) -> None:
    """Neither a node's certificate nor another key does; nor does the gateway show another log."""
    own = gateway_log(registry.at.gateway_log_key, 3)
    with pytest.raises(NotPermittedError):
        await shown(registry, own, Role.NODE)
    for wrong in (gateway_log(SigningKey.generate(), 3), log_of(3)):
        with pytest.raises(EvidenceInvalidError):
            await shown(registry, wrong)


async def test_a_gateways_log_that_forks_is_refused_and_remembered(registry: Registry) -> None:
    log = gateway_log(registry.at.gateway_log_key, 5)
    await shown(registry, log)
    with pytest.raises(EvidenceInvalidError):
        await shown(registry, log.copy(3), known_size=5, path=b"")
    request = pb.ListContradictionsRequest(organization_id=GATEWAY_LOG)
    stub = registry.witness(ANYTOWN)
    (found,) = (await called(stub.ListContradictions(request))).contradictions

    assert found.kind == pb.CONTRADICTION_KIND_SHORTENED


async def test_a_gateways_log_goes_on_after_a_loss_by_the_registrys_word_alone(
    registry: Registry,
) -> None:
    before = gateway_log(registry.at.gateway_log_key, 5)
    await shown(registry, before)
    log = before.copy(3)
    log.grow(b"after")
    said = LogBeginning(1, before.checkpoint(), log.checkpoint(), "The disk died.", NOW)
    for key, refused in ((registry.at.gateway_log_key, True), (registry.at.registry_key, False)):
        beginning = sign_beginning(said, FEDERATION, GATEWAY_LOG, key)
        showing = shown(registry, log, known_size=5, path=b"", beginning=beginning)
        if refused:
            with pytest.raises(EvidenceInvalidError):
                await showing
        else:
            assert (await showing).position == 2
