"""What a family allowed: the terms of a consent, as everyone who may read it understands them."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from homeroom.errors import RequestInvalidError
from homeroom.identity import require_organization_id
from homeroom.question import Period
from homeroom.vocabulary import ConsentForm, Element, SignerRelation

MAX_RECIPIENTS = 100
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_CONSENT_ID = re.compile(r"[0-9a-f]{32}")
_SUBJECT_REF = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_DIGEST_BYTES = 32
_MAX_LINK_CODE_BYTES = 64
_MAX_TEXT_LETTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """How the signer of an electronic consent was authenticated (34 CFR 99.30(d)).

    Attributes:
        method, level: how, and how sure that makes: words such as `portal_password` and `aal2`.
        evidence_digest: the SHA-256 digest of the evidence that the recorder keeps.
    """

    method: str
    level: str
    evidence_digest: bytes
    time: dt.datetime

    def __post_init__(self) -> None:
        _require_codes((self.method, self.level), "authentication")
        _require_digest(self.evidence_digest, "authentication", optional=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentTerms:
    """What a family allowed, as the signed form says it.

    Attributes:
        holder: the organization that holds the records.
        agreement_id: the agreement under which it counts; empty for each that the recorder and
            the holder have.
        elements: what may be released (34 CFR 99.30(b)(1)); empty for all education records.
        record_period: the days that the records are about; None means every day.
        purposes: what it may be released for (99.30(b)(2)).
        classes: the classes of organizations that may receive, beside those named (99.30(b)(3)).
        sign_date: the day it was signed.
        start_date, end_date: the first and the last day it counts.
        form_version, language, form_text_digest: the form that was shown.
        specific_elements: elements that the form asks for one by one.
        copy_requested_by_parent, copy_to_minor_student: who gets a copy of what is disclosed.
        not_required_for_service: whether the form says that a refusal changes no service.
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
    all_education_records: bool = False
    record_period: Period | None = None
    classes: tuple[str, ...] = ()
    authentication: Authentication | None = None
    form_version: str = ""
    language: str = ""
    form_text_digest: bytes = b""
    specific_elements: tuple[Element, ...] = ()
    copy_requested_by_parent: bool = False
    copy_to_minor_student: bool = False
    not_required_for_service: bool = False

    def __post_init__(self) -> None:
        require_organization_id(self.holder)
        self._require_records()
        if not self.purposes or _repeats(self.purposes):
            raise RequestInvalidError("a consent names each of its purposes once", field="purposes")
        _require_codes(self.purposes, "purposes")
        if len(self.classes) > MAX_RECIPIENTS or _repeats(self.classes):
            raise RequestInvalidError("a consent names each class once", field="classes")
        _require_codes(self.classes, "classes")
        if self.end_date < self.start_date:
            raise RequestInvalidError("a consent ends before it begins", field="end_date")
        self._require_form()

    def _require_records(self) -> None:
        if bool(self.elements) is self.all_education_records or _repeats(self.elements):
            raise RequestInvalidError(
                "a consent names each of its elements once, or releases all records",
                field="elements",
            )
        specific = set(self.specific_elements)
        if _repeats(self.specific_elements) or (self.elements and specific - set(self.elements)):
            raise RequestInvalidError(
                "what is asked for one by one is among the elements", field="specific_elements"
            )

    def _require_form(self) -> None:
        if self.form_version and not _VERSION.fullmatch(self.form_version):
            raise RequestInvalidError("a form's version is a short word", field="form_version")
        if self.language and not _LANGUAGE.fullmatch(self.language):
            raise RequestInvalidError("a language is a tag such as es", field="language")
        _require_digest(self.form_text_digest, "form_text_digest")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityClaim:
    """What a form says of a student, for the holder to find in its own roster.

    Attributes:
        school_id, local_id: the holder's own identifiers of the school and of the student.
    """

    given_name: str = field(repr=False)
    family_name: str = field(repr=False)
    middle_name: str = field(default="", repr=False)
    birth_date: dt.date | None = field(default=None, repr=False)
    sex: str = field(default="", repr=False)
    school_id: str = field(default="", repr=False)
    local_id: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    address: str = field(default="", repr=False)
    zip: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.given_name.strip() or not self.family_name.strip():
            raise RequestInvalidError("a claim has a given and a family name", field="claim")
        texts = (
            self.given_name,
            self.family_name,
            self.middle_name,
            self.sex,
            self.school_id,
            self.local_id,
            self.phone,
            self.address,
            self.zip,
        )
        if len(max(texts, key=len)) > _MAX_TEXT_LETTERS or not _plain("".join(texts)):
            raise RequestInvalidError("a claim's text is too long or no text", field="claim")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedConsent:
    """A consent as one organization can read it.

    Attributes:
        link_code, claim: name the student to the holder, one of them; in no other body.
        subject_refs: for each recipient the name by which it alone knows the student. In a
            recipient's body only its own; in the recorder's the others are there without names.
        knows_student: whether the recorder knows the student by its own subject_ref: to it, two
            such names are two students.
        signer_name, rights_evidence: who signed, and what shows their right; for the holder only.
        scan_digest: the SHA-256 digest of the scan of the signed paper.
        reference: the recorder's own name for the student or the form; for the recorder only.
    """

    consent_id: str
    recorder: str
    terms: ConsentTerms
    link_code: bytes = field(default=b"", repr=False)
    claim: IdentityClaim | None = None
    subject_refs: Mapping[str, str] = field(default_factory=dict, repr=False)
    knows_student: bool = False
    signer_name: str = field(default="", repr=False)
    rights_evidence: str = field(default="", repr=False)
    scan_digest: bytes = b""
    reference: str = field(default="", repr=False)

    @property
    def recipients(self) -> tuple[str, ...]:
        """The organizations that may receive by name, as far as they can be read here."""
        return tuple(self.subject_refs)

    @property
    def audiences(self) -> tuple[str, ...]:
        """Whom a body is made for: holder, recorder, recipients, each once."""
        return tuple(dict.fromkeys((self.terms.holder, self.recorder, *self.subject_refs)))


