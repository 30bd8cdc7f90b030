"""A question is checked before it is signed, and read back strictly where it arrives."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.api.common.v1 import query_pb2
from homeroom.catalog import CATALOG
from homeroom.errors import RequestInvalidError
from homeroom.query import read_question, to_query
from homeroom.question import MAX_SUBJECT_REFS, Level, Period, Question, day_of, elements_named
from homeroom.signing import digest_of
from homeroom.vocabulary import Basis, Element

NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
DAYS = st.dates(dt.date(2000, 1, 1), dt.date(2040, 1, 1))
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", fullmatch=True)
WORDS = st.from_regex(r"[a-z][a-z0-9_]{1,20}", fullmatch=True)


def a_question(**changes: Any) -> Question:
    fields: dict[str, Any] = {
        "agreement_id": "after-school",
        "agreement_version": 1,
        "purpose": "direct_service",
        "dataset": "attendance",
        "elements": (Element.DAILY_ATTENDANCE,),
        "everyone": True,
    }
    return Question(**(fields | changes))


def a_query(**changes: Any) -> query_pb2.Query:
    return to_query(a_question(**changes), "dsni", "token", NOW, "0" * 32)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    dataset = draw(st.sampled_from(CATALOG))
    refs = draw(st.lists(st.from_regex(r"[a-f0-9]{32}", fullmatch=True), unique=True, max_size=5))
    days = sorted((draw(DAYS), draw(DAYS)))
    agreement_id = draw(st.just("") | NAMES)
    level = draw(st.sampled_from(Level))
    return Question(
        agreement_id=agreement_id,
        purpose=draw(WORDS),
        dataset=dataset.name,
        elements=tuple(draw(st.lists(st.sampled_from(dataset.elements), unique=True, min_size=1))),
        basis=draw(st.sampled_from([None, *Basis])),
        level=level,
        table=draw(WORDS) if level is Level.AGGREGATE else "",
        onward_to=tuple(draw(st.lists(WORDS, unique=True, max_size=3))),
        matter_id=draw(st.just("") | NAMES),
        subject_refs=tuple(refs),
        everyone=not refs,
        school_ids=tuple(draw(st.lists(WORDS, unique=True, max_size=3))),
        period=draw(st.sampled_from([None, Period(*days)])),
        holders=tuple(draw(st.lists(WORDS, unique=True, max_size=3))),
        agreement_version=draw(st.integers(1, 2**63 - 1)) if agreement_id else 0,
        min_registry_sequence=draw(st.integers(0, 2**63 - 1)),
        min_consent_sequence=draw(st.integers(0, 2**63 - 1)),
        validate_only=draw(st.booleans()),
    )


@given(questions())
def test_a_question_reads_back_as_it_was_asked(question: Question) -> None:
    """Whatever can be asked arrives as exactly the same question."""
    query = to_query(question, "dsni", "token", NOW, "ab" * 16)

    arrived = query_pb2.Query.FromString(query.SerializeToString())
    assert read_question(arrived) == question
    assert arrived.user_token_digest == digest_of(b"token")


WRONG_QUESTIONS: dict[str, dict[str, Any]] = {
    "no element": {"elements": ()},
    "an element twice": {"elements": (Element.DAILY_ATTENDANCE,) * 2},
    "an element of another dataset": {"elements": (Element.SUSPENSIONS,)},
    "an unknown dataset": {"dataset": "secrets"},
    "nobody": {"everyone": False},
    "some and everyone": {"subject_refs": ("a",)},
    "a student twice": {"subject_refs": ("a", "a"), "everyone": False},
    "too many students": {
        "subject_refs": tuple(str(i) for i in range(MAX_SUBJECT_REFS + 1)),
        "everyone": False,
    },
    "a subject_ref with a space": {"subject_refs": ("a b",), "everyone": False},
    "too many schools": {"school_ids": tuple(str(i) for i in range(201))},
    "an empty school": {"school_ids": ("",)},
    "a holder in capitals": {"holders": ("BPS",)},
    "an agreement with a slash": {"agreement_id": "a/b"},
    "a purpose with a space": {"purpose": "direct service"},
    "an agreement's version without the agreement": {"agreement_id": ""},
    "counts of no table": {"level": Level.AGGREGATE},
    "a table that is not asked for counts": {"table": "absence_by_grade"},
    "a matter with a slash": {"matter_id": "a/b"},
    "an onward party in capitals": {"onward_to": ("LAB",)},
    "too many onward parties": {"onward_to": tuple(f"org-{i}" for i in range(51))},
    "a negative version": {"agreement_version": -1},
    "a negative sequence": {"min_consent_sequence": -1},
    "a sequence beyond what stores hold": {"min_registry_sequence": 2**63},
}


def test_a_question_may_claim_no_ground() -> None:
    """A question without a ground is asked and decided as one, by the word `none`."""
    query = a_query(basis=None)

    assert query.basis == "none"
    assert read_question(query).basis is None


@pytest.mark.parametrize("what", WRONG_QUESTIONS)
def test_a_question_that_can_never_succeed_is_refused(what: str) -> None:
    """What no holder could answer is refused before it is signed."""
    with pytest.raises(RequestInvalidError):
        a_question(**WRONG_QUESTIONS[what])


def test_a_period_does_not_end_before_it_begins() -> None:
    with pytest.raises(RequestInvalidError):
        Period(dt.date(2026, 2, 1), dt.date(2026, 1, 1))


WRONG_QUERIES: dict[str, Callable[[query_pb2.Query], Any]] = {
    "no query id": lambda q: q.ClearField("query_id"),
    "a short query id": lambda q: setattr(q, "query_id", "0" * 31),
    "a query id in capitals": lambda q: setattr(q, "query_id", "A" * 32),
    "no requester": lambda q: q.ClearField("requester"),
    "no version of the agreement": lambda q: q.ClearField("agreement_version"),
    "a version without its agreement": lambda q: q.ClearField("agreement_id"),
    "an unknown level": lambda q: setattr(q, "level", 9),
    "no level": lambda q: q.ClearField("level"),
    "no time": lambda q: q.ClearField("ask_time"),
    "no user": lambda q: q.ClearField("user_token_digest"),
    "an unknown element": lambda q: q.elements.append("shoe_size"),
    "an unknown basis": lambda q: setattr(q, "basis", "curiosity"),
    "an empty period": lambda q: q.period.SetInParent(),
    "a day in another form": lambda q: q.period.MergeFrom(
        query_pb2.Period(start_date="20260101", end_date="2026-02-01")
    ),
    "no cohort": lambda q: q.ClearField("cohort"),
    "an unknown field": lambda q: q.MergeFromString(b"\xf8\x01\x01"),
    "an unknown field of the cohort": lambda q: q.cohort.MergeFromString(b"\xf8\x01\x01"),
}


@pytest.mark.parametrize("what", WRONG_QUERIES)
def test_a_query_that_is_not_exactly_of_the_protocol_is_refused(what: str) -> None:
    """A holder does not guess: a missing, malformed or unknown field refuses the query."""
    query = a_query()
    WRONG_QUERIES[what](query)

    with pytest.raises(RequestInvalidError):
        read_question(query)


def test_an_error_never_repeats_a_students_name() -> None:
    """The value that is wrong may be a student's, so the error names the field alone."""
    with pytest.raises(RequestInvalidError) as refused:
        a_question(subject_refs=("Ana Silva",), everyone=False)

    assert "Ana" not in f"{refused.value} {refused.value.metadata}"


@given(st.text(max_size=12))
def test_only_one_way_of_writing_a_day_is_read(text: str) -> None:
    """A day that is read is written back as exactly the same text."""
    try:
        day = day_of(text, "day")
    except RequestInvalidError:
        return
    assert day.isoformat() == text


def test_elements_are_named_by_the_vocabulary() -> None:
    assert elements_named(["name"]) == (Element.NAME,)
    with pytest.raises(RequestInvalidError):
        elements_named(["name", "nickname"])
