"""The disclosure record: what a holder must write down of each request and each disclosure.

Kept with the students' records for as long as those are (34 CFR 99.32(a)(2)), written with the
log's entry and before anything leaves. One entry serves every law that asks for a record: it says
which ones do. What 99.32(d) exempts is recorded too, and marked as asked for by no law; in doubt
the law is taken to ask.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from homeroom.vocabulary import Basis, Element, Obligation, ReasonCode

_PART_B = frozenset({Element.SPED_STATUS, Element.IEP, Element.SPED_EVALUATION})
_MASSACHUSETTS = "MA"


class Regime(StrEnum):
    """A law that asks a holder to write a request or a disclosure down."""

    FERPA = "ferpa_99_32"  # 34 CFR 99.32(a)
    MASSACHUSETTS = "ma_log"  # 603 CMR 23.07(1): everyone who got access, consent or not
    IDEA = "idea_access"  # 34 CFR 300.614: everyone who got Part B records


class RecordedEvent(StrEnum):
    """What an entry of the disclosure record is about."""

    REQUEST_REFUSED = "request_refused"
    REQUEST = "request"  # asked for the decision alone, and might be answered; nothing left
    UNNAMED_ANSWER = "unnamed_answer"  # counts, or records under codes: no student is told of
    DISCLOSURE = "disclosure"


@dataclass(frozen=True, slots=True)
class Keeping:
    """What decides which laws ask a holder for a record.

    Attributes:
        ferpa_covered: whether it is an educational agency or institution (34 CFR 99.1).
        jurisdiction: the state whose student-record law binds it, such as MA; empty for none.
    """

    ferpa_covered: bool = True
    jurisdiction: str = ""


@dataclass(frozen=True, slots=True)
class Interest:
    """The legitimate interest, in words (34 CFR 99.32(a)(3)(ii), (b)(1)).

    Attributes:
        affiliation: the requester's name, as the registry has it.
        agreement_version: which version of the agreement was in force; 0 for none.
        purpose: what the agreement says the purpose is; empty where none says it.
        onward: why each organization that it is passed on to gets it, as the agreement says.
        authorities: the authorities that may disclose it further (99.32(a)(1), 99.33(b)).
    """

    affiliation: str = ""
    agreement_version: int = 0
    purpose: str = ""
    onward: Mapping[str, str] = field(default_factory=dict)
    authorities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Releaser:
    """Who lets an answer out (603 CMR 23.07(1)).

    Attributes:
        user_id, role: the steward who entered the request; empty where the node answers by itself.
        key_id: the holder's key, which signs the receipt.
    """

    user_id: str = ""
    role: str = ""
    key_id: str = ""


@dataclass(frozen=True, slots=True)
class Requested:
    """What was asked, and by whom, as far as the record tells it.

    Attributes:
        matter_id: what is on file for the ground that was claimed; empty for none.
        about_students: whether rows about students were asked for, and not counts nor codes.
        everyone: whether nobody was named.
        first_day, last_day: the days the records are about; None where any day may be.
    """

    requester: str
    user_id: str
    role: str
    purpose: str
    ground: str
    elements: tuple[Element, ...]
    agreement_id: str = ""
    matter_id: str = ""
    onward_to: tuple[str, ...] = ()
    about_students: bool = True
    everyone: bool = False
    decision_only: bool = False
    dataset: str = ""
    first_day: dt.date | None = None
    last_day: dt.date | None = None
    interest: Interest = field(default_factory=Interest)


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided of it.

    Attributes:
        released: the elements that may leave for some student, or without names; where only the
            decision was asked for, those that might.
        whole: whether all that was asked may leave, for every student who was named.
        reasons: the grounds, or why it was refused or a part of it withheld.
        secret: whether a lawful order forbids telling the family (99.32(d)(5)).
        secret_until: when the order lets the family know; None where it does not say.
        withheld: why each element that was asked for and withheld from everyone was.
        revisions: by which policies, the federation's and the holder's own.
    """

    released: frozenset[Element]
    whole: bool
    reasons: tuple[ReasonCode, ...]
    obligations: tuple[Obligation, ...] = ()
    secret: bool = False
    secret_until: dt.datetime | None = None
    withheld: Mapping[Element, ReasonCode] = field(default_factory=dict)
    revisions: tuple[str, str] = ("", "")
    released_by: Releaser = field(default_factory=Releaser)


