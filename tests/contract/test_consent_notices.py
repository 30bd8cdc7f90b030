"""Partial withdrawals, verdicts, new names and proofs, over a real connection."""

import datetime as dt
from typing import Any

import pytest

from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent import (
    open_narrowing,
    open_report,
    open_rotation,
    seal_narrowing,
    seal_report,
    seal_rotation,
)
from homeroom.consent.proofs import check_proof, check_recorded, open_head
from homeroom.consent_log import ChangeKind
from homeroom.consent_notices import Narrowing, Rotation, Verdict, VerdictReport
from homeroom.errors import NotPermittedError, RequestInvalidError, StateBehindError
from homeroom.identity import Role
from homeroom.merkle import check_consistency
from homeroom.vocabulary import Element
from tests.contract.consent_premises import (
    HOLDER,
    OUTSIDER,
    RECIPIENT,
    RECORDER,
    Service,
    a_consent,
    changes_of,
    service,
)
from tests.contract.registry_premises import called
from tests.organizations import NOW, Member, new_request_id
from tests.serving import FEDERATION

__all__ = ["service"]

EVERYONE = {one.organization_id: one.sealing.public for one in (HOLDER, RECORDER, RECIPIENT)}


def narrowing(consent: pb.Consent, by: Member, **readers: bytes) -> pb.Narrowing:
    said = Narrowing(
        consent_id=consent.consent_id,
        organization_id=by.organization_id,
        elements=(Element.NAME,),
        time=NOW,
    )
    return seal_narrowing(said, by.signing, readers or EVERYONE)


async def narrow(service: Service, message: pb.Narrowing, by: Member) -> Any:
    request = pb.NarrowConsentRequest(narrowing=message, request_id=new_request_id())
    return await called(service.of(by).NarrowConsent(request))


async def report(service: Service, said: VerdictReport, by: Member = HOLDER) -> Any:
    message = seal_report(said, by.signing, RECORDER.sealing.public)
    request = pb.ReportVerdictsRequest(report=message, request_id=new_request_id())
    return await called(service.of(by, Role.NODE).ReportVerdicts(request))


@pytest.mark.parametrize("by", [HOLDER, RECORDER, RECIPIENT], ids=lambda m: m.organization_id)
async def test_a_partial_withdrawal_reaches_each_whom_it_touches(
    service: Service, by: Member
) -> None:
    consent = a_consent()
    await service.record(consent)

    answer = await narrow(service, narrowing(consent, by), by)

    assert answer.sequence == 2
    for reader in (HOLDER, RECIPIENT):
        watch = service.watch(reader, after=1)
        change = await anext(changes_of(watch))
        watch.cancel()
        name = reader.organization_id
        assert [one.organization_id for one in change.narrowed.notices] == [name]
        opened = open_narrowing(change.narrowed, name, reader.sealing, by.signing.public)
        assert opened.elements == (Element.NAME,)
    _, entries = check_proof(
        answer.proof, consent.consent_id, FEDERATION, service.at.consent_key.public
    )
    assert [entry.kind for entry in entries] == [ChangeKind.RECORDED, ChangeKind.NARROWED]


async def test_a_partial_withdrawal_that_misses_the_holder_is_refused(service: Service) -> None:
    """A notice to the recipient alone would let the holder release on."""
    consent = a_consent()
    await service.record(consent)
    alone = narrowing(consent, RECIPIENT, shelter_org=RECIPIENT.sealing.public)

    with pytest.raises(RequestInvalidError):
        await narrow(service, alone, RECIPIENT)
    with pytest.raises(NotPermittedError):
        await narrow(service, narrowing(consent, OUTSIDER), OUTSIDER)
    with pytest.raises(NotPermittedError):
        await narrow(service, narrowing(consent, RECIPIENT), OUTSIDER)


