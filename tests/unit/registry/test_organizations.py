"""How organizations register and are admitted."""

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.api.common.v1.evidence_pb2 import SignedStatement
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.errors import (
    AlreadyRecordedError,
    ChangedMeanwhileError,
    EvidenceInvalidError,
    NotPermittedError,
    RequestInvalidError,
    TooMuchAskedError,
)
from homeroom.federation import ClassMembership, Standing
from homeroom.key_history import Succession
from homeroom.signing import SigningKey
from homeroom.snapshot import read_organization
from services.registry.domain.organizations import (
    RegisteredOrganization,
    exchanges,
    mark_compromised,
    register,
    require_record_size,
    set_classes,
    set_standing,
)
from services.registry.domain.statements import Signature, Statement
from tests.organizations import NOW, Member

ANYTOWN = Member.new("anytown")
RECOVERY = SigningKey.generate()
LATER = NOW + dt.timedelta(days=1)


def sent(
    known: RegisteredOrganization | None,
    version: int,
    member: Member = ANYTOWN,
    address: str = "",
    at: dt.datetime = LATER,
) -> RegisteredOrganization:
    """What the organization is after it sent a record of that version."""
    evidence = member.record(version, node_address=address)
    described = read_organization(pb.Organization(organization_id="anytown", record=evidence))
    return register(known, described, statement_of(evidence), at)


def statement_of(evidence: SignedStatement) -> Statement:
    signatures = tuple(
        Signature(one.organization_id, one.key_id, one.signature) for one in evidence.signatures
    )
    return Statement(evidence.statement, signatures)


def exchanged(
    known: RegisteredOrganization | None, successor: Member, recovery: SigningKey | None = None
) -> RegisteredOrganization:
    """What Anytown is with the successor's keys, which its own key or a recovery key proves."""
    evidence = successor.signs_exchange(
        ANYTOWN, recovery, kind="district", record_version=2, recovery_key=RECOVERY.public
    )
    described = read_organization(pb.Organization(organization_id="anytown", record=evidence))
    return register(known, described, statement_of(evidence), LATER, sequence=7)


def with_recovery() -> RegisteredOrganization:
    evidence = ANYTOWN.record(1, recovery_key=RECOVERY.public)
    described = read_organization(pb.Organization(organization_id="anytown", record=evidence))
    return register(None, described, statement_of(evidence), NOW, sequence=1)


def test_a_first_record_waits_for_the_operator() -> None:
    registered = sent(None, 1, at=NOW)

    assert registered.standing is Standing.PENDING
    assert registered.standing_time == NOW
    assert registered.signing_key == ANYTOWN.signing.public


def test_a_new_record_keeps_the_standing() -> None:
    admitted = set_standing(sent(None, 1), Standing.ACTIVE, NOW)

    moved = sent(admitted, 2, address="127.0.0.1:1")
    assert (moved.standing, moved.standing_time) == (Standing.ACTIVE, NOW)
    assert moved.record != admitted.record


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8))
def test_records_only_ever_grow_in_version(versions: list[int]) -> None:
    """In whatever order records arrive, the one with the highest version stands."""
    known: RegisteredOrganization | None = None
    for version in versions:
        try:
            known = sent(known, version)
        except ChangedMeanwhileError:
            assert known is not None
            assert version < known.record_version

    assert known is not None
    assert known.record_version == max(versions)


def test_the_same_record_again_changes_nothing() -> None:
    known = sent(None, 1)

    assert sent(known, 1) is known


def test_one_version_has_one_content() -> None:
    with pytest.raises(AlreadyRecordedError):
        sent(sent(None, 1), 1, address="127.0.0.1:1")


def test_another_key_does_not_take_an_organizations_place() -> None:
    with pytest.raises(EvidenceInvalidError):
        sent(sent(None, 1), 2, Member.new("anytown"))


def test_nobody_else_signs_an_organizations_record() -> None:
    evidence = ANYTOWN.record(1)
    described = read_organization(pb.Organization(organization_id="anytown", record=evidence))
    one = evidence.signatures[0]
    own = Signature(one.organization_id, one.key_id, one.signature)

    for signatures in ((), (own, own), (replace(own, organization_id="other"),)):
        with pytest.raises(EvidenceInvalidError):
            register(None, described, Statement(evidence.statement, signatures), NOW)


def test_a_version_fits_every_database() -> None:
    assert sent(None, 2**63 - 1).record_version == 2**63 - 1
    with pytest.raises(RequestInvalidError):
        sent(None, 2**63)


def test_only_standings_that_the_operator_gives_can_be_set() -> None:
    known = sent(None, 1)

    for standing in (Standing.UNKNOWN, Standing.PENDING):
        with pytest.raises(RequestInvalidError):
            set_standing(known, standing, NOW)
    for standing in (Standing.ACTIVE, Standing.SUSPENDED, Standing.DEBARRED):
        assert set_standing(known, standing, NOW).standing is standing


