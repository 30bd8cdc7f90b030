"""The registry over a real connection: who may do what, and what watchers are sent."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from homeroom.agreement import AgreementDocument
from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.errors import (
    AlreadyRecordedError,
    ChangedMeanwhileError,
    EvidenceInvalidError,
    HomeroomError,
    InternalError,
    NotPermittedError,
    RequestInvalidError,
    TooMuchAskedError,
)
from homeroom.federation import AgreementState, Standing
from homeroom.identity import Role
from homeroom.lifecycle import (
    Action,
    Ending,
    Proposal,
    Resumption,
    Signature,
    Suspension,
    Withdrawal,
)
from homeroom.signing import digest_of
from homeroom.snapshot import open_heartbeat, open_snapshot
from services.registry.server import ACCESS
from tests.contract.registry_premises import RunningRegistry, called
from tests.histories import digests_of, says
from tests.organizations import Member, document_of, new_request_id
from tests.serving import FEDERATION, RUNNER, premises, running_registry

ANYTOWN, RIVERTON, OUTSIDER = (Member.new(name) for name in ("anytown", "riverton", "outsider"))
METHODS = pb.DESCRIPTOR.services_by_name["RegistryService"].methods


@dataclass
class Registry(RunningRegistry):
    """A running registry, and what its organizations say."""

    async def set_classes(self, member: Member, classes: list[pb.ClassMembership]) -> Any:
        request = pb.SetClassesRequest(
            organization_id=member.organization_id, classes=classes, request_id=new_request_id()
        )
        return await called(self.of(RUNNER, Role.OPERATOR).SetClasses(request))

    async def say(
        self,
        member: Member,
        action: Action,
        version: int = 1,
        agreement_id: str = "A-1",
        document: AgreementDocument | None = None,
    ) -> Any:
        """A member says something at the end of the history."""
        head = await self.head(agreement_id)
        request = pb.SubmitAgreementStatementRequest(
            statement=says(member.signer, action, head, agreement_id, version),
            document=document.encode() if document else b"",
            request_id=new_request_id(),
        )
        return await called(self.of(member).SubmitAgreementStatement(request))

    async def propose(self, member: Member, document: AgreementDocument) -> Any:
        offer = Proposal(*digests_of(document))
        return await self.say(member, offer, document.version, document.agreement_id, document)

    async def sign(self, member: Member, document: AgreementDocument) -> Any:
        signature = Signature(*digests_of(document))
        return await self.say(member, signature, document.version, document.agreement_id)

    async def end(self, member: Member, version: int = 1) -> Any:
        return await self.say(member, Ending(), version)

    async def head(self, agreement_id: str) -> bytes:
        """The digest of an agreement's newest statement; none if there is none."""
        known = (await self.state()).known.get(agreement_id)
        return known.history.head if known else b""

    async def state(self) -> Any:
        """The verified newest snapshot."""
        answer = await called(self.of(ANYTOWN, Role.NODE).GetSnapshot(pb.GetSnapshotRequest()))
        return open_snapshot(answer.snapshot, self.at.registry_key.public, FEDERATION)


def _classes(*classes: pb.ClassMembership) -> pb.SetClassesRequest:
    return pb.SetClassesRequest(organization_id="anytown", classes=classes, request_id="r")


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    async with premises(tmp_path) as at, running_registry(at.registry_settings()) as port:
        yield Registry(at, port)


def next_version(of: AgreementDocument) -> AgreementDocument:
    """The same agreement, a version later."""
    before = digest_of(of.encode()).hex()
    return of.model_copy(update={"version": of.version + 1, "supersedes": before})


async def agreed(registry: Registry) -> Any:
    """A document that both districts have signed."""
    document = document_of([ANYTOWN, RIVERTON])
    await registry.admit(ANYTOWN, RIVERTON)
    await registry.propose(ANYTOWN, document)
    await registry.sign(RIVERTON, document)
    return document


def test_every_rpc_is_in_the_access_table() -> None:
    """An RPC that nobody thought about would be denied to everyone; none is forgotten."""
    named = {f"/{method.containing_service.full_name}/{method.name}" for method in METHODS}

    assert named == set(ACCESS)


