"""Lists what an organization must destroy of what it was told, by when."""

import asyncio
from collections.abc import Collection

from homeroom.consent_listing import ConsentListing, ListedConsent
from homeroom.destruction.owed import OwedList, RevokedConsent, owed_of
from homeroom.profile import required
from homeroom.session import Session


async def owed_by(session: Session) -> OwedList:
    """What the profile's organization has to destroy, the most pressing first.

    Revoked consents count where the profile names a consent service.

    Raises:
        RequestInvalidError: if the profile keeps no receipts.
        HomeroomError: if the registry or the consent service cannot be asked.
    """
    files = required(session.receipts, "receipts")
    state = await session.registry_view.state(session.seen.registry)
    revoked: Collection[RevokedConsent] = ()
    if session.profile.consent is not None:
        listed = ConsentListing(session).all()
        own = session.organization_id
        revoked = [read async for one in listed if (read := _revoked(one, own)) is not None]
    return await asyncio.to_thread(
        lambda: owed_of(files.kept(), state, session.organization_id, revoked)
    )


def _revoked(consent: ListedConsent, own: str) -> RevokedConsent | None:
    """A consent that was revoked and may have let this organization receive."""
    if consent.revoke_time is None or consent.holder == own:
        return None
    if consent.opened is None:
        # What it says cannot be read here: it may be about anything of its holder's.
        return RevokedConsent(consent.consent_id, consent.holder, consent.revoke_time)
    terms = consent.opened.terms
    if own not in consent.opened.recipients and not terms.classes:
        return None
    return RevokedConsent(
        consent.consent_id,
        consent.holder,
        consent.revoke_time,
        terms.agreement_id,
        terms.purposes,
        terms.start_date,
    )
