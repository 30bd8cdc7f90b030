"""The day by which an answer is destroyed: never none, and whatever is added moves it forward."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.agreement import AgreementDocument
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.cli.destruction_due import RULE_TEXT
from homeroom.destruction import (
    DestructionTerms,
    Due,
    DueRule,
    Received,
    due_of_answer,
    due_of_consent,
    terms_of_answer,
)
from homeroom.federation import KnownAgreement
from homeroom.histories import Histories
from homeroom.lifecycle import Ending
from homeroom.vocabulary import Basis
from tests.histories import add, signed_by_all
from tests.organizations import Member, document_of, organization_of

HARBOR, HELPERS, OTHER = (Member.new(name) for name in ("harbor", "helpers", "other"))
PARTIES = [HARBOR, HELPERS, OTHER]
KNOWN = {member.organization_id: organization_of(member) for member in PARTIES}
END = dt.date(2027, 6, 30)
GIVEN = dt.date(2026, 11, 2)
RECEIVED = Received("harbor", "helpers", "A-1", 1, Basis.CONSENT, GIVEN)

days = st.dates(dt.date(2026, 1, 1), dt.date(2030, 1, 1))
some_days = st.one_of(st.none(), days)
numbers = st.one_of(st.none(), st.integers(0, 400))
terms = st.builds(
    DestructionTerms,
    ends_on=days,
    has_clause=st.booleans(),
    deadline=some_days,
    within_days_of_end=numbers,
    certificate_within_days=numbers,
    on_revocation=st.sampled_from([None, "destroy", "return", "keep_until_deadline"]),
)
versions = st.lists(terms, min_size=1, max_size=3)


def day(found: Due | None) -> dt.date:
    assert found is not None
    return found.day


def agreement(*clauses: Mapping[str, Any], **fields: Any) -> KnownAgreement:
    """Harbor's agreement, a version for each set of clauses, signed by all."""
    history: pb.Agreement | None = None
    before: AgreementDocument | None = None
    for number, said in enumerate(clauses, start=1):
        changed = {
            **document_of(PARTIES).model_dump(mode="json"),
            "agreement_id": "A-1",
            "effective_to": END.isoformat(),
            "version": number,
            "supersedes": before.digest if before else None,
            "clauses": dict(said),
            **fields,
        }
        before = AgreementDocument.model_validate(changed)
        history = signed_by_all(before, [member.signer for member in PARTIES], history)
    assert history is not None
    return read(history)


def read(history: pb.Agreement) -> KnownAgreement:
    return Histories().read([history], KNOWN)[history.agreement_id]


def due_under(known: KnownAgreement | None, **changed: Any) -> Due | None:
    received = replace(RECEIVED, **changed)
    return due_of_answer(received, terms_of_answer(received, known))


@given(versions, days, st.sampled_from(list(Basis)))
def test_an_answer_is_never_due_before_it_was_given_nor_certified_before_it_is_due(
    said: Sequence[DestructionTerms], given_on: dt.date, basis: Basis
) -> None:
    due = due_of_answer(replace(RECEIVED, on=given_on, basis=basis), said)

    assert due is None or given_on <= due.day <= due.certificate_by


@given(versions, terms)
def test_a_later_version_only_moves_the_day_forward(
    said: Sequence[DestructionTerms], later: DestructionTerms
) -> None:
    before, after = due_of_answer(RECEIVED, said), due_of_answer(RECEIVED, [*said, later])

    assert before is not None
    assert after is not None
    assert after.day <= before.day
    assert after.certificate_by <= before.certificate_by


@given(terms, days)
def test_an_earlier_end_only_moves_the_day_forward(said: DestructionTerms, end: dt.date) -> None:
    earlier = replace(said, ends_on=min(said.ends_on, end))

    assert day(due_of_answer(RECEIVED, [earlier])) <= day(due_of_answer(RECEIVED, [said]))


@given(terms, days, st.integers(0, 400))
def test_a_stricter_clause_only_moves_the_day_forward(
    said: DestructionTerms, deadline: dt.date, within: int
) -> None:
    """A clause that names a day names an earlier one, or one of both more."""
    if said.deadline is None and said.within_days_of_end is None:
        deadline, within = min(deadline, said.ends_on), 0
    stricter = replace(
        said,
        deadline=min(deadline, said.deadline or deadline),
        within_days_of_end=min(
            within, within if said.within_days_of_end is None else said.within_days_of_end
        ),
    )

    assert day(due_of_answer(RECEIVED, [stricter])) <= day(due_of_answer(RECEIVED, [said]))


@given(versions, days)
def test_a_revocation_only_moves_the_day_forward(
    said: Sequence[DestructionTerms], revoked_on: dt.date
) -> None:
    """For what that consent let leave, and not before it was revoked."""
    whole = due_of_answer(RECEIVED, said)
    assert whole is not None

    part = due_of_consent(RECEIVED, whole, said, revoked_on)

    assert part.day <= whole.day
    assert part.day <= part.certificate_by <= whole.certificate_by
    assert part == whole or part.day >= revoked_on
    if not all(one.on_revocation == "keep_until_deadline" for one in said):
        assert part.day == min(whole.day, max(revoked_on, GIVEN))