async def test_a_role_that_is_not_listed_is_denied(registry: Registry) -> None:
    for method in METHODS:
        listed = ACCESS[f"/{method.containing_service.full_name}/{method.name}"]
        request = getattr(pb, method.input_type.name)()
        for role in set(Role) - listed:
            call = getattr(registry.of(ANYTOWN, role), method.name)(request)
            with pytest.raises(NotPermittedError):
                await called(call.read() if method.server_streaming else call)


async def test_bad_input_is_answered_by_a_typed_error(registry: Registry) -> None:
    """Whatever is sent, the caller is told a reason; nothing fails inside."""
    await agreed(registry)
    junk = evidence_pb2.SignedStatement(statement=b"\xff\xff")
    nul = evidence_pb2.Signature(organization_id="\0", key_id="\0", signature=b"\0")
    calls: list[tuple[str, Role, Any]] = [
        ("RegisterOrganization", Role.STEWARD, pb.RegisterOrganizationRequest()),
        ("RegisterOrganization", Role.STEWARD, pb.RegisterOrganizationRequest(record=junk)),
        (
            "RegisterOrganization",
            Role.STEWARD,
            pb.RegisterOrganizationRequest(record=ANYTOWN.record(kind="\0"), request_id="r"),
        ),
        (
            "RegisterOrganization",
            Role.STEWARD,
            pb.RegisterOrganizationRequest(record=ANYTOWN.record(2**64 - 1), request_id="r"),
        ),
        (
            "RegisterOrganization",
            Role.STEWARD,
            pb.RegisterOrganizationRequest(record=ANYTOWN.record(2), request_id="\0"),
        ),
        ("SetStanding", Role.OPERATOR, pb.SetStandingRequest(organization_id="\0")),
        (
            "SetStanding",
            Role.OPERATOR,
            pb.SetStandingRequest(organization_id="anytown", standing=99, request_id="r"),  # type: ignore[arg-type]  # not a value of the enum
        ),
        ("SetClasses", Role.OPERATOR, pb.SetClassesRequest(organization_id="\0")),
        *(
            ("SetClasses", Role.OPERATOR, _classes(pb.ClassMembership(name=name, from_date=day)))
            for name, day in (("\0", "2026-08-01"), ("mentors", "20260801"), ("mentors", ""))
        ),
        ("ListOrganizations", Role.APP, pb.ListOrganizationsRequest(page_size=-1)),
        ("ListOrganizations", Role.APP, pb.ListOrganizationsRequest(page_size=501)),
        *(
            ("ListOrganizations", Role.APP, pb.ListOrganizationsRequest(page_token=token))
            for token in ("é", "AAAA")
        ),
        ("SubmitAgreementStatement", Role.STEWARD, pb.SubmitAgreementStatementRequest()),
        *(
            (
                "SubmitAgreementStatement",
                Role.STEWARD,
                pb.SubmitAgreementStatementRequest(
                    statement=statement, document=document, request_id="r"
                ),
            )
            for statement, document in (
                (junk, b""),
                (says(ANYTOWN.signer, Ending(), b"", "\0"), b""),
                (says(ANYTOWN.signer, Ending(), b"", "A-1", 2**64 - 1), b""),
                (says(ANYTOWN.signer, Ending(), b"", "A-1"), b"document"),
                (says(ANYTOWN.signer, Proposal(b"", b""), b"", "A-9"), b""),
                (says(ANYTOWN.signer, Proposal(b"", b""), b"", "A-9"), b"\xff"),
                (
                    evidence_pb2.SignedStatement(
                        statement=says(ANYTOWN.signer, Ending(), b"", "A-1").statement,
                        signatures=[nul],
                    ),
                    b"",
                ),
            )
        ),
        ("ListAgreements", Role.APP, pb.ListAgreementsRequest(page_size=2**31 - 1)),
        *(
            ("ListAgreements", Role.APP, pb.ListAgreementsRequest(page_token=token))
            for token in ("AAAA", "YQp4")
        ),
    ]
    for name, role, request in calls:
        with pytest.raises(HomeroomError) as refused:
            await called(getattr(registry.of(ANYTOWN, role), name)(request))
        assert not isinstance(refused.value, InternalError), (name, request)


