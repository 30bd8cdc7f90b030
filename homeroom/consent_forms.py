"""What a family's signed form says, as an app or a line of a CSV file gives it."""

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NotRequired, TypedDict, cast

from homeroom.consent import new_subject_ref
from homeroom.consent_terms import (
    Authentication,
    ConsentTerms,
    IdentityClaim,
    OpenedConsent,
    require_whole,
)
from homeroom.errors import RequestInvalidError
from homeroom.question import Period, day_of, elements_named
from homeroom.vocabulary import ConsentForm, Element, SignerRelation

_CLAIM = (
    "given_name",
    "middle_name",
    "family_name",
    "birth_date",
    "sex",
    "school_id",
    "local_id",
    "phone",
    "address",
    "zip",
)
_DAYS = ("sign_date", "start_date", "end_date")
_DIGESTS = {"form_text_sha256": "form_text_digest", "scan_sha256": "scan_digest"}
_TEXTS = (
    "holder",
    "link_code",
    "agreement_id",
    "subject_ref",
    "reference",
    "signer_name",
    "signer_relation",
    "rights_evidence",
    "form",
    "form_version",
    "language",
)
_LISTS = ("elements", "purposes", "recipients", "classes", "specific_elements")
_YES_OR_NO = ("copy_requested_by_parent", "copy_to_minor_student", "not_required_for_service")
_AUTHENTICATION = (
    "authentication_method",
    "authentication_level",
    "authentication_evidence_sha256",
    "authentication_time",
)
REQUIRED = ("holder", "elements", "purposes", "signer_relation", "form", *_DAYS)
OPTIONAL = (
    "link_code",
    *_CLAIM,
    "agreement_id",
    "recipients",
    "classes",
    "subject_ref",
    "reference",
    "record_start_date",
    "record_end_date",
    "signer_name",
    "rights_evidence",
    *_AUTHENTICATION,
    "form_version",
    "language",
    *_DIGESTS,
    "specific_elements",
    *_YES_OR_NO,
)
_CONTENT = tuple(sorted({*REQUIRED, *OPTIONAL} - {"reference"}))
_ONE_STUDENT = {*_CLAIM, "link_code", "recipients", "subject_ref", "scan_sha256", "reference"}
_TERMS = tuple(set(_CONTENT) - _ONE_STUDENT - {"signer_name", "rights_evidence"})
ALL_RECORDS = "all_education_records"
"""In the cell of elements: the form releases all education records in general."""


class SignedForm(TypedDict):
    """What a family's signed form says.

    Attributes:
        holder: the organization that holds the records.
        link_code: the random code printed on the form, which names the student to the holder.
        claim: what the form says of the student, if it bears no code; one of the two is given.
        agreement_id: the agreement under which it counts; by default each of this organization and
            the holder.
        elements: what may be released; `["all_education_records"]` for all of them.
        recipients: who may receive; by default the caller's own organization alone.
        classes: classes of organizations that may receive.
        subject_ref: the name by which the caller knows the student already, from an earlier
            consent; by default a new one is made.
        reference: the caller's own name for the student or the form; no other reads it.
        authentication: how the signer of an electronic form was authenticated.
    """

    holder: str
    link_code: NotRequired[str | bytes]
    claim: NotRequired[IdentityClaim]
    agreement_id: NotRequired[str]
    elements: Sequence[str]
    record_period: NotRequired[Period]
    purposes: Sequence[str]
    recipients: NotRequired[Sequence[str]]
    classes: NotRequired[Sequence[str]]
    subject_ref: NotRequired[str]
    reference: NotRequired[str]
    signer_name: NotRequired[str]
    signer_relation: str
    rights_evidence: NotRequired[str]
    form: str
    authentication: NotRequired[Authentication]
    sign_date: dt.date
    start_date: dt.date
    end_date: dt.date
    form_version: NotRequired[str]
    language: NotRequired[str]
    form_text_digest: NotRequired[bytes]
    scan_digest: NotRequired[bytes]
    specific_elements: NotRequired[Sequence[str]]
    copy_requested_by_parent: NotRequired[bool]
    copy_to_minor_student: NotRequired[bool]
    not_required_for_service: NotRequired[bool]


