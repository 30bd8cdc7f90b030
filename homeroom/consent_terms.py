"""What a family allowed: the terms of a consent, as everyone who may read it understands them."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass

from homeroom.errors import RequestInvalidError
from homeroom.identity import require_organization_id
from homeroom.vocabulary import ConsentForm, Element, SignerRelation

_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentTerms:
    """What a family allowed, as the signed form says it.

    Attributes:
        holder: the organization that holds the records.
        elements: what may be released (34 CFR 99.30(b)(1)).
        purposes: what it may be released for (99.30(b)(2)).
        start_date, end_date: the first and the last day it counts.
    """

    holder: str
    agreement_id: str
    elements: tuple[Element, ...]
    purposes: tuple[str, ...]
    signer_relation: SignerRelation
    form: ConsentForm
    sign_date: dt.date
    start_date: dt.date
    end_date: dt.date

    def __post_init__(self) -> None:
        require_organization_id(self.holder)
        if not self.elements or len(set(self.elements)) != len(self.elements):
            raise RequestInvalidError("a consent names each of its elements once", field="elements")
        if not self.purposes or len(set(self.purposes)) != len(self.purposes):
            raise RequestInvalidError("a consent names each of its purposes once", field="purposes")
        if not all(_CODE.fullmatch(purpose) for purpose in self.purposes):
            raise RequestInvalidError("a purpose is a word of small letters", field="purposes")
        if self.end_date < self.start_date:
            raise RequestInvalidError("a consent ends before it begins", field="end_date")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedConsent:
    """A consent as one organization can read it.

    Attributes:
        link_code: names the student to the holder; empty in a recipient's body.
        subject_refs: for each recipient the name by which it alone knows the student; in a
            recipient's body only its own.
    """

    consent_id: str
    recorder: str
    terms: ConsentTerms
    link_code: bytes
    subject_refs: Mapping[str, str]