async def test_a_new_organization_waits_for_the_operators_word(registry: Registry) -> None:
    registered = await registry.register(ANYTOWN)
    assert (registered.organization.standing, registered.sequence) == (pb.STANDING_PENDING, 1)

    admitted = await registry.set_standing(ANYTOWN, pb.STANDING_ACTIVE)
    assert (admitted.organization.standing, admitted.sequence) == (pb.STANDING_ACTIVE, 2)
    again = await registry.set_standing(ANYTOWN, pb.STANDING_ACTIVE)
    assert again.sequence == 2
    assert (await registry.state()).standing_of("anytown") is Standing.ACTIVE
    await registry.set_standing(ANYTOWN, pb.STANDING_DEBARRED, debarred_until="2031-06-30")
    assert (await registry.state()).organizations["anytown"].debarred_until == dt.date(2031, 6, 30)


async def test_an_organization_registers_only_itself(registry: Registry) -> None:
    request = pb.RegisterOrganizationRequest(record=ANYTOWN.record(), request_id="r")

    with pytest.raises(NotPermittedError):
        await called(registry.of(OUTSIDER).RegisterOrganization(request))


async def test_an_organization_is_in_the_classes_the_operator_says_and_only_then(
    registry: Registry,
) -> None:
    """A class counts on the days it is given for; what is said later replaces it."""
    await registry.admit(ANYTOWN)
    first, last = "2026-08-01", "2026-10-01"
    mentors = pb.ClassMembership(name="mentors", from_date=first, to_date=last)
    tutors = pb.ClassMembership(name="tutors", from_date=last)

    said = await registry.set_classes(ANYTOWN, [tutors, mentors])
    state = await registry.state()

    assert [mentors, tutors] == list(said.organization.classes)
    assert [set(), {"mentors"}, {"mentors", "tutors"}, {"tutors"}] == [
        state.classes_of("anytown", dt.date.fromisoformat(day))
        for day in ("2026-07-31", first, last, "2026-10-02")
    ]
    assert state.classes_of("nobody", dt.date.fromisoformat(first)) == frozenset()
    assert (await registry.set_classes(ANYTOWN, [mentors, tutors])).sequence == said.sequence
    moved = await registry.register(ANYTOWN, version=2)
    assert len(moved.organization.classes) == 2
    assert not (await registry.set_classes(ANYTOWN, [])).organization.classes


async def test_a_record_is_replaced_only_by_its_own_successor(registry: Registry) -> None:
    await registry.register(ANYTOWN, version=3)

    with pytest.raises(AlreadyRecordedError):
        await registry.register(ANYTOWN, version=3, display_name="Another")
    with pytest.raises(ChangedMeanwhileError):
        await registry.register(ANYTOWN, version=2)
    with pytest.raises(EvidenceInvalidError):
        await registry.register(Member.new("anytown"), version=4)

    assert (await registry.register(ANYTOWN, version=3)).sequence == 1
    moved = await registry.register(ANYTOWN, version=4, node_address="127.0.0.1:1")
    assert moved.sequence == 2
    assert (await registry.state()).organizations["anytown"].node_address == "127.0.0.1:1"


async def test_a_record_signed_by_another_key_is_refused(registry: Registry) -> None:
    forged = ANYTOWN.record()
    forged.signatures[0].signature = bytes(64)
    request = pb.RegisterOrganizationRequest(record=forged, request_id="r")

    with pytest.raises(EvidenceInvalidError):
        await called(registry.of(ANYTOWN).RegisterOrganization(request))


async def test_a_retry_is_answered_as_the_first_time(registry: Registry) -> None:
    request = pb.RegisterOrganizationRequest(record=ANYTOWN.record(), request_id="same")
    first = await called(registry.of(ANYTOWN).RegisterOrganization(request))
    await registry.set_standing(ANYTOWN, pb.STANDING_ACTIVE)

    assert await called(registry.of(ANYTOWN).RegisterOrganization(request)) == first
    request.record.CopyFrom(ANYTOWN.record(2))
    with pytest.raises(AlreadyRecordedError):
        await called(registry.of(ANYTOWN).RegisterOrganization(request))