@dataclass(frozen=True, slots=True)
class Manifest:
    """How an answer about students ended: written with the entry that says so.

    Attributes:
        began: the log index of the disclosure.
        pieces: how many pieces of its stream left, its end included.
        frames_digest: the digest over all that left, as the receipt has it; hexadecimal.
    """

    began: int
    pieces: int
    rows: int
    frames_digest: str
    cut: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """Whose disclosure record, or whose copy of what left, a person was shown."""

    student_key: int


@dataclass(frozen=True, slots=True)
class DisclosureRecord:
    """One entry of the disclosure record; its students stand beside it.

    Attributes:
        refused: each student who was named and of whom not all may leave, and the first check that
            failed; None where that was a check of the question and not of the student, and where
            only the decision was asked for.
    """

    event: RecordedEvent
    requested: Requested
    decided: Decided
    regimes: frozenset[Regime]
    refused: Mapping[int, ReasonCode | None]


def record_of(
    keeping: Keeping,
    requested: Requested,
    decided: Decided,
    refused: Mapping[int, ReasonCode | None] | None = None,
) -> DisclosureRecord:
    """The entry for one request, and the laws that ask for it."""
    regimes = frozenset(
        regime for regime, asks in _ASKS.items() if asks(keeping, requested, decided)
    )
    left = frozenset[Element]() if requested.decision_only else decided.released
    kept = replace(decided, released=left)
    return DisclosureRecord(_event(requested, decided), requested, kept, regimes, refused or {})


def _event(requested: Requested, decided: Decided) -> RecordedEvent:
    if not decided.released:
        return RecordedEvent.REQUEST_REFUSED
    if requested.decision_only:
        return RecordedEvent.REQUEST
    return RecordedEvent.DISCLOSURE if requested.about_students else RecordedEvent.UNNAMED_ANSWER


_EXEMPT_IF_WHOLE = frozenset(
    {
        Basis.CONSENT,  # 99.32(d)(3)
        Basis.SCHOOL_OFFICIAL,  # (d)(2)
        Basis.DIRECTORY_INFORMATION,  # (d)(4)
        Basis.DEIDENTIFIED,  # 99.31(b): no personally identifiable information is asked for
    }
)
"""The grounds whose requests 99.32(d) exempts, if all that was asked is permitted by them.

What goes beyond the ground is an unexempted request for the rest.
"""


def _ferpa_asks(keeping: Keeping, requested: Requested, decided: Decided) -> bool:
    if not keeping.ferpa_covered or requested.ground == Basis.AGGREGATE:
        return False
    if decided.released and (
        decided.secret or requested.ground == Basis.PARENT_OR_STUDENT_ACCESS  # (d)(5), (d)(1)
    ):
        return False
    return not (decided.whole and requested.ground in _EXEMPT_IF_WHOLE)


def _massachusetts_asks(keeping: Keeping, requested: Requested, decided: Decided) -> bool:
    own_or_public = {Basis.SCHOOL_OFFICIAL, Basis.DIRECTORY_INFORMATION}
    return (
        keeping.ferpa_covered
        and keeping.jurisdiction == _MASSACHUSETTS
        and requested.about_students
        and not requested.decision_only
        and requested.ground not in own_or_public
        and bool(decided.released)
    )


def _idea_asks(keeping: Keeping, requested: Requested, decided: Decided) -> bool:
    # Whether this student has a disability is not known here: the status alone can tell it.
    return (
        keeping.ferpa_covered
        and requested.about_students
        and not requested.decision_only
        and requested.ground != Basis.PARENT_OR_STUDENT_ACCESS
        and bool(decided.released & _PART_B)
    )


_ASKS = {
    Regime.FERPA: _ferpa_asks,
    Regime.MASSACHUSETTS: _massachusetts_asks,
    Regime.IDEA: _idea_asks,
}
