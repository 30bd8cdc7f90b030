"""A consent service in wrong hands, with its real key: it reads nothing and can permit nothing."""

import datetime as dt
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from deploy.local.layout import HUB
from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent import ConsentReader
from homeroom.errors import EvidenceInvalidError
from homeroom.evidence import signed
from homeroom.signing import Domain, SigningKey
from tests.federation.leaks import found_in, secrets_of
from tests.federation.puppets import Siege, siege_of
from tests.federation.records import (
    ATTENDANCE,
    HARBOR,
    LEAP_DAY,
    NO_FORM,
    SPARE,
    TWIN,
    TWO_SURNAMES,
)
from tests.federation.running import ASKER, Federation, eventually
from tests.federation.sealed_forms import consent_of
from tests.federation.wire import Keys

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]


@pytest.fixture(scope="module")
def siege(federation: Federation) -> Iterator[Siege]:
    with siege_of(federation) as besieged:
        yield besieged


@pytest.fixture
def asker(siege: Siege) -> Iterator[Keys]:
    """The requester, whom the node answers when the consent service is honest."""
    keys = Keys.of(siege.layout, ASKER)
    siege.mended(keys)
    yield keys
    siege.mended(keys)


def test_a_consent_service_cannot_read_who_consented(federation: Federation) -> None:
    """Its database holds no student's value, and its own keys open no body."""
    database = federation.layout.organization(HUB) / "consent.db"
    with closing(sqlite3.connect(database)) as consents:
        everything = "\n".join(consents.iterdump()).encode()
        bodies = consents.execute(
            "SELECT consent_id, recorder, organization_id, sealed_key, place, sealed_evidence"
            " FROM consent_body JOIN consent USING (sequence)"
        ).fetchall()
    hub = Keys.of(federation.layout, HUB)

    assert bodies
    assert not found_in(everything, secrets_of(federation))
    for consent_id, recorder, organization_id, sealed_key, place, sealed in bodies:
        body = pb.SealedBody(
            organization_id=organization_id,
            sealed_key=sealed_key,
            place=place,
            sealed_evidence=sealed,
        )
        consent = pb.Consent(consent_id=consent_id, recorder=recorder, bodies=[body])
        with pytest.raises(EvidenceInvalidError):
            ConsentReader(organization_id, hub.sealing).open(consent)


def test_a_consent_service_cannot_invent_a_consent(siege: Siege, asker: Keys) -> None:
    """Not signed by the organization that it names as recorder, a consent permits nothing.

    It even knows the form's link code here, and seals to the right keys.
    """
    before = siege.refs(asker)
    for forger in (Keys.made_up(ASKER), Keys(ASKER, siege.consent.key, asker.sealing)):
        sequence = siege.consent.record(consent_of(siege, forger, NO_FORM, [ATTENDANCE]))

    assert siege.refs(asker, min_consent_sequence=sequence) == before


def test_a_consent_service_cannot_record_in_its_own_name(siege: Siege, asker: Keys) -> None:
    """Who is no party of the agreement records nothing under it, also not for a party."""
    before = siege.refs(asker)
    hub = Keys.of(siege.layout, HUB)
    consent = consent_of(siege, hub, NO_FORM, [ATTENDANCE])
    sequence = siege.consent.record(consent)

    assert siege.refs(asker, min_consent_sequence=sequence) == before


@pytest.mark.parametrize("part", ["sealed", "key", "place", "consent_id", "recorder", "bodies"])
def test_a_consent_service_cannot_alter_a_consent(siege: Siege, asker: Keys, part: str) -> None:
    """Whatever it changes around or in a sealed body, the node finds no consent there."""
    before = siege.refs(asker)
    consent = consent_of(siege, asker, SPARE, [ATTENDANCE])
    if part == "sealed":
        consent.bodies[0].sealed_evidence = _altered(consent.bodies[0].sealed_evidence)
    elif part == "key":
        consent.bodies[0].sealed_key = _altered(consent.bodies[0].sealed_key)
    elif part == "place":
        consent.bodies[0].place += 1
    elif part == "consent_id":
        consent.consent_id = "0" * 32
    elif part == "recorder":
        consent.recorder = HARBOR
    else:
        other = consent_of(siege, asker, TWIN, [ATTENDANCE])
        consent.bodies[0].CopyFrom(other.bodies[0])
    sequence = siege.consent.record(consent)

    assert siege.refs(asker, min_consent_sequence=sequence) == before


def test_a_consent_that_is_passed_on_unchanged_serves(siege: Siege, asker: Keys) -> None:
    """What the tests beside this one forge would serve if it were genuine."""
    before = siege.refs(asker)
    genuine = consent_of(siege, asker, TWO_SURNAMES, [ATTENDANCE], subject_ref="a" * 32)
    sequence = siege.consent.record(genuine)

    assert siege.refs(asker, min_consent_sequence=sequence) == before | {"a" * 32}