def require_consent_id(consent_id: str) -> str:
    """Returns the identifier if it is well formed.

    Raises:
        RequestInvalidError: if it is not 32 hexadecimal digits.
    """
    if not _CONSENT_ID.fullmatch(consent_id):
        raise RequestInvalidError("a consent id is 32 hexadecimal digits", field="consent_id")
    return consent_id


def require_subject_ref(subject_ref: str) -> str:
    """Returns the name if a query could name a student by it.

    Raises:
        RequestInvalidError: if it could not.
    """
    if not _SUBJECT_REF.fullmatch(subject_ref):
        raise RequestInvalidError("a subject_ref is not well formed", field="subject_ref")
    return subject_ref


def require_whole(consent: OpenedConsent) -> OpenedConsent:
    """Returns the consent if it says all that the holder has to know.

    Raises:
        RequestInvalidError: if it names no student or no recipient, or is not well formed.
    """
    require_consent_id(consent.consent_id)
    if bool(consent.link_code) is (consent.claim is not None):
        raise RequestInvalidError(
            "a consent names its student by a link code or by a claim", field="student"
        )
    if len(consent.link_code) > _MAX_LINK_CODE_BYTES:
        raise RequestInvalidError("a link code has 1 to 64 bytes", field="link_code")
    _require_recipients(consent)
    texts = (consent.signer_name, consent.rights_evidence, consent.reference)
    if len(max(texts, key=len)) > _MAX_TEXT_LETTERS or not _plain("".join(texts)):
        raise RequestInvalidError("a text of the form is too long or no text", field="signer")
    _require_digest(consent.scan_digest, "scan_digest")
    return consent


def _require_recipients(consent: OpenedConsent) -> None:
    if not consent.subject_refs and not consent.terms.classes:
        raise RequestInvalidError("a consent names who may receive", field="recipients")
    if len(consent.subject_refs) > MAX_RECIPIENTS:
        raise RequestInvalidError("a consent names at most 100 recipients", field="recipients")
    if consent.terms.holder in consent.subject_refs:
        raise RequestInvalidError("the holder needs no consent to itself", field="recipients")
    if consent.knows_student and consent.recorder not in consent.subject_refs:
        raise RequestInvalidError("a recorder knows a student by its own name", field="subject_ref")
    for recipient, subject_ref in consent.subject_refs.items():
        require_organization_id(recipient)
        require_subject_ref(subject_ref)


def _repeats(words: Sequence[str]) -> bool:
    return len(set(words)) != len(words)


def _require_codes(words: Sequence[str], name: str) -> None:
    if not all(_CODE.fullmatch(word) for word in words):
        raise RequestInvalidError("a word has small letters, digits and _", field=name)


def _require_digest(digest: bytes, name: str, *, optional: bool = True) -> None:
    if len(digest) != _DIGEST_BYTES and (digest or not optional):
        raise RequestInvalidError("a SHA-256 digest has 32 bytes", field=name)


def _plain(text: str) -> bool:
    return not text or text.isprintable()