def test_a_bar_may_have_a_last_day_and_nothing_else_has_one() -> None:
    """34 CFR 99.67: five years or more, after which it is over without anybody's word."""
    known, last = sent(None, 1), dt.date(2031, 6, 30)
    barred = set_standing(known, Standing.DEBARRED, NOW, last)

    assert (barred.standing, barred.debarred_until) == (Standing.DEBARRED, last)
    assert set_standing(barred, Standing.DEBARRED, LATER, last) is barred
    assert set_standing(barred, Standing.DEBARRED, LATER).debarred_until is None
    assert set_standing(barred, Standing.ACTIVE, LATER).debarred_until is None
    with pytest.raises(RequestInvalidError):
        set_standing(known, Standing.SUSPENDED, NOW, last)


def test_the_same_standing_again_changes_nothing() -> None:
    admitted = set_standing(sent(None, 1), Standing.ACTIVE, NOW)

    assert set_standing(admitted, Standing.ACTIVE, LATER) is admitted


def test_an_organization_that_is_not_registered_has_no_standing() -> None:
    with pytest.raises(NotPermittedError):
        set_standing(None, Standing.ACTIVE, NOW)


def test_classes_are_given_to_the_registered_alone_and_not_without_limit() -> None:
    mentors = ClassMembership("mentors", NOW.date())
    given = set_classes(sent(None, 1), (mentors,))

    assert given.classes == (mentors,)
    assert set_classes(given, (mentors,)) is given
    with pytest.raises(NotPermittedError):
        set_classes(None, ())
    with pytest.raises(TooMuchAskedError):
        set_classes(given, (mentors,) * 201)


def test_a_record_is_small_enough_for_everyone_to_keep() -> None:
    require_record_size(bytes(64 * 1024))
    with pytest.raises(TooMuchAskedError):
        require_record_size(bytes(64 * 1024 + 1))


def test_a_key_takes_anothers_place_by_that_ones_own_word() -> None:
    """The registry keeps both records, and from when on the second stood."""
    known, successor = with_recovery(), Member.new("anytown")
    changed = exchanged(known, successor)

    assert changed.signing_key == successor.signing.public
    assert exchanges(known, changed)
    before, after = (one.period for one in changed.key_records)
    assert (before.since, before.sequence) == (NOW, 1)
    assert (after.since, after.sequence, after.succession) == (LATER, 7, Succession.EXCHANGED)
    assert exchanged(changed, successor).key_records[1:] == changed.key_records[1:]


def test_a_recovery_key_proves_a_record_where_the_former_key_cannot() -> None:
    known, successor = with_recovery(), Member.new("anytown")
    changed = exchanged(known, successor, RECOVERY)

    assert changed.keys.present.succession is Succession.RECOVERED
    assert not exchanges(known, changed)
    for nobody in (SigningKey.generate(), successor.signing):
        with pytest.raises(EvidenceInvalidError):
            exchanged(known, successor, nobody)


def test_a_mark_on_a_key_moves_back_and_never_forward() -> None:
    known, own = with_recovery(), ANYTOWN.signing.key_id
    marked = mark_compromised(known, own, LATER)

    assert marked.keys.present.compromised_since == LATER
    assert mark_compromised(marked, own, LATER + dt.timedelta(days=1)) is marked
    assert mark_compromised(marked, own, NOW).keys.present.compromised_since == NOW
    with pytest.raises(RequestInvalidError):
        mark_compromised(known, "0" * 64, NOW)
    with pytest.raises(NotPermittedError):
        mark_compromised(None, own, NOW)


def test_after_a_theft_nothing_but_a_recovery_brings_a_new_record() -> None:
    """Whoever has the key would else put another issuer, address or key into the record."""
    marked = mark_compromised(with_recovery(), ANYTOWN.signing.key_id, NOW)

    with pytest.raises(NotPermittedError):
        exchanged(marked, Member.new("anytown"))
    elsewhere = ANYTOWN.record(2, node_address="thief:1", recovery_key=RECOVERY.public)
    described = read_organization(pb.Organization(organization_id="anytown", record=elsewhere))
    with pytest.raises(NotPermittedError):
        register(marked, described, statement_of(elsewhere), LATER)
    recovered = exchanged(marked, Member.new("anytown"), RECOVERY)
    assert recovered.keys.sound


def test_keys_are_not_exchanged_without_limit_and_always_recovered() -> None:
    """Everyone keeps a copy of every record; a thief must not use up the owner's way back."""
    known = with_recovery()
    full = replace(known, key_records=known.key_records * 100)

    with pytest.raises(TooMuchAskedError):
        exchanged(full, Member.new("anytown"))
    assert len(exchanged(full, Member.new("anytown"), RECOVERY).key_records) == 101
