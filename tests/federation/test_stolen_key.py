"""A signing key is stolen: nothing that it signs counts any more, and its owner goes on."""

import asyncio
import datetime as dt
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.founding import sign_agreement
from deploy.local.layout import HUB, Layout
from homeroom import Answer, Client, Steward
from homeroom.clock import utc_now
from homeroom.development import development_issuer
from homeroom.errors import HomeroomError
from homeroom.federation import Organization, Standing
from homeroom.identity import Role
from homeroom.key_exchange import KeyKind, exchange_keys, recover_key
from homeroom.profile import Profile, load_profile
from homeroom.signing import SigningKey
from tools.soak.premises import (
    AGREEMENT_ID,
    ASKER,
    DAYS,
    HOLDER,
    PURPOSE,
    Premises,
    agreement_text,
    premises,
)

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("stolen_key")]

STUDENTS = 2
_PATIENCE_SECONDS = 90.0
_BETWEEN_SECONDS = 4.0
"""A consent that came within a heartbeat or two of the theft may have been made by the thief."""


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Premises]:
    """A holder, and an asker whom two families have allowed."""
    with premises(tmp_path_factory.mktemp("stolen") / "federation") as made:
        made.processes.start("gateway", HOLDER)
        with Client(made.layout.profile(ASKER)) as client:
            client.consents.record_many(made.form(student) for student in range(STUDENTS))
        yield made


def test_what_a_stolen_key_signs_counts_no_more_and_its_owner_goes_on(
    at: Premises, tmp_path: Path
) -> None:
    """The operator's word ends it within a heartbeat; the recovery key begins the next."""
    layout, own = at.layout, load_profile(at.layout.profile(ASKER))
    thief = stolen(own, tmp_path)
    assert until(lambda: asked(thief), whole).complete, "until somebody says so, nobody knows"
    time.sleep(_BETWEEN_SECONDS)
    kept, before = asyncio.run(snapshot(own)), asyncio.run(registered(own))
    theft = utc_now().replace(microsecond=0)
    asyncio.run(described_by(thief, at.layout))

    key_id = SigningKey.load(signing_key_of(own)).key_id
    assert asyncio.run(marked(layout, key_id, theft)) is Standing.SUSPENDED
    until(lambda: asked(thief), refused)
    with pytest.raises(HomeroomError):
        # Else whoever stole the key would keep the name.
        asyncio.run(exchange_keys(thief, [KeyKind.SIGNING]))

    folder = layout.organization(ASKER)
    asyncio.run(recover_key(own, folder / "recovery_key.pem", kept))
    after = asyncio.run(registered(own))
    assert after.signing_key == SigningKey.load(signing_key_of(own)).public != before.signing_key
    assert (after.issuer, after.sealing_key) == (before.issuer, before.sealing_key)
    asyncio.run(admitted(layout))
    until(lambda: asked(own), refused_or_nothing)
    asyncio.run(sign_agreement(layout, agreement_text(version=2)))

    assert until(lambda: asked(own), whole).table.num_rows == STUDENTS * DAYS
    until(lambda: asked(thief), refused)


def stolen(own: Profile, folder: Path) -> Profile:
    """A profile with a copy of the key, as the thief has it."""
    copy = folder / "signing_key.pem"
    shutil.copy(signing_key_of(own), copy)
    return own.model_copy(update={"signing_key": copy})


def signing_key_of(profile: Profile) -> Path:
    assert profile.signing_key is not None
    return profile.signing_key


def asked(profile: Profile) -> Answer | HomeroomError:
    """What becomes of a question about everyone; by now each agreement is of some version."""
    try:
        with Client(profile) as client:
            return client.query(AGREEMENT_ID, PURPOSE, "attendance", ["daily_attendance"])
    except HomeroomError as refusal:
        return refusal


def whole(found: Answer | HomeroomError) -> bool:
    return isinstance(found, Answer) and found.table.num_rows == STUDENTS * DAYS


def refused(found: Answer | HomeroomError) -> bool:
    return isinstance(found, HomeroomError)


def refused_or_nothing(found: Answer | HomeroomError) -> bool:
    """An agreement that was signed with the former key lets nothing leave for the new one."""
    return refused(found) or (isinstance(found, Answer) and found.table.num_rows == 0)


def until(
    ask: Callable[[], Answer | HomeroomError], wanted: Callable[[Answer | HomeroomError], bool]
) -> Answer:
    """Asks until it is as it should be.

    Raises:
        TimeoutError: if it never is.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not wanted(found := ask()):
        if time.monotonic() > deadline:
            raise TimeoutError(str(found))
        time.sleep(0.1)
    return found  # type: ignore[return-value]  # whoever wants an answer asks for one


async def snapshot(profile: Profile) -> bytes:
    async with Steward(profile) as steward:
        return await steward.keep()


async def registered(profile: Profile) -> Organization:
    """What the registry has of the asker."""
    async with Steward(profile) as steward:
        return (await steward.federation()).organizations[ASKER]


async def described_by(thief: Profile, layout: Layout) -> None:
    """The thief puts another issuer of tokens into the record."""
    issuer = development_issuer(layout.organization(HOLDER), layout.federation).public()
    async with Steward(thief) as steward:
        await steward.register(
            display_name="Asker",
            kind="community_org",
            user_issuer="https://thief.example",
            user_keys=issuer.keys,
        )


async def marked(layout: Layout, key_id: str, since: dt.datetime) -> Standing:
    async with Steward(layout.profile(HUB), Role.OPERATOR) as operator:
        return (await operator.mark_key_compromised(ASKER, key_id, since)).standing


async def admitted(layout: Layout) -> None:
    async with Steward(layout.profile(HUB), Role.OPERATOR) as operator:
        await operator.set_standing(ASKER, Standing.ACTIVE)
