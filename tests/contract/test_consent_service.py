"""The consent service over a real connection: who may record and revoke, and what watchers get."""

import asyncio
import secrets
from typing import Any

import pytest

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.api.registry.v1 import registry_service_pb2 as registry_pb
from homeroom.consent import ConsentReader
from homeroom.errors import (
    AlreadyRecordedError,
    EvidenceInvalidError,
    HomeroomError,
    InternalError,
    NotPermittedError,
    RequestInvalidError,
    StateBehindError,
    TooMuchAskedError,
)
from homeroom.evidence import check_signed_by
from homeroom.identity import Role
from homeroom.signing import Domain
from services.consent.server import ACCESS
from tests.contract.consent_premises import (
    CANARY,
    HOLDER,
    OUTSIDER,
    RECIPIENT,
    RECORDER,
    Service,
    a_consent,
    admitted,
    changes_of,
    service,
)
from tests.contract.registry_premises import called
from tests.organizations import Member
from tests.serving import FEDERATION, RUNNER, running_consent

__all__ = ["service"]

METHODS = pb.DESCRIPTOR.services_by_name["ConsentService"].methods


def test_every_rpc_is_in_the_access_table() -> None:
    """An RPC that nobody thought about would be denied to everyone; none is forgotten."""
    named = {f"/{method.containing_service.full_name}/{method.name}" for method in METHODS}

    assert named == set(ACCESS)


async def test_a_role_that_is_not_listed_is_denied(service: Service) -> None:
    for method in METHODS:
        listed = ACCESS[f"/{method.containing_service.full_name}/{method.name}"]
        request = getattr(pb, method.input_type.name)()
        for role in set(Role) - listed:
            call = getattr(service.of(HOLDER, role), method.name)(request)
            with pytest.raises(NotPermittedError):
                await called(call.read() if method.server_streaming else call)


def bad_consents() -> dict[str, pb.Consent]:
    """Consents that can never be recorded, by what is wrong with them."""
    bad = {}
    for wrong in (
        "id",
        "holder",
        "no bodies",
        "holder only",
        "twice",
        "empty",
        "no key",
        "far place",
        "huge",
        "unknown recipient",
        "no holder body",
    ):
        bad[wrong] = a_consent()
    bad["id"].consent_id = "\0" * 32
    bad["holder"].holder = "\0"
    del bad["no bodies"].bodies[:]
    del bad["holder only"].bodies[1:]
    bad["twice"].bodies.append(bad["twice"].bodies[0])
    bad["empty"].bodies[0].sealed_evidence = b""
    bad["no key"].bodies[0].sealed_key = b""
    bad["huge"].bodies[0].sealed_evidence = bytes(16 * 1024 + 1)
    bad["far place"].bodies[0].place = 2**32 - 1
    bad["unknown recipient"].bodies[2].organization_id = "nobody"
    del bad["no holder body"].bodies[0]
    return bad


@pytest.mark.parametrize("wrong", bad_consents())
async def test_a_bad_consent_is_refused_with_all_that_came_with_it(
    service: Service, wrong: str
) -> None:
    """A batch is recorded whole or not at all."""
    with pytest.raises((RequestInvalidError, TooMuchAskedError)):
        await service.record(a_consent(), bad_consents()[wrong])

    listed = await called(service.of(RECORDER).ListConsents(pb.ListConsentsRequest()))
    assert not listed.consents