async def test_verdicts_reach_the_recorder_alone(service: Service) -> None:
    consent = a_consent()
    await service.record(consent)
    said = VerdictReport(
        holder="anytown",
        recorder="helpers_org",
        verdicts=(
            Verdict(consent_id=consent.consent_id, accepted=True, last_date=dt.date(2027, 6, 30)),
        ),
        time=NOW,
    )
    await report(service, said)

    found = await called(service.of(RECORDER).ListReports(pb.ListReportsRequest()))
    (message,) = found.reports
    assert open_report(message, RECORDER.sealing, HOLDER.signing.public) == said
    for other in (HOLDER, RECIPIENT, OUTSIDER):
        listed = await called(service.of(other).ListReports(pb.ListReportsRequest()))
        assert not listed.reports


async def test_nobody_reports_in_a_holders_name(service: Service) -> None:
    said = VerdictReport(
        holder="anytown",
        recorder="helpers_org",
        verdicts=(Verdict(consent_id="ab" * 16, accepted=True),),
        time=NOW,
    )
    with pytest.raises(NotPermittedError):
        await report(service, said, by=OUTSIDER)


async def test_new_names_reach_the_holder(service: Service) -> None:
    said = Rotation(
        organization_id="shelter_org", holder="anytown", new_refs={"old": "new"}, time=NOW
    )
    request = pb.RotateSubjectRefsRequest(
        rotation=seal_rotation(said, RECIPIENT.signing, HOLDER.sealing.public),
        request_id=new_request_id(),
    )
    answer = await called(service.of(RECIPIENT).RotateSubjectRefs(request))

    watch = service.watch(HOLDER)
    change = await anext(changes_of(watch))
    watch.cancel()
    assert change.sequence == answer.sequence
    assert open_rotation(change.rotated, HOLDER.sealing, RECIPIENT.signing.public) == said
    with pytest.raises(NotPermittedError):
        await called(service.of(OUTSIDER).RotateSubjectRefs(request))


async def test_what_is_recorded_is_proved_at_once_and_for_good(service: Service) -> None:
    """The answer to a recording proves it; every later log still holds it."""
    key = service.at.consent_key.public
    consents = [a_consent() for _ in range(7)]
    first = await service.record(*consents[:3])
    before = check_recorded(consents[:3], first, FEDERATION, key)
    second = await service.record(*consents[3:])
    assert check_recorded(consents[3:], second, FEDERATION, key).size == 7

    request = pb.GetConsentLogRequest(known_size=before.size)
    grown = await called(service.of(RECORDER).GetConsentLog(request))
    head = open_head(grown.head, FEDERATION, key)
    check_consistency(before.size, before.root, head.size, head.root, grown.consistency_path)
    with pytest.raises(StateBehindError):
        await called(service.of(RECORDER).GetConsentLog(pb.GetConsentLogRequest(known_size=99)))


async def test_a_proof_is_for_whom_the_consent_concerns(service: Service) -> None:
    consent = a_consent()
    await service.record(consent)
    request = pb.GetConsentProofRequest(consent_id=consent.consent_id)

    answer = await called(service.of(RECIPIENT).GetConsentProof(request))
    assert [body.organization_id for body in answer.consent.bodies] == ["shelter_org"]
    for consent_id in (consent.consent_id, "0" * 32, "none"):
        with pytest.raises(NotPermittedError):
            await called(
                service.of(OUTSIDER).GetConsentProof(
                    pb.GetConsentProofRequest(consent_id=consent_id)
                )
            )


async def test_an_import_that_is_run_again_is_told_what_it_recorded(service: Service) -> None:
    """Under the same identifiers with other seals: left out, and shown as it was recorded."""
    old, new = a_consent(), a_consent()
    await service.record(old)
    again = a_consent()
    again.consent_id = old.consent_id
    request = pb.RecordConsentsRequest(
        consents=[again, new], request_id=new_request_id(), skip_recorded=True
    )
    answer = await called(service.of(RECORDER).RecordConsents(request))

    assert (list(answer.sequences), answer.recorded_count) == ([1, 2], 1)
    (before,) = answer.recorded_before
    own = next(body for body in old.bodies if body.organization_id == "helpers_org")
    assert list(before.bodies) == [own]
    check_recorded([again, new], answer, FEDERATION, service.at.consent_key.public)