def test_the_clause_names_the_day_and_the_first_of_two_counts() -> None:
    after_end = {"destruction": {"within_days_of_end": 60, "certificate_within_days": 10}}
    both = {"destruction": {"within_days_of_end": 60, "deadline": "2027-01-31"}}

    assert due_under(agreement(after_end)) == Due(
        dt.date(2027, 8, 29), dt.date(2027, 9, 8), DueRule.DAYS_AFTER_END
    )
    assert due_under(agreement(both)) == Due(
        dt.date(2027, 1, 31), dt.date(2027, 1, 31), DueRule.DEADLINE
    )


@pytest.mark.parametrize("clauses", [{}, {"destruction": {"when_no_longer_needed": True}}])
def test_without_a_day_the_agreements_end_counts(clauses: Mapping[str, Any]) -> None:
    """Its purpose ends with it."""
    assert due_under(agreement(clauses)) == Due(END, END, DueRule.AGREEMENT_END)


def test_a_study_ends_before_its_agreement() -> None:
    """34 CFR 99.31(a)(6)(iii)(C)(4): destroyed when no longer needed for the study."""
    study = {
        "scope": "one year",
        "aim": "improve_instruction",
        "on_behalf_of": "harbor",
        "ends_on": "2027-01-31",
    }
    said = agreement({"study": study, "destruction": {"within_days_of_end": 30}})

    assert day(due_under(said)) == dt.date(2027, 3, 2)


@pytest.mark.parametrize(
    ("ending", "moves"),
    [
        ((HELPERS, False), True),
        ((HARBOR, False), True),
        ((OTHER, True), True),
        ((OTHER, False), False),
    ],
)
def test_who_ends_the_agreement_moves_the_day_of_those_it_concerns(
    ending: tuple[Member, bool], moves: bool
) -> None:
    """One of both, or anyone the whole; a third party's own end changes nothing between them."""
    who, whole = ending
    made = AgreementDocument.model_validate(
        {
            **document_of(PARTIES).model_dump(mode="json"),
            "agreement_id": "A-1",
            "effective_to": "2099-06-30",
            "clauses": {"destruction": {"within_days_of_end": 60}},
            "termination": {"by_one_party": "whole"},
        }
    )
    history = signed_by_all(made, [member.signer for member in PARTIES])
    add(history, who.signer, Ending(whole=whole))
    ended = max(dt.datetime.now(dt.UTC).date(), GIVEN) + dt.timedelta(days=60)

    found = day(due_under(read(history)))

    assert abs(found - ended) <= dt.timedelta(days=1) if moves else found.year == 2099


def test_a_renewal_does_not_prolong_what_left_before_it() -> None:
    """What left under the first version keeps its day; a stricter version moves it forward."""
    first, longer, stricter = (
        {"destruction": {"deadline": deadline}}
        for deadline in ("2027-08-01", "2029-08-01", "2027-02-01")
    )

    assert day(due_under(agreement(first, longer))) == dt.date(2027, 8, 1)
    assert day(due_under(agreement(first, longer), agreement_version=2)) == dt.date(2029, 8, 1)
    assert day(due_under(agreement(first, stricter))) == dt.date(2027, 2, 1)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({}, DueRule.TERMS_UNKNOWN),
        ({"basis": ""}, DueRule.TERMS_UNKNOWN),
        ({"agreement_id": "", "agreement_version": 0}, DueRule.NO_AGREEMENT),
        ({"agreement_id": "", "basis": Basis.EMERGENCY}, DueRule.NO_AGREEMENT),
    ],
)
def test_what_nothing_lets_be_kept_is_due_at_once(
    changed: Mapping[str, Any], rule: DueRule
) -> None:
    """An agreement that the registry does not show, a question that was lost: never no day."""
    assert due_under(None, **changed) == Due(GIVEN, GIVEN, rule)


def test_a_version_that_was_never_agreed_is_not_known() -> None:
    assert due_under(agreement({}), agreement_version=2) == Due(GIVEN, GIVEN, DueRule.TERMS_UNKNOWN)


def test_what_becomes_the_recipients_own_is_not_owed_unless_agreed() -> None:
    """A student who moved: the records are the new school's (34 CFR 99.31(a)(2))."""
    unknown = {"agreement_id": "", "agreement_version": 0, "basis": Basis.TRANSFER}
    agreed = agreement({"destruction": {"within_days_of_end": 0}})

    assert due_under(None, **unknown) is None
    assert due_under(agreed, basis=Basis.TRANSFER) == Due(END, END, DueRule.DAYS_AFTER_END)


def test_the_last_day_there_is_has_no_day_after_it() -> None:
    said = DestructionTerms(dt.date.max, has_clause=True, within_days_of_end=60)

    assert day(due_of_answer(RECEIVED, [said])) == dt.date.max


def test_every_rule_is_told_in_words() -> None:
    assert set(RULE_TEXT) == set(DueRule)
