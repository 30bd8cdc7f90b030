"""The disclosure record: which laws ask a holder to write a request down (34 CFR 99.32)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.vocabulary import Basis, Element, ReasonCode
from services.node.domain.register import (
    Decided,
    Keeping,
    RecordedEvent,
    Regime,
    Requested,
    record_of,
)

DISTRICT = Keeping(ferpa_covered=True, jurisdiction="MA")
SHELTER = Keeping(ferpa_covered=False, jurisdiction="MA")
ASKED = Requested(
    requester="helpers",
    user_id="u1",
    role="case_manager",
    purpose="direct_service",
    ground=Basis.CONSENT,
    elements=(Element.DAILY_ATTENDANCE, Element.IEP),
)
ALL = Decided(frozenset(ASKED.elements), whole=True, reasons=(ReasonCode.PERMITTED_BY_CONSENT,))
SOME = Decided(frozenset({Element.DAILY_ATTENDANCE}), whole=False, reasons=())
NONE = Decided(frozenset(), whole=False, reasons=(ReasonCode.CONSENT_REVOKED,))

keepings = st.builds(Keeping, st.booleans(), st.sampled_from(["", "MA", "WA"]))
requests = st.builds(
    lambda basis, rows: replace(ASKED, ground=basis, about_students=rows),
    st.sampled_from(Basis),
    st.booleans(),
)
decisions = st.sampled_from(
    [ALL, SOME, NONE, replace(ALL, secret=True), replace(NONE, secret=True)]
)


@pytest.mark.parametrize(
    ("basis", "decided", "asked_for"),
    [
        (Basis.CONSENT, ALL, False),  # 99.32(d)(3): a party with written consent
        (Basis.CONSENT, SOME, True),
        (Basis.CONSENT, NONE, True),
        (Basis.SCHOOL_OFFICIAL, ALL, False),  # (d)(2)
        (Basis.SCHOOL_OFFICIAL, SOME, True),
        (Basis.DIRECTORY_INFORMATION, ALL, False),  # (d)(4)
        (Basis.DIRECTORY_INFORMATION, NONE, True),
        (Basis.PARENT_OR_STUDENT_ACCESS, SOME, False),  # (d)(1): what is withheld is another's
        (Basis.PARENT_OR_STUDENT_ACCESS, NONE, True),
        (Basis.TRANSFER, ALL, True),
        (Basis.CHILD_WELFARE, ALL, True),
        (Basis.JUDICIAL_ORDER, ALL, True),
        (Basis.JUDICIAL_ORDER, replace(ALL, secret=True), False),  # (d)(5)
        (Basis.JUDICIAL_ORDER, replace(NONE, secret=True), True),
        (Basis.AGGREGATE, SOME, False),
        (Basis.DEIDENTIFIED, ALL, False),
        (Basis.DEIDENTIFIED, NONE, True),
    ],
)
def test_ferpa_asks_for_a_record_of_each_request_that_it_does_not_exempt(
    basis: Basis, decided: Decided, asked_for: bool
) -> None:
    record = record_of(DISTRICT, replace(ASKED, ground=basis), decided)

    assert (Regime.FERPA in record.regimes) is asked_for


def test_massachusetts_asks_for_whoever_got_access_with_consent_or_without() -> None:
    """603 CMR 23.07(1): of what was refused there is nothing to log."""
    assert Regime.MASSACHUSETTS in record_of(DISTRICT, ASKED, ALL).regimes
    assert Regime.MASSACHUSETTS not in record_of(DISTRICT, ASKED, NONE).regimes
    assert Regime.MASSACHUSETTS not in record_of(Keeping(jurisdiction="WA"), ASKED, ALL).regimes


def test_idea_asks_for_whoever_got_part_b_records_but_not_for_families() -> None:
    """34 CFR 300.614."""
    family = replace(ASKED, ground=Basis.PARENT_OR_STUDENT_ACCESS)

    assert Regime.IDEA in record_of(DISTRICT, ASKED, ALL).regimes
    assert Regime.IDEA not in record_of(DISTRICT, ASKED, SOME).regimes
    assert Regime.IDEA not in record_of(DISTRICT, family, ALL).regimes


def test_an_entry_says_whether_anything_may_have_left() -> None:
    decision_only = replace(ASKED, decision_only=True)

    assert record_of(DISTRICT, ASKED, NONE).event is RecordedEvent.REQUEST_REFUSED
    assert record_of(DISTRICT, ASKED, SOME).event is RecordedEvent.DISCLOSURE
    assert record_of(DISTRICT, decision_only, ALL).event is RecordedEvent.REQUEST
    assert record_of(DISTRICT, decision_only, NONE).event is RecordedEvent.REQUEST_REFUSED


@pytest.mark.parametrize("basis", [Basis.AGGREGATE, Basis.DEIDENTIFIED])
def test_what_names_nobody_is_an_answer_and_no_disclosure(basis: Basis) -> None:
    counts = replace(ASKED, ground=basis, about_students=False)

    assert record_of(DISTRICT, counts, ALL).event is RecordedEvent.UNNAMED_ANSWER
    assert record_of(DISTRICT, counts, ALL).regimes == frozenset()
    assert record_of(DISTRICT, counts, NONE).event is RecordedEvent.REQUEST_REFUSED


def test_asking_for_the_decision_alone_is_a_request_of_which_nothing_left() -> None:
    """A request is recorded (99.32(a)(1)); a log of who got access has nobody to name."""
    partly = replace(ALL, whole=False)
    record = record_of(DISTRICT, replace(ASKED, decision_only=True), partly)

    assert record.decided.released == frozenset()
    assert record.regimes == {Regime.FERPA}


@given(keepings, requests, decisions)
def test_no_law_asks_a_holder_that_keeps_no_education_records(
    keeping: Keeping, requested: Requested, decided: Decided
) -> None:
    outside = replace(keeping, ferpa_covered=False)

    assert record_of(outside, requested, decided).regimes == frozenset()


@given(keepings, requests, decisions)
def test_what_is_not_wholly_permitted_is_recorded_at_least_as_much(
    keeping: Keeping, requested: Requested, decided: Decided
) -> None:
    """Whoever asks for more than the ground gives is not exempted by the ground."""
    partly = replace(decided, whole=False)
    more = record_of(keeping, requested, partly).regimes

    assert more >= record_of(keeping, requested, decided).regimes
