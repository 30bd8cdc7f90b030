"""A history of keys: who can prove what with a key that was given up, lost or stolen."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.errors import EvidenceInvalidError
from homeroom.federation import Standing
from homeroom.histories import Histories
from homeroom.key_history import OVERLAP, KeyHistory, KeyPeriod, KeySet, Succession
from homeroom.signing import SigningKey, key_id_of
from homeroom.snapshot import read_organization
from tests.organizations import NOW, Member

RECOVERY = SigningKey.generate()
FIRST, SECOND, THIRD = (Member.new("anytown") for _ in range(3))
THIEF = Member.new("anytown")
DAY = dt.timedelta(days=1)


def brought(
    record: evidence_pb2.SignedStatement, day: int, stolen: dt.datetime | None = None
) -> pb.KeyRecord:
    """A record that the registry took on that day."""
    message = pb.KeyRecord(record=record, take_sequence=day + 1)
    message.take_time.FromDatetime(NOW + day * DAY)
    if stolen is not None:
        message.compromise_time.FromDatetime(stolen)
    return message


def organization(*records: pb.KeyRecord) -> pb.Organization:
    return pb.Organization(
        organization_id="anytown",
        record=records[-1].record,
        standing=pb.STANDING_ACTIVE,
        key_records=records,
    )


def first(**fields: object) -> evidence_pb2.SignedStatement:
    said = {"kind": "district", "recovery_key": RECOVERY.public}
    return FIRST.signs_record(**(said | fields))


def next_of(
    member: Member,
    former: Member,
    version: int,
    recovery: SigningKey | None = None,
    **fields: object,
) -> evidence_pb2.SignedStatement:
    said = {"kind": "district", "recovery_key": RECOVERY.public, "record_version": version}
    return member.signs_exchange(former, recovery, **(said | fields))


EXCHANGED = (brought(first(), 0), brought(next_of(SECOND, FIRST, 2), 5))
RECOVERED = (brought(first(), 0), brought(next_of(SECOND, FIRST, 2, RECOVERY), 5))


def counts(history: KeyHistory, member: Member, day: float) -> bool:
    """Whether what the member's key signed counts where it was seen on that day."""
    return bool(history.signer_at(member.signing.key_id, NOW + day * DAY))


def test_an_exchange_leads_from_the_former_key_to_the_new_one() -> None:
    found = read_organization(organization(*EXCHANGED))

    assert found.signing_key == SECOND.signing.public
    assert found.anchored_key_ids == {FIRST.signing.key_id, SECOND.signing.key_id}
    assert [one.succession for one in found.keys.periods] == ["first", "exchanged"]
    assert found.standing is Standing.ACTIVE


def test_a_former_key_counts_while_it_stood_and_not_long_after() -> None:
    history = read_organization(organization(*EXCHANGED)).keys
    until = NOW + 5 * DAY + OVERLAP

    assert counts(history, FIRST, 0)
    assert history.signer_at(FIRST.signing.key_id, until - dt.timedelta(seconds=1))
    assert not history.signer_at(FIRST.signing.key_id, until)
    assert counts(history, SECOND, 5)
    assert not counts(history, THIEF, 1)


def test_a_recovered_name_leads_back_to_nothing() -> None:
    """Agreements name keys: what names one from before is signed anew, by every partner."""
    found = read_organization(organization(*RECOVERED))

    assert found.anchored_key_ids == {SECOND.signing.key_id}
    assert counts(found.keys, FIRST, 4.9)
    assert not counts(found.keys, FIRST, 5)
    assert found.standing is Standing.ACTIVE


@pytest.mark.parametrize(
    "records",
    [
        (brought(first(), 0), brought(SECOND.signs_record(kind="district", record_version=2), 5)),
        (brought(first(), 0), brought(next_of(SECOND, THIEF, 2), 5)),
        (brought(first(), 0), brought(next_of(SECOND, FIRST, 2, THIEF.signing), 5)),
        (brought(first(recovery_key=b""), 0), brought(next_of(SECOND, FIRST, 2, RECOVERY), 5)),
        (brought(first(), 5), brought(next_of(SECOND, FIRST, 2), 0)),
        (
            brought(first(), 0),
            brought(next_of(SECOND, FIRST, 2), 1),
            brought(next_of(FIRST, SECOND, 3), 2),
        ),
        (brought(first(), 0), brought(next_of(SECOND, FIRST, 2, recovery_key=b"\1" * 32), 5)),
    ],
    ids=[
        "no word of the key before",
        "another key's word",
        "another recovery key",
        "there was no recovery key",
        "out of their order",
        "a key that was given up",
        "another recovery key by the signing key alone",
    ],
)
def test_no_registry_puts_a_key_in_place_that_the_one_before_did_not_sign(
    records: Sequence[pb.KeyRecord],
) -> None:
    with pytest.raises(EvidenceInvalidError):
        read_organization(organization(*records))


def test_the_newest_record_is_of_the_last_keys() -> None:
    """An address may change under the same keys; a record of former keys is none of now."""
    moved = {"kind": "district", "recovery_key": RECOVERY.public, "record_version": 3}
    message = organization(*EXCHANGED)
    message.record.CopyFrom(SECOND.signs_record(**moved))
    assert read_organization(message).record_version == 3

    message.record.CopyFrom(FIRST.signs_record(**moved))
    with pytest.raises(EvidenceInvalidError):
        read_organization(message)