async def test_bad_input_is_answered_by_a_typed_error(service: Service) -> None:
    """Whatever is sent, the caller is told a reason; nothing fails inside."""
    consent = a_consent()
    await service.record(consent)
    junk = evidence_pb2.SignedStatement(statement=b"\xff\xff")
    forged = RECORDER.revokes(consent.consent_id)
    forged.signatures[0].signature = b"\0"
    late = pb.Revocation(consent_id=consent.consent_id, organization_id="helpers_org")
    late.revoke_time.seconds = 2**62
    timeless = evidence_pb2.SignedStatement(
        statement=late.SerializeToString(), signatures=forged.signatures
    )
    calls: list[tuple[str, Any]] = [
        ("RecordConsents", pb.RecordConsentsRequest(request_id="r")),
        ("RecordConsents", pb.RecordConsentsRequest(consents=[a_consent()])),
        ("RecordConsents", pb.RecordConsentsRequest(consents=[a_consent()], request_id="\0")),
        (
            "RecordConsents",
            pb.RecordConsentsRequest(consents=[consent, consent], request_id="r"),
        ),
        ("RevokeConsent", pb.RevokeConsentRequest()),
        ("RevokeConsent", pb.RevokeConsentRequest(revocation=junk, request_id="r")),
        ("RevokeConsent", pb.RevokeConsentRequest(revocation=forged, request_id="r")),
        ("RevokeConsent", pb.RevokeConsentRequest(revocation=timeless, request_id="r")),
        (
            "RevokeConsent",
            pb.RevokeConsentRequest(revocation=RECORDER.revokes("\0"), request_id="r"),
        ),
        ("ListConsents", pb.ListConsentsRequest(page_size=-1)),
        ("ListConsents", pb.ListConsentsRequest(page_size=501)),
        *(
            ("ListConsents", pb.ListConsentsRequest(page_token=token))
            for token in ("é", "YQ==", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5")
        ),
    ]
    for name, request in calls:
        with pytest.raises(HomeroomError) as refused:
            await called(getattr(service.of(RECORDER), name)(request))
        assert not isinstance(refused.value, InternalError), (name, request)
    for sequence in (5, 2**64 - 1):
        with pytest.raises(StateBehindError):
            await called(service.watch(HOLDER, after=sequence).read())


async def test_the_same_bytes_again_change_nothing(service: Service) -> None:
    first, second = a_consent(), a_consent()

    recorded = await service.record(first, second)
    assert (recorded.sequence, recorded.recorded_count) == (2, 2)
    again = await service.record(first, second)
    assert (again.sequence, again.recorded_count) == (2, 0)
    mixed = await service.record(first, a_consent())
    assert (mixed.sequence, mixed.recorded_count) == (3, 1)


async def test_other_bytes_under_a_recorded_id_are_refused(service: Service) -> None:
    consent, other = a_consent(), a_consent()
    await service.record(consent)
    other.consent_id = consent.consent_id

    with pytest.raises(AlreadyRecordedError):
        await service.record(other)


async def test_a_retry_is_answered_as_the_first_time(service: Service) -> None:
    consent = a_consent()
    request = pb.RecordConsentsRequest(consents=[consent], request_id="same")
    first = await called(service.of(RECORDER).RecordConsents(request))
    await service.record(a_consent())

    again = await called(service.of(RECORDER).RecordConsents(request))
    assert (again.sequence, again.recorded_count) == (first.sequence, first.recorded_count)
    assert list(again.sequences) == list(first.sequences)
    request.consents[0].CopyFrom(a_consent())
    with pytest.raises(AlreadyRecordedError):
        await called(service.of(RECORDER).RecordConsents(request))


async def test_more_than_a_thousand_consents_are_too_much(service: Service) -> None:
    consents = [pb.Consent(recorder="helpers_org")] * 1_001

    with pytest.raises(TooMuchAskedError):
        await service.record(*consents)


async def test_an_organization_records_only_what_it_collected(service: Service) -> None:
    with pytest.raises(NotPermittedError):
        await service.record(a_consent(), by=OUTSIDER)


async def test_a_suspended_organization_revokes_but_does_not_record(service: Service) -> None:
    """A family that told a suspended organization has still told it."""
    consent = a_consent()
    await service.record(consent)
    await service.registry.set_standing(RECORDER, registry_pb.STANDING_SUSPENDED)

    async def recording_is_refused() -> None:
        while True:
            try:
                await service.record(a_consent())
            except NotPermittedError:
                return
            await asyncio.sleep(0.02)

    await asyncio.wait_for(recording_is_refused(), 30)
    assert await service.revoke(consent, RECORDER) > 0


@pytest.mark.parametrize("member", [RECORDER, HOLDER, RECIPIENT], ids=lambda m: m.organization_id)
async def test_each_organization_it_concerns_may_revoke(service: Service, member: Member) -> None:
    consent = a_consent()
    await service.record(consent)

    sequence = await service.revoke(consent, member)

    assert sequence == 2
    assert await service.revoke(consent, member) == 2
    assert await service.revoke(consent, HOLDER) == 2
    listed = await called(service.of(member).ListConsents(pb.ListConsentsRequest()))
    assert listed.consents[0].state == pb.CONSENT_STATE_REVOKED
    assert listed.consents[0].HasField("revoke_time")


async def test_an_outsider_cannot_tell_a_consent_from_none(service: Service) -> None:
    consent = a_consent()
    await service.record(consent)

    told = []
    for consent_id in (consent.consent_id, secrets.token_hex(16), "no id"):
        with pytest.raises(NotPermittedError) as refused:
            await service.revoke(consent_id, OUTSIDER)
        told.append((refused.value.message, refused.value.metadata))
    assert told[0] == told[1] == told[2]


async def test_nobody_revokes_in_anothers_name(service: Service) -> None:
    consent = a_consent()
    await service.record(consent)
    anothers = pb.RevokeConsentRequest(
        revocation=HOLDER.revokes(consent.consent_id), request_id="r"
    )
    with pytest.raises(NotPermittedError):
        await called(service.of(OUTSIDER).RevokeConsent(anothers))
    unregistered = Member.new(HOLDER.organization_id).revokes(consent.consent_id)
    anothers = pb.RevokeConsentRequest(revocation=unregistered, request_id="r")
    with pytest.raises(EvidenceInvalidError):
        await called(service.of(HOLDER).RevokeConsent(anothers))


async def test_lists_hold_the_callers_own_bodies_in_pages(service: Service) -> None:
    consents = [a_consent() for _ in range(5)]
    await service.record(*consents)
    await service.record(a_consent(recorder=OUTSIDER, recipient=OUTSIDER), by=OUTSIDER)

    seen, token = [], ""
    while True:
        request = pb.ListConsentsRequest(page_size=2, page_token=token)
        page = await called(service.of(RECIPIENT).ListConsents(request))
        assert len(page.consents) <= 2
        seen += page.consents
        token = page.next_page_token
        if not token:
            break
    assert [one.consent_id for one in seen] == [one.consent_id for one in consents]
    assert {body.organization_id for one in seen for body in one.bodies} == {"shelter_org"}


async def test_a_watcher_gets_its_own_chain_in_order(service: Service) -> None:
    """Each step names the one before it, so that none can be left out unseen."""
    first, second = a_consent(), a_consent()
    elsewhere = a_consent(recorder=OUTSIDER, holder=RECORDER, recipient=OUTSIDER)
    await service.record(first)
    await service.record(elsewhere, by=OUTSIDER)
    watch = service.watch(HOLDER)
    steps = changes_of(watch)
    await service.record(second)
    await service.revoke(first, RECIPIENT)

    changes = [await anext(steps) for _ in range(3)]
    watch.cancel()

    assert [(one.sequence, one.previous_sequence) for one in changes] == [(1, 0), (3, 1), (4, 3)]
    reader = ConsentReader("anytown", HOLDER.sealing)
    evidence = reader.open(changes[0].recorded)
    opened = reader.read(changes[0].recorded, evidence, RECORDER.signing.public)
    assert opened.link_code == CANARY.encode()
    assert [one.organization_id for one in changes[1].recorded.bodies] == ["anytown"]
    revoked = check_signed_by(
        Domain.REVOCATION, changes[2].revoked, "shelter_org", RECIPIENT.signing.public
    )
    assert pb.Revocation.FromString(revoked).consent_id == first.consent_id


async def test_a_recorder_that_receives_nothing_reads_what_it_recorded(service: Service) -> None:
    """Its own body says the terms and who may receive, and names no student."""
    await service.record(a_consent())
    (recorded,) = (
        await called(service.of(RECORDER).ListConsents(pb.ListConsentsRequest(page_size=1)))
    ).consents

    reader = ConsentReader("helpers_org", RECORDER.sealing)
    opened = reader.read(recorded, reader.open(recorded), RECORDER.signing.public)
    assert opened.terms.purposes == ("direct_service",)
    assert (opened.subject_refs, opened.link_code) == ({"shelter_org": ""}, b"")


async def test_a_watch_resumes_where_it_was_left(service: Service) -> None:
    await service.record(*[a_consent() for _ in range(450)])
    watch = service.watch(HOLDER)
    steps = changes_of(watch)
    seen = [(await anext(steps)).sequence for _ in range(210)]
    watch.cancel()
    await service.record(a_consent())

    watch = service.watch(HOLDER, after=seen[-1])
    steps = changes_of(watch)
    resumed = [await anext(steps) for _ in range(241)]
    watch.cancel()

    assert seen + [one.sequence for one in resumed] == list(range(1, 452))
    assert resumed[0].previous_sequence == seen[-1]


async def test_heartbeats_name_only_what_was_sent_before(service: Service) -> None:
    """A node that trusts a heartbeat has already received every change it covers."""
    watch = service.watch(HOLDER)

    async def write() -> None:
        for number in range(40):
            await service.record(a_consent())
            await service.record(
                a_consent(recorder=OUTSIDER, holder=RECORDER, recipient=OUTSIDER), by=OUTSIDER
            )
            if number % 10 == 0:
                await asyncio.sleep(0.25)

    writing = asyncio.create_task(write())
    sent = 0
    beats: list[tuple[int, int]] = []
    while sent < 79 or not beats or beats[-1][0] < 80:
        event = await asyncio.wait_for(watch.read(), 20)
        if event.HasField("changes"):
            for change in event.changes.changes:
                assert change.previous_sequence == sent
                assert not beats or change.sequence > beats[-1][0]
                sent = change.sequence
            continue
        beat = beat_of(service, event)
        assert beat.organization_id == "anytown"
        assert beat.organization_sequence == sent <= beat.sequence
        beats.append((beat.sequence, sent))
    await writing
    watch.cancel()
    assert len(beats) >= 3


async def test_a_silent_watch_is_confirmed_at_once_and_again(service: Service) -> None:
    watch = service.watch(OUTSIDER)

    first = beat_of(service, await asyncio.wait_for(watch.read(), 20))
    second = beat_of(service, await asyncio.wait_for(watch.read(), 20))
    watch.cancel()

    assert (first.sequence, first.organization_sequence) == (0, 0)
    assert first.beat_time.ToDatetime() < second.beat_time.ToDatetime()


async def test_a_revocation_reaches_a_watcher_at_once(service: Service) -> None:
    """No revocation waits for a heartbeat: ten arrive in the time of two."""
    consents = [a_consent() for _ in range(10)]
    await service.record(*consents)
    settings = service.at.consent_settings(service.registry.port, heartbeat_seconds=10.0)
    async with running_consent(settings) as port:
        seldom = Service(service.at, service.registry, port)
        await admitted(seldom)
        watch = seldom.watch(HOLDER)
        steps = changes_of(watch)
        for _ in consents:
            await anext(steps)

        async with asyncio.timeout(20):
            for consent in consents:
                acknowledged = await seldom.revoke(consent, RECORDER)
                assert (await anext(steps)).sequence == acknowledged
        watch.cancel()


async def test_another_replicas_changes_are_noticed(service: Service) -> None:
    settings = service.at.consent_settings(service.registry.port)
    async with running_consent(settings) as port:
        watch = Service(service.at, service.registry, port).watch(HOLDER)
        steps = changes_of(watch)
        await watch.read()
        await service.record(a_consent())

        assert (await asyncio.wait_for(anext(steps), 20)).sequence == 1
        watch.cancel()


async def test_a_restart_without_the_registry_still_takes_revocations(service: Service) -> None:
    consent = a_consent()
    await service.record(consent)
    # Nothing answers there: what the service knows is what it saved.
    async with running_consent(service.at.consent_settings(1)) as port:
        restarted = Service(service.at, service.registry, port)

        assert await restarted.revoke(consent, HOLDER) == 2


async def test_the_database_never_holds_what_a_body_says(service: Service) -> None:
    consents = [a_consent() for _ in range(50)]
    await service.record(*consents)
    await service.revoke(consents[0], HOLDER)

    files = list(service.at.folder.glob("consent.db*"))
    kept = b"".join(file.read_bytes() for file in files)
    assert consents[0].consent_id.encode() in kept
    assert consents[0].bodies[0].sealed_evidence[:64] in kept
    assert CANARY.encode() not in kept
    assert CANARY.encode().hex().encode() not in kept


def beat_of(service: Service, event: pb.WatchConsentsResponse) -> pb.ConsentHeartbeat:
    """The heartbeat, its signature checked."""
    statement = check_signed_by(
        Domain.CONSENT_HEARTBEAT, event.heartbeat, RUNNER, service.at.consent_key.public
    )
    beat = pb.ConsentHeartbeat.FromString(statement)
    assert beat.federation == FEDERATION
    return beat
