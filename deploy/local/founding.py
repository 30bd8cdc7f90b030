"""Founds a federation: every organization registers, the operator admits it, and all sign."""

import asyncio
import datetime as dt
from collections.abc import Iterable

from deploy.local.layout import HUB, Layout, Member
from homeroom import Steward
from homeroom.agreement import AgreementDocument
from homeroom.development import development_issuer, write_secret
from homeroom.federation import Standing
from homeroom.identity import Role
from homeroom.users import User

_TRAINING_DAYS = 365


async def register_all(layout: Layout) -> None:
    """Registers and admits every member."""
    await asyncio.gather(
        *(register(layout, m, layout.node_addresses[m.organization_id]) for m in layout.members)
    )
    async with Steward(layout.profile(HUB), Role.OPERATOR) as operator:
        for member in layout.members:
            await operator.set_standing(member.organization_id, Standing.ACTIVE)


async def sign_agreement(layout: Layout, text: str) -> AgreementDocument:
    """Has the first discloser propose an agreement and every other party sign it.

    Args:
        layout: where the parties' profiles are.
        text: the agreement, as a steward writes it.
    """
    proposer = layout.members[0].organization_id
    async with Steward(layout.profile(proposer)) as steward:
        document = (await steward.propose(await steward.compile(text))).document
    for party in document.parties:
        if party.organization_id != proposer:
            async with Steward(layout.profile(party.organization_id)) as steward:
                await steward.sign(document.agreement_id, document.version)
    return document


def write_user_tokens(layout: Layout, users: Iterable[User], hours: float = 8) -> None:
    """Writes each user's token where the profile of the user's organization reads it."""
    now = dt.datetime.now(dt.UTC)
    for user in users:
        folder = layout.organization(user.organization_id)
        issuer = development_issuer(folder, layout.federation)
        token = issuer.token(user, layout.federation, now, hours)
        write_secret(folder / "user.token", token.encode(), force=True)


def trained_user(organization_id: str, user_id: str, role: str) -> User:
    """A person whose training is good for another year."""
    trained_to = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=_TRAINING_DAYS)
    return User(user_id, organization_id, role, trained_to)


async def register(layout: Layout, member: Member, node_address: str) -> None:
    """Registers a member whose node others find at an address, or replaces its record."""
    folder = layout.organization(member.organization_id)
    issuer = development_issuer(folder, layout.federation).public()
    async with Steward(layout.profile(member.organization_id)) as steward:
        await steward.register(
            display_name=member.display_name,
            kind=member.kind,
            node_address=node_address,
            datasets=member.datasets,
            user_issuer=issuer.name,
            user_keys=issuer.keys,
        )
