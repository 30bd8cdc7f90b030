"""The sealed bodies of a consent: each reader sees its own part, and nobody can invent one."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent import make_consent, open_body, read_body
from homeroom.consent_terms import ConsentTerms, OpenedConsent
from homeroom.errors import EvidenceInvalidError, RequestInvalidError
from homeroom.evidence import signed
from homeroom.sealing import SealingKey, seal
from homeroom.signing import Domain, SigningKey
from homeroom.vocabulary import ConsentForm, Element, SignerRelation

RECORDER = SigningKey.generate()
KEYS = {name: SealingKey.generate() for name in ("bps", "dsni", "ymca")}
PUBLIC = {name: key.public for name, key in KEYS.items()}
TERMS: dict[str, Any] = {
    "holder": "bps",
    "agreement_id": "after-school",
    "elements": (Element.DAILY_ATTENDANCE,),
    "purposes": ("direct_service",),
    "signer_relation": SignerRelation.PARENT,
    "form": ConsentForm.WRITTEN,
    "sign_date": dt.date(2026, 1, 5),
    "start_date": dt.date(2026, 1, 5),
    "end_date": dt.date(2026, 6, 30),
}
WHOLE = OpenedConsent(
    consent_id="ab" * 16,
    recorder="dsni",
    terms=ConsentTerms(**TERMS),
    link_code=b"K7-code",
    subject_refs={"dsni": "ref-of-dsni", "ymca": "ref-of-ymca"},
)


def made() -> pb.Consent:
    return make_consent(WHOLE, RECORDER, PUBLIC)


def read(consent: pb.Consent, reader: str) -> OpenedConsent:
    statement = open_body(consent, reader, KEYS[reader])
    return read_body(consent, statement, reader, RECORDER.public)


def test_the_holder_reads_all_of_it() -> None:
    assert read(made(), "bps") == WHOLE


@pytest.mark.parametrize("reader", ["dsni", "ymca"])
def test_a_recipient_reads_only_its_own_name_for_the_student(reader: str) -> None:
    """No link code and no other recipient's subject_ref: two recipients cannot join theirs."""
    opened = read(made(), reader)

    assert opened.subject_refs == {reader: f"ref-of-{reader}"}
    assert opened.link_code == b""
    assert opened.terms == WHOLE.terms


def test_nobody_opens_anothers_body() -> None:
    """A body opens with its reader's key alone, and only at its own place."""
    consent = made()
    with pytest.raises(EvidenceInvalidError):
        open_body(consent, "bps", KEYS["ymca"])
    with pytest.raises(EvidenceInvalidError):
        open_body(consent, "stranger", KEYS["ymca"])
    consent.bodies[0].organization_id, consent.bodies[1].organization_id = "dsni", "bps"
    with pytest.raises(EvidenceInvalidError):
        open_body(consent, "bps", KEYS["bps"])


COVERS: dict[str, Callable[[pb.Consent], Any]] = {
    "another id": lambda c: setattr(c, "consent_id", "cd" * 16),
    "another recorder": lambda c: setattr(c, "recorder", "ymca"),
    "another holder": lambda c: setattr(c, "holder", "ymca"),
}


@pytest.mark.parametrize("what", COVERS)
def test_a_cover_that_says_something_else_is_refused(what: str) -> None:
    """What the service can change around a body makes the body invalid."""
    consent = made()
    statement = open_body(consent, "bps", KEYS["bps"])
    COVERS[what](consent)

    with pytest.raises(EvidenceInvalidError):
        read_body(consent, statement, "bps", RECORDER.public)
    with pytest.raises(EvidenceInvalidError):
        read(consent, "bps")


def forged(change: Callable[[pb.ConsentBody], Any], key: SigningKey = RECORDER) -> pb.Consent:
    """The holder's body changed, signed and sealed again."""
    consent = made()
    statement = open_body(consent, "bps", KEYS["bps"])
    body = pb.ConsentBody.FromString(statement.statement)
    change(body)
    evidence: evidence_pb2.SignedStatement = signed(
        Domain.CONSENT, body.SerializeToString(), "dsni", key
    )
    context = f"homeroom/consent/v1\0{consent.consent_id}\0bps".encode()
    sealed = seal(evidence.SerializeToString(), PUBLIC["bps"], context)
    consent.bodies[0].sealed_statement = sealed
    return consent


def test_a_consent_that_the_recorder_did_not_sign_is_refused() -> None:
    assert read(forged(lambda _: None), "bps") == WHOLE

    with pytest.raises(EvidenceInvalidError):
        read(forged(lambda _: None, SigningKey.generate()), "bps")


MALFORMED: dict[str, Callable[[pb.ConsentBody], Any]] = {
    "no link code": lambda b: b.ClearField("link_code"),
    "no recipient": lambda b: b.ClearField("recipients"),
    "a recipient twice": lambda b: b.recipients.append(b.recipients[0]),
    "a recipient without a name for the student": lambda b: b.recipients[0].ClearField(
        "subject_ref"
    ),
    "no element": lambda b: b.ClearField("elements"),
    "an unknown element": lambda b: b.elements.append("shoe_size"),
    "an element twice": lambda b: b.elements.append(b.elements[0]),
    "no purpose": lambda b: b.ClearField("purposes"),
    "an unknown relation": lambda b: setattr(b, "signer_relation", "neighbour"),
    "an unknown form": lambda b: setattr(b, "form", "smoke"),
    "no start": lambda b: b.ClearField("start_date"),
    "an end before the start": lambda b: setattr(b, "end_date", "2025-01-01"),
    "another id": lambda b: setattr(b, "consent_id", "cd" * 16),
    "a field from the future": lambda b: b.MergeFromString(b"\xf8\x01\x01"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_body_is_read_strictly(what: str) -> None:
    """What is missing, unknown or malformed is no consent, even signed by the recorder."""
    with pytest.raises(EvidenceInvalidError):
        read(forged(MALFORMED[what]), "bps")


def test_the_service_sees_neither_code_nor_name() -> None:
    stored = made().SerializeToString()

    assert all(secret not in stored for secret in (b"K7-code", b"ref-of-dsni", b"ref-of-ymca"))


WRONG: dict[str, dict[str, Any]] = {
    "a malformed id": {"consent_id": "1"},
    "no code": {"link_code": b""},
    "no recipient": {"subject_refs": {}},
    "the holder as recipient": {"subject_refs": {"bps": "r"}},
    "a reader without a key": {"subject_refs": {"unknown_org": "r"}},
}


@pytest.mark.parametrize("what", WRONG)
def test_a_consent_that_is_not_whole_is_not_made(what: str) -> None:
    fields = {name: getattr(WHOLE, name) for name in WHOLE.__dataclass_fields__}

    with pytest.raises(RequestInvalidError):
        make_consent(OpenedConsent(**(fields | WRONG[what])), RECORDER, PUBLIC)