async def test_an_agreement_is_active_with_the_last_signature(registry: Registry) -> None:
    await registry.admit(ANYTOWN, RIVERTON)
    document = document_of([ANYTOWN, RIVERTON])

    proposed = await registry.propose(ANYTOWN, document)
    assert len(proposed.agreement.statements) == 1
    assert (await registry.state()).agreements["A-1"].state is AgreementState.PROPOSED

    signed = await registry.sign(RIVERTON, document)
    assert signed.sequence == proposed.sequence + 1
    assert (await registry.state()).agreements["A-1"].active

    with pytest.raises(ChangedMeanwhileError):
        await registry.sign(RIVERTON, document)
    assert (await registry.state()).sequence == signed.sequence


async def test_a_newer_version_supersedes_the_older_once_all_have_signed(
    registry: Registry,
) -> None:
    older = await agreed(registry)
    newer = next_version(older)

    await registry.propose(RIVERTON, newer)
    assert (await registry.state()).agreements["A-1"].document.version == 1
    await registry.sign(ANYTOWN, newer)

    assert (await registry.state()).agreements["A-1"].document.version == 2
    listed = await called(registry.of(ANYTOWN).ListAgreements(pb.ListAgreementsRequest()))
    assert [len(one.statements) for one in listed.agreements] == [4]
    with pytest.raises(ChangedMeanwhileError):
        await registry.end(ANYTOWN, version=1)


async def test_any_one_party_ends_its_part_for_good_whatever_its_standing(
    registry: Registry,
) -> None:
    document = await agreed(registry)
    await registry.set_standing(RIVERTON, pb.STANDING_SUSPENDED)

    await registry.end(RIVERTON)
    assert (await registry.state()).agreements["A-1"].state is AgreementState.ENDED

    for member, action in ((ANYTOWN, Ending()), (RIVERTON, Resumption())):
        with pytest.raises((ChangedMeanwhileError, NotPermittedError)):
            await registry.say(member, action)
    with pytest.raises(ChangedMeanwhileError):
        await registry.sign(ANYTOWN, document)


async def test_who_is_suspended_takes_away_and_gives_nothing(registry: Registry) -> None:
    """A party that the operator has suspended suspends its part, and does not resume or sign."""
    await agreed(registry)
    await registry.set_standing(RIVERTON, pb.STANDING_SUSPENDED)
    await registry.say(RIVERTON, Suspension("breach"))
    with pytest.raises(NotPermittedError):
        await registry.say(RIVERTON, Resumption())
    await registry.set_standing(RIVERTON, pb.STANDING_ACTIVE)
    with pytest.raises(RequestInvalidError):
        await registry.say(ANYTOWN, Resumption())

    assert (await registry.state()).agreements["A-1"].state is AgreementState.SUSPENDED
    await registry.say(RIVERTON, Resumption())
    assert (await registry.state()).agreements["A-1"].active


async def test_of_two_statements_after_the_same_one_only_the_first_counts(
    registry: Registry,
) -> None:
    await agreed(registry)
    head = await registry.head("A-1")
    first, second = (
        pb.SubmitAgreementStatementRequest(
            statement=says(member.signer, Suspension(""), head, "A-1"), request_id="s"
        )
        for member in (ANYTOWN, RIVERTON)
    )
    await called(registry.of(ANYTOWN).SubmitAgreementStatement(first))

    with pytest.raises(ChangedMeanwhileError):
        await called(registry.of(RIVERTON).SubmitAgreementStatement(second))
    state = await registry.state()
    assert state.agreements["A-1"].suspended_by == {"anytown"}


