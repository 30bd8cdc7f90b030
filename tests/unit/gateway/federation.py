"""A small federation of facts: organizations and an agreement, without keys that sign."""

import datetime as dt
from collections.abc import Mapping

from homeroom.agreement import AgreementDocument, Party
from homeroom.federation import Agreement, AgreementState, Organization, Standing
from homeroom.signing import key_id_of
from homeroom.users import Issuer, User
from homeroom.vocabulary import AgreementKind, Basis, Element, OrganizationKind
from tests.organizations import schedule_of

NOW = dt.datetime(2026, 3, 2, 15, 4, 5, 678, tzinfo=dt.UTC)
USER = User("u1", "cbo", "case_worker", dt.date(2026, 12, 31))


def organization(
    organization_id: str,
    *,
    standing: Standing = Standing.ACTIVE,
    datasets: tuple[str, ...] = ("attendance",),
    node_address: str = "127.0.0.1:1",
) -> Organization:
    key = organization_id.encode().ljust(32, b".")
    return Organization(
        organization_id=organization_id,
        display_name=organization_id,
        kind=OrganizationKind.DISTRICT,
        standing=standing,
        node_address=node_address,
        datasets=frozenset(datasets),
        signing_key=key,
        sealing_key=key,
        issuer=Issuer("https://issuer.example", "{}"),
        record_version=1,
    )


def document(
    roles: Mapping[str, str],
    authorized_roles: tuple[str, ...] | None = None,
) -> AgreementDocument:
    """An agreement of parties, each by its role."""
    parties = [
        Party.model_validate(
            {
                "organization_id": name,
                "role": role,
                "signing_key_id": key_id_of(name.encode().ljust(32, b".")),
                "sealing_key_id": key_id_of(name.encode().ljust(32, b".")),
            }
        )
        for name, role in roles.items()
    ]
    return AgreementDocument(
        agreement_id="A-1",
        version=3,
        supersedes="0" * 64,
        title="After-school support",
        kind=AgreementKind.CONSENTED_SHARING,
        parties=tuple(parties),
        legal_basis=(Basis.CONSENT,),
        schedules=(
            schedule_of("program_evaluation", Element.SUSPENSIONS, Element.DAILY_ATTENDANCE),
            schedule_of("direct_service", Element.DAILY_ATTENDANCE),
        ),
        schools={},
        authorized_roles=authorized_roles,
        effective_from=dt.date(2026, 1, 1),
        effective_to=dt.date(2026, 12, 31),
    )


def agreement(of: AgreementDocument) -> Agreement:
    return Agreement(
        document=of,
        signed_by=frozenset(party.organization_id for party in of.parties),
        state=AgreementState.ACTIVE,
        digest=b"",
    )