def test_a_registry_that_hides_an_exchange_is_not_believed() -> None:
    """Else the former key, which may be stolen, would have its word back."""
    histories, now = Histories(), read_organization(organization(*EXCHANGED))
    before = read_organization(organization(EXCHANGED[0]))

    assert list(histories.continued([before])) == ["anytown"]
    assert list(histories.continued([now])) == ["anytown"]
    assert histories.continued([before]) == {}
    assert list(histories.continued([now])) == ["anytown"]


def test_a_stolen_present_key_suspends_its_organization_until_it_has_recovered() -> None:
    stolen = brought(first(), 0, NOW + DAY)
    lost = read_organization(organization(stolen))
    assert lost.standing is Standing.SUSPENDED
    assert (counts(lost.keys, FIRST, 0.9), counts(lost.keys, FIRST, 1)) == (True, False)

    recovered = read_organization(organization(stolen, RECOVERED[1]))
    assert recovered.standing is Standing.ACTIVE
    assert not counts(recovered.keys, FIRST, 1)
    assert counts(recovered.keys, SECOND, 5)


def test_keys_that_a_thief_put_in_place_count_for_nothing_and_the_owner_comes_back() -> None:
    """The thief has no recovery key, and cannot put another in its place."""
    stolen = brought(first(), 0, NOW + DAY)
    taken = brought(next_of(THIEF, FIRST, 2), 2)
    assert read_organization(organization(stolen, taken)).standing is Standing.SUSPENDED

    own = brought(next_of(SECOND, THIEF, 3, RECOVERY), 3)
    found = read_organization(organization(stolen, taken, own))
    assert found.standing is Standing.ACTIVE
    assert not counts(found.keys, THIEF, 2.5)
    assert found.anchored_key_ids == {SECOND.signing.key_id}


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([Succession.EXCHANGED, Succession.RECOVERED, Succession.KEPT]),
            st.integers(0, 3),
        ),
        max_size=6,
    ),
    marks=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 20)), max_size=3),
    day=st.floats(0, 25),
)
def test_a_mark_can_only_narrow(
    steps: list[tuple[Succession, int]], marks: list[tuple[int, int]], day: float
) -> None:
    """Whatever becomes known as stolen: nothing counts that did not count before."""
    keys = [bytes([number]) * 32 for number in range(1, 9)]
    periods, at = [KeyPeriod(KeySet(keys[0], b"s"), since=NOW)], 0
    for how, days in steps:
        at += days
        former = periods[-1].keys.signing
        key = former if how is Succession.KEPT else keys[keys.index(former) + 1]
        periods.append(KeyPeriod(KeySet(key, b"s"), how, NOW + at * DAY))
    before = KeyHistory(tuple(periods))
    for place, since in marks:
        if place < len(periods):
            periods[place] = replace(periods[place], compromised_since=NOW + since * DAY)
    after, instant = KeyHistory(tuple(periods)), NOW + day * DAY

    assert set(after.signing_keys_at(instant)) <= set(before.signing_keys_at(instant))
    assert after.sound <= before.sound
    for one in periods:
        if one.compromised_since is not None:
            stolen = key_id_of(one.keys.signing)
            assert not after.signer_at(stolen, max(instant, one.compromised_since))


@given(
    signed_at=st.integers(0, 5),
    heads=st.lists(st.one_of(st.none(), st.integers(0, 5)), min_size=1, max_size=3),
)
def test_a_former_key_proves_only_what_every_later_record_stands_by(
    signed_at: int, heads: list[int | None]
) -> None:
    """A statement put into a history afterwards, with a stolen key, counts for nobody."""
    digests = [bytes([number]) * 32 for number in range(6)]
    periods = [KeyPeriod(KeySet(b"\1" * 32, b"s"))]
    for number, head in enumerate(heads, start=2):
        named = {} if head is None else {"A-1": digests[head]}
        periods.append(
            KeyPeriod(KeySet(bytes([number]) * 32, b"s"), Succession.EXCHANGED, heads=named)
        )
    history = KeyHistory(tuple(periods))
    stands = all(head is not None and head >= signed_at for head in heads)

    assert bool(history.stands_by(key_id_of(b"\1" * 32), "A-1", digests, signed_at)) is stands
    present = key_id_of(periods[-1].keys.signing)
    assert history.stands_by(present, "A-1", digests, signed_at)
    assert not history.stands_by(key_id_of(b"\1" * 32), "A-2", digests, signed_at)


def test_a_checkpoint_key_counts_while_it_stood() -> None:
    periods = [
        KeyPeriod(
            KeySet(b"k", b"s", checkpoint),
            Succession.KEPT if day else Succession.FIRST,
            NOW + day * DAY,
        )
        for day, checkpoint in enumerate([b"one", b"two", b"two", b"three"])
    ]
    history = KeyHistory(tuple(periods))

    assert history.checkpoint_keys_at(NOW + 0.5 * DAY) == (b"three", b"two", b"one")
    assert history.checkpoint_keys_at(NOW + 2 * DAY) == (b"three", b"two")
    assert history.checkpoint_keys_at(NOW + 4 * DAY) == (b"three",)
