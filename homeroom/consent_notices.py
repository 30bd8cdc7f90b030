"""What is said of a consent after it was recorded: withdrawals of a part, verdicts, new names."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from homeroom.consent_terms import require_consent_id, require_subject_ref
from homeroom.errors import RequestInvalidError
from homeroom.identity import require_organization_id
from homeroom.vocabulary import Element

MAX_TOGETHER = 1_000
_DIGEST_BYTES = 32
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Withdrawer(StrEnum):
    """Who withdrew a consent or a part of it."""

    PARENT = "parent"
    STUDENT = "student"
    ORGANIZATION = "organization"


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalDetails:
    """Who withdrew, and by which channel it was told: a word such as `paper` or `phone`."""

    withdrawn_by: Withdrawer
    channel: str

    def __post_init__(self) -> None:
        _require_codes((self.channel,), "channel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """A part of a consent that is withdrawn: each element named, from each recipient named.

    Attributes:
        organization_id: the organization that was told.
        elements: empty means every element.
        recipients, classes: both empty means every recipient.
    """

    consent_id: str
    organization_id: str
    elements: tuple[Element, ...] = ()
    recipients: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    time: dt.datetime
    details: WithdrawalDetails | None = None

    def __post_init__(self) -> None:
        require_consent_id(self.consent_id)
        if not (self.elements or self.recipients or self.classes):
            raise RequestInvalidError(
                "a partial withdrawal names an element or a recipient", field="elements"
            )
        for named in (self.elements, self.recipients, self.classes):
            if len(set(named)) != len(named) or len(named) > MAX_TOGETHER:
                raise RequestInvalidError("one is named twice", field="elements")
        for recipient in self.recipients:
            require_organization_id(recipient)
        _require_codes(self.classes, "classes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a holder's rules say of one consent; never whether the student was found.

    Attributes:
        codes: why it is refused; none if it is accepted.
        last_date: the last day on which it can count; None if there is none.
    """

    consent_id: str
    accepted: bool
    codes: tuple[str, ...] = ()
    last_date: dt.date | None = None

    def __post_init__(self) -> None:
        require_consent_id(self.consent_id)
        _require_codes(self.codes, "codes")
        if self.accepted is bool(self.codes):
            raise RequestInvalidError("a refusal, and it alone, says why", field="codes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraction:
    """A holder's word that an answer should not have told of one name: what it told is given up.

    Attributes:
        query_digest: of the question that was answered; its receipt has the same.
        subject_ref: the name in the answer. Nothing more is said of whoever bears it.
    """

    query_digest: bytes
    subject_ref: str = field(repr=False)

    def __post_init__(self) -> None:
        require_subject_ref(self.subject_ref)
        if len(self.query_digest) != _DIGEST_BYTES:
            raise RequestInvalidError("a digest has 32 bytes", field="query_digest")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictReport:
    """What one holder tells one organization; at most 1,000 of both together.

    Attributes:
        verdicts: on consents that the organization recorded.
        retractions: of answers that it was given.
    """

    holder: str
    recorder: str
    verdicts: Sequence[Verdict] = ()
    retractions: Sequence[Retraction] = ()
    time: dt.datetime

    def __post_init__(self) -> None:
        _require_few([*self.verdicts, *self.retractions], "verdicts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """New names for students: one organization's own, at one holder; at most 1,000.

    Attributes:
        new_refs: the new name for each old one.
    """

    organization_id: str
    holder: str
    new_refs: Mapping[str, str] = field(repr=False)
    time: dt.datetime

    def __post_init__(self) -> None:
        _require_few(self.new_refs, "new_refs")
        for subject_ref in (*self.new_refs, *self.new_refs.values()):
            require_subject_ref(subject_ref)
        names = {*self.new_refs, *self.new_refs.values()}
        if len(names) != 2 * len(self.new_refs):
            raise RequestInvalidError("a name is used twice", field="new_refs")


def _require_few(several: Sequence[object] | Mapping[str, str], name: str) -> None:
    if not 1 <= len(several) <= MAX_TOGETHER:
        raise RequestInvalidError("there are 1 to 1,000 at once", field=name)


def _require_codes(words: Sequence[str], name: str) -> None:
    if not all(_CODE.fullmatch(word) for word in words):
        raise RequestInvalidError("a word has small letters, digits and _", field=name)
