"""What may follow what in an agreement's life, and what stands after it."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from homeroom.errors import ChangedMeanwhileError, NotPermittedError, RequestInvalidError
from homeroom.lifecycle import (
    Action,
    AgreementHistory,
    AgreementState,
    Ending,
    Joining,
    JoiningCountersignature,
    Proposal,
    Signature,
    Statement,
    Submitted,
    Suspension,
    Terms,
    advance,
)
from tests.unit.lifecycle.model import NAME, NOW, PRINT, terms
from tests.unit.lifecycle.walk import Life


def test_whatever_anyone_says_only_what_may_follow_counts() -> None:
    """No walk makes the rules and the model differ, nor a refusal change anything."""
    walks = settings(max_examples=100, stateful_step_count=40, deadline=None)
    run_state_machine_as_test(Life, settings=walks)


def test_a_suspension_holds_across_a_new_version() -> None:
    """What one party suspended is not resumed by another's last signature on an amendment."""
    parties = frozenset({"anytown", "helpers"})
    first = terms(1, parties, None, one_ends_all=False)
    second = terms(2, parties, first.digest, one_ends_all=True)
    history = AgreementHistory(NAME)
    for who, action, version, offered in (
        ("anytown", Proposal(first.digest, PRINT), 1, first),
        ("helpers", Signature(first.digest, PRINT), 1, None),
        ("anytown", Proposal(second.digest, PRINT), 2, second),
        ("anytown", Suspension("breach"), 1, None),
        ("helpers", Signature(second.digest, PRINT), 2, None),
    ):
        digest = hashlib.sha256(repr((who, action)).encode()).digest()
        said = Statement(NAME, version, who, NOW, history.head, action, digest)
        history = advance(history, Submitted(said, offered))

    assert history.state(2) == (AgreementState.SUSPENDED, None)
    assert replace(history, suspended_by=frozenset()).state(2) == (AgreementState.ACTIVE, None)


def told(*said: tuple[str, Action, int, Terms | None]) -> AgreementHistory:
    """The history of statements that may all follow."""
    history = AgreementHistory(NAME)
    for who, action, version, offered in said:
        digest = hashlib.sha256(history.head + repr((who, action)).encode()).digest()
        statement = Statement(NAME, version, who, NOW, history.head, action, digest)
        history = advance(history, Submitted(statement, offered))
    return history


THREE = frozenset({"anytown", "riverton", "helpers"})
FIRST = terms(1, THREE, None, one_ends_all=False)
SECOND = terms(2, THREE, FIRST.digest, one_ends_all=False)
AGREED = (
    ("anytown", Proposal(FIRST.digest, PRINT), 1, FIRST),
    ("riverton", Signature(FIRST.digest, PRINT), 1, None),
    ("helpers", Signature(FIRST.digest, PRINT), 1, None),
)
JOINING = Joining(
    document_digest=FIRST.digest,
    rendering_digest=PRINT,
    kind="community_org",
    purposes=("direct_service",),
    schools={"anytown": ("E1",), "riverton": "all"},
    signing_key_id="",
    sealing_key_id="",
    signatory_name="",
    signatory_title="",
)


def test_who_leaves_does_not_come_back_by_what_it_signed_before() -> None:
    """An amendment that a party signed before it ended its part waits for it to sign again."""
    left = told(
        *AGREED,
        ("riverton", Proposal(SECOND.digest, PRINT), 2, SECOND),
        ("anytown", Signature(SECOND.digest, PRINT), 2, None),
        ("riverton", Ending(), 1, None),
        ("helpers", Signature(SECOND.digest, PRINT), 2, None),
    )

    assert left.proposed is not None
    assert left.proposed.signed_by == {"anytown", "helpers"}
    assert not left.takes_part("riverton")
    assert left.takes_part("anytown", "helpers")


def test_a_party_is_left_out_of_an_amendment_only_once_it_has_ended_its_part() -> None:
    """Else two of three could end the third's agreement by a newer version."""
    without = terms(2, THREE - {"riverton"}, FIRST.digest, one_ends_all=False)
    offer = ("anytown", Proposal(without.digest, PRINT), 2, without)

    with pytest.raises(RequestInvalidError):
        told(*AGREED, offer)
    assert told(*AGREED, ("riverton", Ending(), 1, None), offer).proposed is not None


def test_a_joiner_that_has_left_gets_no_more_countersignatures() -> None:
    """It may join again; then every holder countersigns anew."""
    joined = (*AGREED, ("shelter", JOINING, 1, None))
    digest = told(*joined).head
    opened = (*joined, ("anytown", JoiningCountersignature(digest), 1, None))
    left = (*opened, ("shelter", Ending(), 1, None))

    assert told(*opened).takes_part("anytown", "shelter")
    assert not told(*left).takes_part("shelter")
    with pytest.raises(ChangedMeanwhileError):
        told(*left, ("riverton", JoiningCountersignature(digest), 1, None))
    again = told(*left, ("shelter", JOINING, 1, None)).joiner("shelter")
    assert again is not None
    assert again.countersigned_by == frozenset()


def test_only_a_holder_that_the_joining_names_countersigns_it_once() -> None:
    joined = (*AGREED, ("shelter", JOINING, 1, None))
    digest = told(*joined).head
    signature = JoiningCountersignature(digest)
    for who in ("helpers", "shelter"):
        with pytest.raises(RequestInvalidError):
            told(*joined, (who, signature, 1, None))
    with pytest.raises(NotPermittedError):
        told(*joined, ("tutors", signature, 1, None))
    with pytest.raises(RequestInvalidError):
        told(*joined, *(("anytown", signature, 1, None),) * 2)


def test_one_party_ends_all_only_where_the_document_lets_it_or_two_are_left() -> None:
    alone = terms(1, THREE, None, one_ends_all=True)
    lets = [
        (who, type(action)(alone.digest, PRINT), number, alone if offered else None)
        for who, action, number, offered in AGREED
    ]
    ending = ("helpers", Ending(whole=True), 1, None)

    with pytest.raises(NotPermittedError):
        told(*AGREED, ending)
    assert told(*lets, ending).ended
    assert told(*AGREED, ("riverton", Ending(), 1, None), ending).ended
