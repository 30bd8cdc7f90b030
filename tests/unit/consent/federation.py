"""A federation as the consent service knows it."""

import datetime as dt

from homeroom.federation import FederationState, Organization, Standing
from homeroom.users import Issuer
from homeroom.vocabulary import OrganizationKind
from tests.organizations import NOW


def state_of(standing: Standing = Standing.ACTIVE) -> FederationState:
    """A state in which four organizations are registered, each with that standing."""
    names = ("anytown", "shelter", "helpers", "other")
    return FederationState(
        federation="test.example",
        sequence=1,
        issue_time=NOW,
        expire_time=NOW + dt.timedelta(hours=24),
        organizations={
            name: Organization(
                organization_id=name,
                display_name=name,
                kind=OrganizationKind.DISTRICT,
                standing=standing,
                node_address="",
                datasets=frozenset(),
                signing_key=bytes(32),
                sealing_key=bytes(32),
                issuer=Issuer("", ""),
                record_version=1,
            )
            for name in names
        },
        agreements={},
    )
