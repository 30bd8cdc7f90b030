"""What a node and the process that reads for it tell each other comes over whole, and alone."""

import datetime as dt
import os
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.consent_terms import Authentication, ConsentTerms, IdentityClaim, OpenedConsent
from homeroom.errors import ServiceUnreachableError
from homeroom.question import Period
from homeroom.vocabulary import ConsentForm, Element, SignerRelation
from services.node.domain.consent_book import Arrived, Narrowed, Revoked, Rotated
from services.node.domain.consent_problems import ConsentProblem
from services.node.domain.consents import Withdrawn
from services.node.domain.matching import Identity, RosterEntry, RosterIndex, person_of
from services.node.domain.matching.match import NOBODY, surroundings
from services.node.peers.reading_frames import (
    LENGTH_BYTES,
    Employer,
    ToRead,
    WasRead,
    frame_of,
    value_of,
)
from tests.organizations import NOW

BORN = dt.date(2012, 3, 4)
TERMS = ConsentTerms(
    holder="anytown",
    agreement_id="A-1",
    elements=(Element.DAILY_ATTENDANCE,),
    purposes=("direct_service",),
    signer_relation=SignerRelation.PARENT,
    form=ConsentForm.ELECTRONIC,
    sign_date=BORN,
    start_date=BORN,
    end_date=BORN,
    record_period=Period(BORN, BORN),
    authentication=Authentication(
        method="portal", level="aal2", evidence_digest=bytes(32), time=NOW
    ),
)
ROSTER = RosterIndex(
    RosterEntry(number, Identity(given=given, family="Rivera", birth_date=BORN, sex="M"))
    for number, given in enumerate(("Iván", "Ian", "Ivy"))
)


def over(value: object) -> object:
    """A value after its way to the other process."""
    frame = frame_of(value)
    assert int.from_bytes(frame[:LENGTH_BYTES], "big") == len(frame) - LENGTH_BYTES
    return value_of(frame[LENGTH_BYTES:])


@given(st.text(), st.text(), st.binary(), st.booleans())
def test_what_was_read_comes_over_as_it_is(
    name: str, ref: str, evidence: bytes, knows: bool
) -> None:
    claim = IdentityClaim(given_name="Iván", family_name="Rivera", birth_date=BORN)
    opened = OpenedConsent(
        consent_id="c1",
        recorder="helpers",
        terms=TERMS,
        claim=claim,
        subject_refs={"helpers": ref},
        knows_student=knows,
        signer_name=name,
    )
    near = surroundings(person_of(Identity(given="Iván", family="Rivera", birth_date=BORN)), ROSTER)
    assert near.candidates
    read = WasRead(
        [
            Arrived("c1", "helpers", evidence, opened),
            Arrived("c2", "helpers", evidence, None, ConsentProblem.EVIDENCE_INVALID),
            Revoked("c3", NOW),
            Narrowed("c4", Withdrawn(frozenset({Element.DAILY_ATTENDANCE}), frozenset()), NOW),
            Rotated("helpers", {"old": "new"}, NOW),
        ],
        [near, None, NOBODY, None, None],
        3,
        frozenset({"ivan"}),
    )

    assert over(read) == read


def test_what_is_to_be_read_comes_over_as_it_is() -> None:
    for said in (
        Employer("anytown", bytes(range(32)), "sqlite:///records.db"),
        ToRead(
            b"page", [("c1", "helpers", b"signed", NOW)], {"helpers": ((bytes(32), NOW),)}, NOW, 7
        ),
    ):
        assert over(said) == said


@pytest.mark.parametrize("other", [os.system, eval, pickle.loads, Identity])
def test_another_kind_is_not_even_looked_up(other: object) -> None:
    """Whoever could write into the pipe could otherwise have anything run."""
    with pytest.raises(ServiceUnreachableError):
        value_of(pickle.dumps(other))