async def test_a_stranger_cannot_tell_an_agreement_from_none(registry: Registry) -> None:
    """A non-party and a missing agreement are refused in the same words."""
    await agreed(registry)
    await registry.admit(OUTSIDER)

    told = []
    for agreement_id in ("A-1", "A-9"):
        for action in (Signature(b"", b""), Ending(), Suspension(""), Withdrawal()):
            with pytest.raises(NotPermittedError) as refused:
                await registry.say(OUTSIDER, action, agreement_id=agreement_id)
            told.append((refused.value.message, refused.value.metadata))

    assert len({str(one) for one in told}) == 1


async def test_a_party_does_not_speak_for_another(registry: Registry) -> None:
    await registry.admit(ANYTOWN, RIVERTON)
    document = document_of([ANYTOWN, RIVERTON])
    await registry.propose(ANYTOWN, document)
    head = await registry.head("A-1")
    signature = Signature(*digests_of(document))
    forged = says(("riverton", ANYTOWN.signing), signature, head, "A-1")
    others = says(ANYTOWN.signer, signature, head, "A-1")

    for statement, refusal in ((forged, EvidenceInvalidError), (others, NotPermittedError)):
        request = pb.SubmitAgreementStatementRequest(
            statement=statement, request_id=new_request_id()
        )
        with pytest.raises(refusal):
            await called(registry.of(RIVERTON).SubmitAgreementStatement(request))


async def test_a_document_names_exactly_the_registered_keys(registry: Registry) -> None:
    await registry.admit(ANYTOWN, RIVERTON)

    for parties in ([ANYTOWN, Member.new("riverton")], [ANYTOWN, OUTSIDER]):
        with pytest.raises(RequestInvalidError):
            await registry.propose(ANYTOWN, document_of(parties))


async def test_versions_are_proposed_one_after_the_other(registry: Registry) -> None:
    document = await agreed(registry)

    with pytest.raises(ChangedMeanwhileError):
        await registry.propose(ANYTOWN, document)
    with pytest.raises(ChangedMeanwhileError):
        await registry.propose(ANYTOWN, next_version(next_version(document)))
    other = next_version(document)
    with pytest.raises(RequestInvalidError):
        await registry.say(ANYTOWN, Proposal(*digests_of(document)), 2, document=other)


async def test_strangers_do_not_supersede_an_agreement(registry: Registry) -> None:
    document = await agreed(registry)
    other = Member.new("other")
    await registry.admit(OUTSIDER, other)
    parties = (OUTSIDER.party(), other.party())
    schools = {"outsider": "all", "other": "all"}
    theirs = next_version(document).model_copy(update={"parties": parties, "schools": schools})

    with pytest.raises(NotPermittedError):
        await registry.propose(OUTSIDER, theirs)


async def test_a_document_beyond_256_kb_is_too_much(registry: Registry) -> None:
    request = pb.SubmitAgreementStatementRequest(document=b" " * (256 * 1024 + 1), request_id="r")

    with pytest.raises(TooMuchAskedError):
        await called(registry.of(ANYTOWN).SubmitAgreementStatement(request))


async def test_lists_come_in_pages_of_the_asked_size(registry: Registry) -> None:
    members = [Member.new(f"org_{number}") for number in range(5)]
    await registry.admit(*members)
    await registry.propose(members[0], document_of(members[:2], agreement_id="A-1"))
    await registry.propose(members[0], document_of(members[:2], agreement_id="A-2"))
    await registry.propose(members[3], document_of(members[3:], agreement_id="A-3"))

    seen, token = [], ""
    while True:
        request = pb.ListOrganizationsRequest(page_size=2, page_token=token)
        page = await called(registry.of(members[4], Role.NODE).ListOrganizations(request))
        assert len(page.organizations) <= 2
        seen += [one.organization_id for one in page.organizations]
        token = page.next_page_token
        if not token:
            break
    assert [member.organization_id for member in members] == seen

    mine = registry.of(members[1])
    first = await called(mine.ListAgreements(pb.ListAgreementsRequest(page_size=1)))
    asked = pb.ListAgreementsRequest(page_size=1, page_token=first.next_page_token)
    second = await called(mine.ListAgreements(asked))
    assert [one.agreement_id for one in (*first.agreements, *second.agreements)] == ["A-1", "A-2"]
    assert not second.next_page_token