def consent_of_form(form: SignedForm, recorder: str, consent_id: str) -> OpenedConsent:
    """The consent that a form is, as its recorder knows it.

    Raises:
        RequestInvalidError: naming the field that is wrong, never its value.
    """
    code = form.get("link_code", b"")
    named = form.get("recipients", () if form.get("classes") else (recorder,))
    refs = {name: new_subject_ref() for name in named}
    if form.get("subject_ref"):
        refs[recorder] = form["subject_ref"]
    return require_whole(
        OpenedConsent(
            consent_id=consent_id,
            recorder=recorder,
            terms=_terms(form),
            link_code=code.encode() if isinstance(code, str) else code,
            claim=form.get("claim"),
            subject_refs=refs,
            knows_student=bool(form.get("subject_ref")),
            signer_name=form.get("signer_name", ""),
            rights_evidence=form.get("rights_evidence", ""),
            scan_digest=form.get("scan_digest", b""),
            reference=form.get("reference", ""),
        )
    )


def form_of_row(row: Mapping[str, str]) -> SignedForm:
    """What one line of a CSV file says.

    Args:
        row: the cells by their columns; a cell that is not there is empty.

    Raises:
        RequestInvalidError: naming the column that is wrong, never what it says.
    """
    for name in REQUIRED:
        if not row.get(name):
            raise RequestInvalidError("it is missing", field=name)
    form: dict[str, object] = {name: row[name] for name in _TEXTS if row.get(name)}
    form |= {name: _several(row[name]) for name in _LISTS if row.get(name)}
    form |= {name: _day(row[name], name) for name in _DAYS}
    form |= {name: _yes_or_no(row[name], name) for name in _YES_OR_NO if row.get(name)}
    form |= {field: _digest(row[name], name) for name, field in _DIGESTS.items() if row.get(name)}
    form |= _parts(row)
    return cast("SignedForm", form)


def consent_of_row(row: Mapping[str, str], recorder: str, consent_id: str) -> OpenedConsent:
    """The consent that one line of a CSV file is; like `form_of_row` and `consent_of_form`.

    Thousands of lines say the same but for student, signer and scan: what they share is read once.

    Raises:
        RequestInvalidError: naming the column that is wrong, never what it says.
    """
    terms = _terms_of(tuple([row.get(name, "") for name in _TERMS]))
    named: Sequence[str] = () if terms.classes else (recorder,)
    if row.get("recipients"):
        named = _several(row["recipients"])
    refs = {name: new_subject_ref() for name in named}
    if row.get("subject_ref"):
        refs[recorder] = row["subject_ref"]
    scan = row.get("scan_sha256")
    return require_whole(
        OpenedConsent(
            consent_id=consent_id,
            recorder=recorder,
            terms=terms,
            link_code=row.get("link_code", "").encode(),
            claim=_claim(row) if any(row.get(name) for name in _CLAIM) else None,
            subject_refs=refs,
            knows_student=bool(row.get("subject_ref")),
            signer_name=row.get("signer_name", ""),
            rights_evidence=row.get("rights_evidence", ""),
            scan_digest=_digest(scan, "scan_sha256") if scan else b"",
            reference=row.get("reference", ""),
        )
    )


def consent_id_of(row: Mapping[str, str], secret: bytes) -> str:
    """The identifier of a line: the same for the same content, and foreseen by nobody else.

    The caller's own reference is no part of it.
    """
    content = "\0".join([f"{name}\0{row[name]}" for name in _CONTENT if row.get(name)])
    return hmac.digest(secret, content.encode(), hashlib.sha256).hex()[:32]


def _parts(row: Mapping[str, str]) -> dict[str, object]:
    """What several cells of a line say together."""
    parts: dict[str, object] = {}
    if row.get("record_start_date") or row.get("record_end_date"):
        parts["record_period"] = Period(
            _day(row.get("record_start_date", ""), "record_start_date"),
            _day(row.get("record_end_date", ""), "record_end_date"),
        )
    if any(row.get(name) for name in _CLAIM):
        parts["claim"] = _claim(row)
    if any(row.get(name) for name in _AUTHENTICATION):
        parts["authentication"] = _authentication(row)
    return parts


