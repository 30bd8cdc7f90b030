"""A running consent service, the registry it follows, and the organizations that call it."""

import asyncio
import datetime as dt
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent import make_consents
from homeroom.consent_terms import ConsentTerms, OpenedConsent
from homeroom.errors import (
    NotPermittedError,
    RequestInvalidError,
    StateStaleError,
)
from homeroom.identity import Role
from homeroom.vocabulary import ConsentForm, Element, SignerRelation
from tests.contract.registry_premises import RunningRegistry, called
from tests.organizations import Member, new_request_id
from tests.serving import Premises, premises, running_consent, running_registry

HOLDER, RECORDER, RECIPIENT, OUTSIDER = (
    Member.new(name) for name in ("anytown", "helpers_org", "shelter_org", "outsider")
)
CANARY = "Wilhelmina-Canary"


@dataclass
class Service:
    """A running consent service, the registry it follows, and those who call it."""

    at: Premises
    registry: RunningRegistry
    port: int

    def of(self, member: Member, role: Role = Role.APP) -> Any:
        return self.at.consent(self.port, member.organization_id, role)

    async def record(self, *consents: pb.Consent, by: Member = RECORDER) -> Any:
        request = pb.RecordConsentsRequest(consents=consents, request_id=new_request_id())
        return await called(self.of(by).RecordConsents(request))

    async def revoke(self, consent: pb.Consent | str, by: Member) -> int:
        consent_id = consent if isinstance(consent, str) else consent.consent_id
        request = pb.RevokeConsentRequest(
            revocation=by.revokes(consent_id), request_id=new_request_id()
        )
        answer = await called(self.of(by).RevokeConsent(request))
        return int(answer.sequence)

    def watch(self, member: Member, after: int = 0) -> Any:
        request = pb.WatchConsentsRequest(after_sequence=after)
        return self.of(member, Role.NODE).WatchConsents(request)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with premises(tmp_path) as at, running_registry(at.registry_settings()) as registry_port:
        registry = RunningRegistry(at, registry_port)
        await registry.admit(HOLDER, RECORDER, RECIPIENT, OUTSIDER)
        async with running_consent(at.consent_settings(registry_port)) as port:
            running = Service(at, registry, port)
            await admitted(running)
            yield running


async def admitted(service: Service) -> None:
    """Waits until the service has heard from the registry that all are admitted."""
    async with asyncio.timeout(30):
        while True:
            try:
                await service.record(by=OUTSIDER)
            except RequestInvalidError:
                return  # admitted, and told that there is nothing to record
            except (NotPermittedError, StateStaleError):
                await asyncio.sleep(0.02)


def a_consent(
    recorder: Member = RECORDER, holder: Member = HOLDER, recipient: Member = RECIPIENT
) -> pb.Consent:
    """A consent as its recorder makes it, with names that nobody else may read."""
    terms = ConsentTerms(
        holder=holder.organization_id,
        agreement_id="A-1",
        elements=(Element.NAME,),
        purposes=("direct_service",),
        signer_relation=next(iter(SignerRelation)),
        form=next(iter(ConsentForm)),
        sign_date=dt.date(2026, 9, 1),
        start_date=dt.date(2026, 9, 1),
        end_date=dt.date(2027, 6, 30),
    )
    opened = OpenedConsent(
        consent_id=secrets.token_hex(16),
        recorder=recorder.organization_id,
        terms=terms,
        link_code=CANARY.encode(),
        subject_refs={recipient.organization_id: CANARY},
    )
    keys = {one.organization_id: one.sealing.public for one in (holder, recorder, recipient)}
    return make_consents([opened], recorder.signing, keys)[0]


async def changes_of(watch: Any) -> AsyncIterator[Any]:
    """The changes that a watch is sent, one by one."""
    while True:
        event = await asyncio.wait_for(watch.read(), 20)
        for change in event.changes.changes:
            yield change