async def test_a_watcher_gets_the_newest_then_each_change_then_heartbeats(
    registry: Registry,
) -> None:
    watch = registry.of(ANYTOWN, Role.NODE).WatchSnapshot(pb.WatchSnapshotRequest())
    assert (await sequence_of(registry, await watch.read())) == ("snapshot", 0)

    await registry.register(ANYTOWN)
    assert (await sequence_of(registry, await next_of(watch, "snapshot"))) == ("snapshot", 1)
    await registry.set_standing(ANYTOWN, pb.STANDING_ACTIVE)
    assert (await sequence_of(registry, await next_of(watch, "snapshot"))) == ("snapshot", 2)
    assert (await sequence_of(registry, await next_of(watch, "heartbeat"))) == ("heartbeat", 2)
    watch.cancel()


async def test_many_watchers_are_sent_the_same_signed_bytes(registry: Registry) -> None:
    """Each event is signed once, however many watch."""
    watches = [
        registry.of(ANYTOWN, role).WatchSnapshot(pb.WatchSnapshotRequest())
        for role in (Role.NODE, Role.GATEWAY, Role.APP)
        for _ in range(5)
    ]
    for watch in watches:
        await watch.read()
    await registry.register(ANYTOWN)

    sent = [await next_of(watch, "snapshot") for watch in watches]
    assert len({one.SerializeToString() for one in sent}) == 1
    for watch in watches:
        watch.cancel()


async def test_another_replicas_changes_are_noticed(registry: Registry) -> None:
    """Two registries on one database: a watcher of one sees what was written by the other."""
    async with running_registry(registry.at.registry_settings()) as port:
        watch = Registry(registry.at, port).of(ANYTOWN, Role.NODE)
        stream = watch.WatchSnapshot(pb.WatchSnapshotRequest())
        await stream.read()
        await registry.register(ANYTOWN)

        event = await asyncio.wait_for(next_of(stream, "snapshot"), 20)
        assert (await sequence_of(registry, event)) == ("snapshot", 1)
        stream.cancel()


async def test_a_snapshot_is_signed_anew_at_half_its_life(tmp_path: Path) -> None:
    async with premises(tmp_path) as at:
        settings = at.registry_settings(snapshot_hours=6 / 3600)
        async with running_registry(settings) as port:
            registry = Registry(at, port)
            watch = registry.of(ANYTOWN, Role.NODE).WatchSnapshot(pb.WatchSnapshotRequest())
            first = await watch.read()
            second = await next_of(watch, "snapshot")
            watch.cancel()

    states = [
        open_snapshot(event.snapshot, at.registry_key.public, FEDERATION)
        for event in (first, second)
    ]
    assert states[0].sequence == states[1].sequence
    assert states[0].issue_time < states[1].issue_time < states[0].expire_time


async def test_a_snapshots_content_follows_from_its_sequence(registry: Registry) -> None:
    await agreed(registry)
    contents = []
    for _ in range(2):
        async with running_registry(registry.at.registry_settings()) as port:
            stub = registry.at.registry(port, "anytown", Role.NODE)
            answer = await stub.GetSnapshot(pb.GetSnapshotRequest())
        snapshot = pb.Snapshot.FromString(answer.snapshot.statement)
        snapshot.ClearField("issue_time")
        snapshot.ClearField("expire_time")
        contents.append(snapshot.SerializeToString(deterministic=True))

    assert contents[0] == contents[1]


async def next_of(watch: Any, kind: str) -> Any:
    while True:
        event = await asyncio.wait_for(watch.read(), 20)
        if event.WhichOneof("event") == kind:
            return event


async def sequence_of(registry: Registry, event: pb.WatchSnapshotResponse) -> tuple[str, int]:
    """What kind of event it is and its sequence, its signature checked."""
    key = registry.at.registry_key.public
    if event.HasField("snapshot"):
        return "snapshot", open_snapshot(event.snapshot, key, FEDERATION).sequence
    return "heartbeat", open_heartbeat(event.heartbeat, key, FEDERATION)[0]