def test_a_consent_service_cannot_make_a_revoked_consent_serve_again(
    siege: Siege, asker: Keys
) -> None:
    """Sent once more after its revocation, a consent stays revoked."""
    consent = consent_of(siege, asker, LEAP_DAY, [ATTENDANCE], subject_ref="b" * 32)
    given = siege.refs(asker, min_consent_sequence=siege.consent.record(consent))
    revoked = siege.refs(asker, min_consent_sequence=_revoke(siege, asker, consent.consent_id))
    again = siege.refs(asker, min_consent_sequence=siege.consent.record(consent))

    assert "b" * 32 in given
    assert "b" * 32 not in revoked | again


def test_a_change_that_is_left_out_of_the_chain_is_noticed(siege: Siege, asker: Keys) -> None:
    """The node confirms no state in which a change of its own is missing, and so refuses."""
    consent = consent_of(siege, asker, SPARE, [ATTENDANCE], subject_ref="c" * 32)
    siege.refs(asker, min_consent_sequence=siege.consent.record(consent))
    siege.consent.beats = None
    with siege.consent.hiding_the_next_change():
        _revoke(siege, asker, consent.consent_id)
        siege.consent.record(consent_of(siege, asker, NO_FORM, [ATTENDANCE]))
        siege.consent.beats = siege.consent.beat
        siege.outcomes_until(asker, "STATE_STALE")
    siege.mended(asker)

    assert "c" * 32 not in siege.refs(asker, min_consent_sequence=siege.consent.sequence)


def test_a_heartbeat_that_counts_a_withheld_change_is_not_believed(
    siege: Siege, asker: Keys
) -> None:
    """A heartbeat beyond the changes that were sent says that one is missing: the node refuses."""
    siege.consent.beats = lambda: siege.consent.beat(sequence=siege.consent.sequence + 1)

    siege.outcomes_until(asker, "STATE_STALE")


@pytest.mark.parametrize("log", ["another", ""])
def test_a_log_that_is_exchanged_for_another_is_not_believed(
    siege: Siege, asker: Keys, log: str
) -> None:
    """One that ends where the last one did has the same root; and every heartbeat has one."""
    siege.consent.beats = lambda: siege.consent.beat(log=log)

    siege.outcomes_until(asker, "STATE_STALE")


def test_an_old_heartbeat_confirms_nothing_new(siege: Siege, asker: Keys) -> None:
    """Replayed over and over, a heartbeat ages all the same."""
    old = siege.consent.beat()
    siege.consent.beats = lambda: old

    siege.outcomes_until(asker, "STATE_STALE")


@pytest.mark.parametrize("flaw", ["another organization's", "another key's", "the future's"])
def test_a_heartbeat_that_is_not_for_this_node_confirms_nothing(
    siege: Siege, asker: Keys, flaw: str
) -> None:
    """One for another organization, by another key or from the future is no confirmation."""
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    forged: dict[str, evidence_pb2.SignedStatement] = {
        "another organization's": siege.consent.beat(organization_id=ASKER),
        "another key's": siege.consent.beat(key=SigningKey.generate()),
        "the future's": siege.consent.beat(at=later),
    }
    siege.consent.beats = lambda: forged[flaw]

    siege.outcomes_until(asker, "STATE_STALE")


def test_a_revocation_is_hidden_only_until_the_staleness_bound(siege: Siege, asker: Keys) -> None:
    """A service that says nothing more hides a revocation until the bound, then all is refused."""
    consent = consent_of(siege, asker, SPARE, [ATTENDANCE], subject_ref="d" * 32)
    siege.refs(asker, min_consent_sequence=siege.consent.record(consent))
    siege.consent.beats = None
    began = dt.datetime.now(dt.UTC)
    eventually(lambda: siege.error(asker), lambda error: error == "STATE_STALE")
    seconds = (dt.datetime.now(dt.UTC) - began).total_seconds()
    _revoke(siege, asker, consent.consent_id)

    assert seconds < 10  # the bound, and what a busy machine needs to ask


def test_a_hidden_revocation_does_not_stand_up_to_its_own_sequence(
    siege: Siege, asker: Keys
) -> None:
    """Who revoked names the sequence it was given: the node does not answer from before it."""
    consent = consent_of(siege, asker, SPARE, [ATTENDANCE], subject_ref="e" * 32)
    siege.refs(asker, min_consent_sequence=siege.consent.record(consent))
    promised = siege.consent.sequence + 1

    assert siege.error(asker, min_consent_sequence=promised) == "STATE_BEHIND"
    assert "e" * 32 not in siege.refs(
        asker, min_consent_sequence=_revoke(siege, asker, consent.consent_id)
    )


def _altered(sealed: bytes) -> bytes:
    changed = bytearray(sealed)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


def _revoke(siege: Siege, keys: Keys, consent_id: str) -> int:
    """Adds a revocation, signed by who recorded the consent."""
    revocation = pb.Revocation(consent_id=consent_id, organization_id=keys.organization_id)
    revocation.revoke_time.FromDatetime(dt.datetime.now(dt.UTC))
    statement = revocation.SerializeToString(deterministic=True)
    return siege.consent.add(
        revoked=signed(Domain.REVOCATION, statement, keys.organization_id, keys.signing)
    )
