"""Who may send word about consents, and to whom a partial withdrawal has to go."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.consent_log import ChangeKind, LogEntry
from homeroom.errors import (
    EvidenceInvalidError,
    NotPermittedError,
    RequestInvalidError,
    TooMuchAskedError,
)
from homeroom.federation import Standing
from services.consent.domain.notices import (
    MAX_NOTICE_BYTES,
    Notice,
    Parties,
    SealedNotice,
    require_narrowable,
    require_own_notice,
)
from tests.unit.consent.federation import state_of

CONSENT_ID = "ab" * 16
PARTIES = Parties("helpers", "anytown", frozenset({"helpers", "anytown", "shelter"}))


def narrowing(*readers: str, by: str = "shelter") -> Notice:
    sealed = tuple(SealedNotice(reader, b"sealed") for reader in readers)
    return Notice(ChangeKind.NARROWED, CONSENT_ID, by, sealed)


WHOLE = narrowing("helpers", "anytown", "shelter")


@pytest.mark.parametrize("standing", list(Standing), ids=str)
def test_a_known_organization_is_heard_whatever_its_standing(standing: Standing) -> None:
    """A family that told a suspended organization has still told it."""
    require_own_notice(WHOLE, state_of(standing), "shelter")


def test_nobody_speaks_for_another_and_no_stranger_is_heard() -> None:
    for caller in ("anytown", "stranger"):
        with pytest.raises(NotPermittedError):
            require_own_notice(WHOLE, state_of(), caller)
    with pytest.raises(NotPermittedError):
        require_own_notice(replace(WHOLE, organization_id="stranger"), state_of(), "stranger")


@pytest.mark.parametrize(
    "notices",
    [
        (),
        (SealedNotice("anytown", b""),),
        (SealedNotice("unknown", b"s"),),
        (SealedNotice("anytown", b"s"), SealedNotice("anytown", b"t")),
    ],
)
def test_a_notice_that_is_not_well_formed_is_refused(notices: tuple[SealedNotice, ...]) -> None:
    with pytest.raises(RequestInvalidError):
        require_own_notice(replace(WHOLE, notices=notices), state_of(), "shelter")


def test_a_notice_is_bounded() -> None:
    large = (SealedNotice("anytown", bytes(MAX_NOTICE_BYTES + 1)),)
    many = tuple(SealedNotice(f"org_{number}", b"s") for number in range(103))
    for notices in (large, many):
        with pytest.raises(TooMuchAskedError):
            require_own_notice(replace(WHOLE, notices=notices), state_of(), "shelter")
    fits = (SealedNotice("anytown", bytes(MAX_NOTICE_BYTES)),)
    require_own_notice(replace(WHOLE, notices=fits), state_of(), "shelter")


@given(
    st.sets(st.sampled_from(["helpers", "anytown", "shelter", "other"])),
    st.sampled_from(["helpers", "anytown", "shelter", "other"]),
)
def test_a_partial_withdrawal_comes_from_and_goes_to_whom_the_consent_concerns(
    readers: set[str], by: str
) -> None:
    notice = narrowing(*readers, by=by)
    if by == "other":
        with pytest.raises(NotPermittedError):
            require_narrowable(notice, PARTIES)
    elif {"helpers", "anytown"} <= readers and "other" not in readers:
        require_narrowable(notice, PARTIES)
    else:
        with pytest.raises(RequestInvalidError):
            require_narrowable(notice, PARTIES)


def test_a_consent_that_is_not_there_looks_like_one_that_concerns_others() -> None:
    told = []
    for notice, parties in ((WHOLE, None), (replace(WHOLE, organization_id="other"), PARTIES)):
        with pytest.raises(NotPermittedError) as refused:
            require_narrowable(notice, parties)
        told.append((refused.value.message, refused.value.metadata))

    assert told[0] == told[1]


ENTRIES = st.builds(
    LogEntry,
    st.integers(1, 2**53),
    st.sampled_from(ChangeKind),
    st.binary(min_size=16, max_size=16).map(bytes.hex),
    st.sampled_from(["helpers", "anytown"]),
    st.binary(min_size=32, max_size=32),
)


@given(ENTRIES)
def test_an_entry_of_the_log_is_read_as_it_was_written(entry: LogEntry) -> None:
    assert LogEntry.decode(entry.encode()) == entry


@given(ENTRIES, ENTRIES)
def test_other_entries_are_other_leaves(one: LogEntry, other: LogEntry) -> None:
    assert (one.leaf() == other.leaf()) is (one == other)


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"[]",
        b"7",
        b"{}",
        b"\xff",
        b'{"consent_id":"","digest":"zz","kind":"recorded","organization_id":"a","sequence":1}',
        b'{"consent_id":"","digest":"00","kind":"melted","organization_id":"a","sequence":1}',
        b'{"consent_id":"","digest":"00","kind":"recorded","organization_id":"a","sequence":"1"}',
        b'{"consent_id":"","digest":"00","kind":"recorded","organization_id":"a", "sequence":1}',
        b'{"a":1,"consent_id":"","digest":"00","kind":"recorded","organization_id":"a","sequence":1}',
    ],
)
def test_an_entry_in_another_form_is_none(written: bytes) -> None:
    with pytest.raises(EvidenceInvalidError):
        LogEntry.decode(written)
