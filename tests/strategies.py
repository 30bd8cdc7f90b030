"""What hypothesis makes up for several tests: terms of consents, students, and what is covered."""

import datetime as dt
from dataclasses import replace
from typing import TypeVar

from hypothesis import strategies as st

from homeroom.catalog import Dataset
from homeroom.consent_terms import ConsentTerms, OpenedConsent
from homeroom.question import Period
from homeroom.vocabulary import ConsentForm, Element, SignerRelation
from services.node.domain.consents import Student, Withdrawn
from services.node.domain.selection import Covered

ELEMENTS = (Element.NAME, Element.DAILY_ATTENDANCE, Element.GPA, Element.SUSPENSIONS)
W = TypeVar("W")

PURPOSES = ("direct_service", "program_evaluation", "research")
CLASSES = ("libraries", "tutors")
RECIPIENTS = ("helpers", "shelter", "mentors")
REFS = tuple(f"ref-{number}" for number in range(5))

days = st.dates(dt.date(2020, 1, 1), dt.date(2032, 12, 31))
births = st.dates(dt.date(1999, 1, 1), dt.date(2019, 12, 31))
students = st.builds(Student, st.integers(1, 9), births)


periods = st.tuples(days, days).map(lambda two: Period(min(two), max(two)))
withdrawals = st.builds(
    Withdrawn,
    st.frozensets(st.sampled_from(ELEMENTS)),
    st.frozensets(st.sampled_from((*RECIPIENTS, *(f"class:{name}" for name in CLASSES)))),
)


@st.composite
def terms(draw: st.DrawFn) -> ConsentTerms:
    """The terms of any consent, well formed; it may allow nothing."""
    start, end = sorted((draw(days), draw(days)))
    everything = draw(st.booleans())
    named = st.lists(st.sampled_from(ELEMENTS), min_size=1, unique=True)
    return ConsentTerms(
        holder="anytown",
        agreement_id=draw(st.sampled_from(("", "A-1"))),
        elements=() if everything else tuple(draw(named)),
        all_education_records=everything,
        specific_elements=tuple(draw(named)) if everything else (),
        classes=tuple(draw(st.lists(st.sampled_from(CLASSES), unique=True))),
        record_period=draw(st.none() | periods),
        purposes=tuple(draw(st.lists(st.sampled_from(PURPOSES), min_size=1, unique=True))),
        signer_relation=draw(st.sampled_from(SignerRelation)),
        form=draw(st.sampled_from(ConsentForm)),
        sign_date=draw(days),
        start_date=start,
        end_date=end,
    )


@st.composite
def consents(draw: st.DrawFn) -> OpenedConsent:
    """Any consent as its holder reads it."""
    recipients = draw(st.lists(st.sampled_from(RECIPIENTS), min_size=1, unique=True))
    return OpenedConsent(
        consent_id="0" * 32,
        recorder="helpers",
        terms=draw(terms()),
        link_code=b"code",
        subject_refs={name: f"ref-of-{name}" for name in recipients},
    )


@st.composite
def narrower(draw: st.DrawFn, wide: OpenedConsent) -> OpenedConsent:
    """A consent that allows no more than another, in any of its terms."""
    old = wide.terms
    start, end = old.start_date, old.end_date
    span = (end - start).days
    first = draw(st.integers(0, span))
    last = draw(st.integers(first, span))
    return replace(
        wide,
        terms=replace(
            old,
            elements=tuple(draw(_some(old.elements))) if old.elements else (),
            specific_elements=tuple(e for e in old.specific_elements if draw(st.booleans())),
            purposes=tuple(draw(_some(old.purposes))),
            classes=tuple(name for name in old.classes if draw(st.booleans())),
            start_date=start + dt.timedelta(days=first),
            end_date=start + dt.timedelta(days=last),
        ),
        subject_refs={
            name: wide.subject_refs[name] for name in draw(_some(tuple(wide.subject_refs)))
        },
    )


def parents_consent(
    signed: dt.date, end: dt.date, relation: SignerRelation = SignerRelation.PARENT
) -> OpenedConsent:
    """A consent to one element for one recipient and purpose, from the day it was signed."""
    return OpenedConsent(
        consent_id="0" * 32,
        recorder="helpers",
        terms=ConsentTerms(
            holder="anytown",
            agreement_id="A-1",
            elements=(Element.DAILY_ATTENDANCE,),
            purposes=("direct_service",),
            signer_relation=relation,
            form=ConsentForm.WRITTEN,
            sign_date=signed,
            start_date=signed,
            end_date=end,
        ),
        link_code=b"code",
        subject_refs={"helpers": "ref"},
    )


def covered(dataset: Dataset) -> st.SearchStrategy[Covered]:
    """Which elements of a dataset some students' families allow."""
    return st.dictionaries(
        st.sampled_from(REFS),
        st.frozensets(st.sampled_from(dataset.elements), min_size=1),
        max_size=len(REFS),
    )


def _some(words: tuple[W, ...]) -> st.SearchStrategy[list[W]]:
    return st.lists(st.sampled_from(words), min_size=1, unique=True)
