"""Organizations for a test: their keys, and what they sign to register, agree and revoke."""

import datetime as dt
import secrets
from collections.abc import Sequence
from typing import Any

from homeroom.agreement import ALL_SCHOOLS, AgreementDocument, Schedule
from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_service_pb2 as consent_pb
from homeroom.federation import Organization, Standing
from homeroom.signing import Domain, SigningKey
from homeroom.users import Issuer
from homeroom.vocabulary import AgreementKind, Basis, Element, OrganizationKind
from tools.signatory import Signatory

NOW = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)


class Member(Signatory):
    """An organization of a test."""

    @classmethod
    def new(cls, organization_id: str) -> "Member":
        return cls(organization_id)

    def record(self, version: int = 1, **changed: object) -> evidence_pb2.SignedStatement:
        """Its record, signed by itself."""
        said = {"display_name": self.organization_id.title(), "kind": "district"}
        return self.signs_record(**(said | {"record_version": version} | changed))

    @property
    def signer(self) -> tuple[str, SigningKey]:
        """Who signs its statements."""
        return self.organization_id, self.signing

    def revokes(self, consent_id: str) -> evidence_pb2.SignedStatement:
        """Its word that a consent is withdrawn."""
        revocation = consent_pb.Revocation(
            consent_id=consent_id, organization_id=self.organization_id
        )
        revocation.revoke_time.FromDatetime(NOW)
        return self.signs(Domain.REVOCATION, revocation.SerializeToString(deterministic=True))


def document_of(
    parties: Sequence[Member], agreement_id: str = "A-1", version: int = 1, title: str = "Sharing"
) -> AgreementDocument:
    """A document between these parties."""
    return AgreementDocument(
        agreement_id=agreement_id,
        version=version,
        supersedes=None if version == 1 else "0" * 64,
        title=title,
        kind=AgreementKind.CONSENTED_SHARING,
        parties=tuple(member.party() for member in parties),
        legal_basis=(Basis.CONSENT,),
        schedules=(schedule_of("direct_service", Element.NAME),),
        schools={member.organization_id: ALL_SCHOOLS for member in parties},
        effective_from=dt.date(2026, 8, 1),
        effective_to=dt.date(2027, 7, 31),
    )


def organization_of(
    member: Member, standing: Standing = Standing.ACTIVE, node_address: str = ""
) -> Organization:
    """A member as the others know it."""
    return Organization(
        organization_id=member.organization_id,
        display_name=member.organization_id.title(),
        kind=OrganizationKind.DISTRICT,
        standing=standing,
        node_address=node_address,
        datasets=frozenset(),
        signing_key=member.signing.public,
        sealing_key=member.sealing.public,
        issuer=Issuer("https://issuer", "{}"),
        record_version=1,
    )


def schedule_of(purpose: str, *elements: Element, **changed: Any) -> Schedule:
    """What may be shared for a purpose."""
    return Schedule(purpose=purpose, text=f"For {purpose}.", elements=elements, **changed)


def new_request_id() -> str:
    """A request id that nobody used before."""
    return secrets.token_hex(8)
