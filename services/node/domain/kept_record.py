"""An entry of the disclosure record as it is kept, and who asks to see which entries."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from homeroom.vocabulary import Element
from services.node.domain.register import RecordedEvent, Regime


@dataclass(frozen=True, slots=True)
class Ended:
    """How an answer about students ended.

    Attributes:
        rows: how many rows left, about everyone in the answer.
        pieces: how many pieces with rows.
        frames_digest: over all that left, as the receipt has it; hexadecimal.
        cut: whether it stopped in the middle, because it was no longer permitted.
    """

    at: dt.datetime
    rows: int
    pieces: int
    frames_digest: str
    cut: bool


@dataclass(frozen=True, slots=True)
class Threat:
    """Why an emergency was one (34 CFR 99.32(a)(5))."""

    declared_by: str
    words: str


@dataclass(frozen=True, slots=True)
class CertifiedDestruction:
    """What a recipient has certified of an entry.

    Attributes:
        kept_because: why it was kept; empty if it was destroyed.
        consent_id: the consent that was revoked, where a part is meant; empty for the whole.
    """

    received_at: dt.datetime
    destroyed_on: dt.date
    method: str
    kept_because: str = ""
    consent_id: str = ""


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """One entry of the disclosure record, as it concerns one student or the organization.

    Attributes:
        query_digest: what was asked; the requester's receipt names it too.
        affiliation: the requester's name, as the registry had it.
        interest: what the agreement says the purpose is.
        onward: why each organization that it was passed on to gets it.
        authorities: the authorities that may disclose it further.
        first_day, last_day: the days the records are about; None where any day may be.
        released: what may have left; of a student, what of theirs.
        reasons: the grounds, or why all or a part was refused.
        withheld: why each element that was withheld from everyone was.
        released_by, releaser_role: the steward who entered the request; empty where none did.
        releaser_key: the holder's key, which signed the receipt.
        secret: whether the family's view leaves it out (34 CFR 99.32(d)(5)).
        consent_ids: the consents it rests on, of a student.
        student_count: how many students it names, released or refused.
        ended: None where nothing left, or the node stopped before it could say.
        certified: what its recipient has certified since, oldest first.
    """

    log_index: int
    query_digest: str
    at: dt.datetime
    event: RecordedEvent
    regimes: tuple[Regime, ...]
    requester: str
    affiliation: str
    user_id: str
    role: str
    purpose: str
    interest: str
    basis: str
    agreement_id: str
    agreement_version: int
    matter_id: str
    onward_to: tuple[str, ...]
    onward: Mapping[str, str]
    authorities: tuple[str, ...]
    dataset: str
    first_day: dt.date | None
    last_day: dt.date | None
    elements: tuple[Element, ...]
    released: tuple[Element, ...]
    reasons: tuple[str, ...]
    withheld: Mapping[str, str]
    obligations: tuple[str, ...]
    revisions: tuple[str, str]
    released_by: str
    releaser_role: str
    releaser_key: str
    everyone: bool
    secret: bool
    secret_until: dt.datetime | None = None
    consent_ids: tuple[str, ...] = ()
    student_count: int = 0
    ended: Ended | None = None
    threat: Threat | None = None
    certified: tuple[CertifiedDestruction, ...] = ()

    def is_secret(self, now: dt.datetime) -> bool:
        """Whether an order keeps it from the family at a moment."""
        return self.secret and (self.secret_until is None or now < self.secret_until)


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which entries are asked for; empty fields ask for every one.

    Attributes:
        student_key: those that concern this student.
        since, until: the instants between which they were written.
    """

    student_key: int | None = None
    requester: str = ""
    agreement_id: str = ""
    element: Element | None = None
    user_id: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    events: frozenset[RecordedEvent] = field(default_factory=frozenset)