def _terms(form: SignedForm) -> ConsentTerms:
    relation, given = _words(form)
    everything = list(form["elements"]) == [ALL_RECORDS]
    return ConsentTerms(
        holder=form["holder"],
        agreement_id=form.get("agreement_id", ""),
        elements=() if everything else _elements(tuple(form["elements"])),
        all_education_records=everything,
        record_period=form.get("record_period"),
        purposes=tuple(form["purposes"]),
        classes=tuple(form.get("classes", ())),
        signer_relation=relation,
        form=given,
        authentication=form.get("authentication"),
        sign_date=form["sign_date"],
        start_date=form["start_date"],
        end_date=form["end_date"],
        form_version=form.get("form_version", ""),
        language=form.get("language", ""),
        form_text_digest=form.get("form_text_digest", b""),
        specific_elements=_elements(tuple(form.get("specific_elements", ()))),
        copy_requested_by_parent=form.get("copy_requested_by_parent", False),
        copy_to_minor_student=form.get("copy_to_minor_student", False),
        not_required_for_service=form.get("not_required_for_service", False),
    )


def _words(form: SignedForm) -> tuple[SignerRelation, ConsentForm]:
    """Who signed, and in which form."""
    if form["signer_relation"] not in list(SignerRelation):
        raise RequestInvalidError("it is no word of the vocabulary", field="signer_relation")
    if form["form"] not in list(ConsentForm):
        raise RequestInvalidError("it is no word of the vocabulary", field="form")
    given = ConsentForm(form["form"])
    if given is ConsentForm.ELECTRONIC and form.get("authentication") is None:
        raise RequestInvalidError(
            "without ink, it says how the signer was authenticated (34 CFR 99.30(d))",
            field="authentication",
        )
    return SignerRelation(form["signer_relation"]), given


def _claim(row: Mapping[str, str]) -> IdentityClaim:
    born = row.get("birth_date", "")
    return IdentityClaim(
        given_name=row.get("given_name", ""),
        middle_name=row.get("middle_name", ""),
        family_name=row.get("family_name", ""),
        birth_date=_day(born, "birth_date") if born else None,
        sex=row.get("sex", ""),
        school_id=row.get("school_id", ""),
        local_id=row.get("local_id", ""),
        phone=row.get("phone", ""),
        address=row.get("address", ""),
        zip=row.get("zip", ""),
    )


def _authentication(row: Mapping[str, str]) -> Authentication:
    try:
        time = dt.datetime.fromisoformat(row.get("authentication_time", ""))
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise RequestInvalidError(
            "a time is written 2026-09-01T12:00:00Z", field="authentication_time"
        )
    return Authentication(
        method=row.get("authentication_method", ""),
        level=row.get("authentication_level", ""),
        evidence_digest=_digest(
            row.get("authentication_evidence_sha256", ""), "authentication_evidence_sha256"
        ),
        time=time,
    )


# Thousands of lines repeat the same few days and lists.


@lru_cache(maxsize=4_096)
def _terms_of(cells: tuple[str, ...]) -> ConsentTerms:
    return _terms(form_of_row(dict(zip(_TERMS, cells, strict=True))))


@lru_cache(maxsize=4_096)
def _day(text: str, name: str) -> dt.date:
    return day_of(text, name)


@lru_cache(maxsize=1_024)
def _elements(names: tuple[str, ...]) -> tuple[Element, ...]:
    return elements_named(names)


@lru_cache(maxsize=1_024)
def _several(cell: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in cell.split(";") if word.strip())


def _digest(text: str, name: str) -> bytes:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        raise RequestInvalidError("a SHA-256 digest has 64 hexadecimal digits", field=name)
    return digest


def _yes_or_no(text: str, name: str) -> bool:
    if text not in {"yes", "no"}:
        raise RequestInvalidError("it is yes or no", field=name)
    return text == "yes"
