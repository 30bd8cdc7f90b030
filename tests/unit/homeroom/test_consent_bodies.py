"""The sealed bodies of a consent: each reader sees its own part, and nobody can invent one."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from homeroom.api.consent.v1 import consent_body_pb2 as body_pb
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent import ConsentReader, make_consents
from homeroom.consent_terms import Authentication, ConsentTerms, IdentityClaim, OpenedConsent
from homeroom.errors import EvidenceInvalidError, RequestInvalidError
from homeroom.evidence import signed
from homeroom.merkle import leaf_hash, tree_of
from homeroom.question import Period
from homeroom.sealing import BatchSealer, SealingKey
from homeroom.signing import Domain, SigningKey
from homeroom.vocabulary import ConsentForm, Element, SignerRelation

RECORDER = SigningKey.generate()
KEYS = {name: SealingKey.generate() for name in ("bps", "dsni", "ymca")}
PUBLIC = {name: key.public for name, key in KEYS.items()}
DAY = dt.date(2026, 1, 5)
TERMS = ConsentTerms(
    holder="bps",
    agreement_id="after-school",
    elements=(Element.DAILY_ATTENDANCE, Element.FREE_REDUCED_LUNCH_STATUS),
    record_period=Period(dt.date(2025, 9, 1), dt.date(2026, 6, 30)),
    purposes=("direct_service",),
    classes=("homework_clubs",),
    signer_relation=SignerRelation.PARENT,
    form=ConsentForm.ELECTRONIC,
    authentication=Authentication(
        method="portal_password",
        level="aal2",
        evidence_digest=b"e" * 32,
        time=dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC),
    ),
    sign_date=DAY,
    start_date=DAY,
    end_date=dt.date(2026, 6, 30),
    form_version="3",
    language="pt-BR",
    form_text_digest=b"t" * 32,
    specific_elements=(Element.FREE_REDUCED_LUNCH_STATUS,),
    copy_requested_by_parent=True,
    copy_to_minor_student=True,
    not_required_for_service=True,
)
CLAIM = IdentityClaim(
    given_name="Ana Lucía",
    middle_name="M",
    family_name="da Silva-Reyes",
    birth_date=dt.date(2014, 2, 28),
    sex="F",
    school_id="s-7",
    local_id="4711",
    phone="617-555-0101",
    address="14 Dudley St",
    zip="02119",
)
BY_CODE = OpenedConsent(
    consent_id="ab" * 16,
    recorder="dsni",
    terms=TERMS,
    link_code=b"K7-code",
    subject_refs={"dsni": "ref-of-dsni", "ymca": "ref-of-ymca"},
    signer_name="Lucia Reyes",
    rights_evidence="court order 2025-17",
    scan_digest=b"s" * 32,
)
BY_CLAIM = replace(BY_CODE, consent_id="cd" * 16, link_code=b"", claim=CLAIM)
TOGETHER = [BY_CODE, BY_CLAIM, replace(BY_CODE, consent_id="ef" * 16)]
SECRETS = (b"K7-code", b"ref-of-dsni", b"ref-of-ymca", b"Silva", b"Lucia", b"court order")


def made() -> list[pb.Consent]:
    return make_consents(TOGETHER, RECORDER, PUBLIC)


def read(consent: pb.Consent, name: str) -> OpenedConsent:
    reader = ConsentReader(name, KEYS[name])
    return reader.read(consent, reader.open(consent), RECORDER.public)


def body_for(consent: pb.Consent, name: str) -> pb.SealedBody:
    return next(body for body in consent.bodies if body.organization_id == name)


def test_the_holder_reads_all_of_it() -> None:
    """Whether the form names the student by its code or by what a family wrote."""
    assert [read(consent, "bps") for consent in made()] == TOGETHER


def test_the_least_that_a_consent_says_is_read_as_it_was_said() -> None:
    terms = replace(
        TERMS,
        agreement_id="",
        elements=(),
        all_education_records=True,
        record_period=None,
        authentication=None,
        form=ConsentForm.WRITTEN,
        form_text_digest=b"",
        specific_elements=(),
    )
    least = OpenedConsent(
        consent_id="01" * 16, recorder="dsni", terms=terms, claim=CLAIM, subject_refs={}
    )

    assert read(make_consents([least], RECORDER, PUBLIC)[0], "bps") == least


def test_a_recipient_reads_only_its_own_name_for_the_student() -> None:
    """No code, no claim, no signer, no other recipient: two recipients cannot join theirs."""
    for consent in made():
        opened = read(consent, "ymca")

        assert opened.subject_refs == {"ymca": "ref-of-ymca"}
        assert (opened.link_code, opened.claim) == (b"", None)
        assert (opened.signer_name, opened.rights_evidence) == ("", "")
        assert opened.terms == TERMS


def test_the_recorder_reads_who_may_receive_and_no_others_name_for_the_student() -> None:
    opened = read(made()[1], "dsni")

    assert opened.subject_refs == {"dsni": "ref-of-dsni", "ymca": ""}
    assert opened.recipients == ("dsni", "ymca")
    assert (opened.link_code, opened.claim, opened.signer_name) == (b"", None, "")
    assert opened.terms == TERMS


def test_nobody_opens_anothers_body() -> None:
    """A body opens with its reader's key alone, and only at its own place."""
    first, second, _ = made()
    with pytest.raises(EvidenceInvalidError):
        ConsentReader("bps", KEYS["ymca"]).open(first)
    with pytest.raises(EvidenceInvalidError):
        ConsentReader("stranger", KEYS["ymca"]).open(first)
    first.bodies[0].organization_id, first.bodies[1].organization_id = "dsni", "bps"
    with pytest.raises(EvidenceInvalidError):
        ConsentReader("bps", KEYS["bps"]).open(first)
    body_for(second, "bps").place = 0
    with pytest.raises(EvidenceInvalidError):
        ConsentReader("bps", KEYS["bps"]).open(second)


COVERS: dict[str, Callable[[pb.Consent], Any]] = {
    "another id": lambda c: setattr(c, "consent_id", "99" * 16),
    "another recorder": lambda c: setattr(c, "recorder", "ymca"),
    "another holder": lambda c: setattr(c, "holder", "ymca"),
}


@pytest.mark.parametrize("what", COVERS)
def test_a_cover_that_says_something_else_is_refused(what: str) -> None:
    """What the service can change around a body makes the body invalid."""
    consent = made()[0]
    reader = ConsentReader("bps", KEYS["bps"])
    evidence = reader.open(consent)
    assert reader.read(consent, evidence, RECORDER.public) == BY_CODE
    COVERS[what](consent)

    with pytest.raises(EvidenceInvalidError):
        reader.read(consent, evidence, RECORDER.public)
    with pytest.raises(EvidenceInvalidError):
        read(consent, "bps")


def test_a_body_of_one_consent_is_none_of_another_of_its_batch() -> None:
    first, second, _ = made()
    reader = ConsentReader("bps", KEYS["bps"])

    with pytest.raises(EvidenceInvalidError):
        reader.read(second, reader.open(first), RECORDER.public)


def test_a_batch_for_another_audience_is_refused() -> None:
    """What a recipient may read does not pass for what its holder was told, nor the reverse."""
    consent = made()[0]
    to_recipient = ConsentReader("ymca", KEYS["ymca"]).open(consent)

    with pytest.raises(EvidenceInvalidError):
        ConsentReader("bps", KEYS["bps"]).read(consent, to_recipient, RECORDER.public)


EVIDENCE: dict[str, Callable[[body_pb.ConsentEvidence], Any]] = {
    "another place": lambda e: setattr(e, "place", e.place + 1),
    "a place beyond the batch": lambda e: setattr(e, "place", 3),
    "a path cut short": lambda e: setattr(e, "path", e.path[:-32]),
    "a path too long": lambda e: setattr(e, "path", e.path + bytes(32)),
    "a path of odd length": lambda e: setattr(e, "path", e.path[:-1]),
    "no batch": lambda e: e.ClearField("batch"),
    "no signature": lambda e: e.batch.ClearField("signatures"),
    "another body": lambda e: setattr(e, "body", e.body + b"\x08"),
    "another batch": lambda e: setattr(e.batch, "statement", e.batch.statement + b"\x20\x09"),
}


@pytest.mark.parametrize("what", EVIDENCE)
def test_evidence_counts_only_as_it_was_signed(what: str) -> None:
    """Also when the reader has found the batch's signature good before."""
    consent = made()[0]
    reader = ConsentReader("bps", KEYS["bps"])
    evidence = reader.open(consent)
    reader.read(consent, evidence, RECORDER.public)
    changed = body_pb.ConsentEvidence.FromString(evidence)
    EVIDENCE[what](changed)

    with pytest.raises(EvidenceInvalidError):
        reader.read(consent, changed.SerializeToString(), RECORDER.public)


def test_another_key_than_the_recorders_does_not_sign() -> None:
    """A batch that was found good for one key is looked at again for another."""
    consent = made()[0]
    reader = ConsentReader("bps", KEYS["bps"])
    evidence = reader.open(consent)
    reader.read(consent, evidence, RECORDER.public)

    with pytest.raises(EvidenceInvalidError):
        reader.read(consent, evidence, SigningKey.generate().public)


def forged(change: Callable[[body_pb.ConsentBody], Any], key: SigningKey = RECORDER) -> pb.Consent:
    """The holder's body changed, signed and sealed again by whoever has the key."""
    consent = make_consents([BY_CODE], RECORDER, PUBLIC)[0]
    evidence = body_pb.ConsentEvidence.FromString(ConsentReader("bps", KEYS["bps"]).open(consent))
    body = body_pb.ConsentBody.FromString(evidence.body)
    change(body)
    evidence.body = body.SerializeToString()
    root, _ = tree_of([leaf_hash(evidence.body)])
    batch = body_pb.ConsentBatch(recorder="dsni", audience="bps", merkle_root=root, size=1)
    evidence.batch.CopyFrom(signed(Domain.CONSENT_BATCH, batch.SerializeToString(), "dsni", key))
    sealer = BatchSealer(PUBLIC["bps"], b"homeroom/consent-batch/v1\0dsni\0bps")
    context = f"homeroom/consent/v1\0{consent.consent_id}\0bps".encode()
    sealed = body_for(consent, "bps")
    sealed.sealed_key = sealer.sealed_key
    sealed.sealed_evidence = sealer.seal(0, evidence.SerializeToString(), context)
    return consent


def test_a_consent_that_the_recorder_did_not_sign_is_refused() -> None:
    assert read(forged(lambda _: None), "bps") == BY_CODE

    with pytest.raises(EvidenceInvalidError):
        read(forged(lambda _: None, SigningKey.generate()), "bps")


MALFORMED: dict[str, Callable[[body_pb.ConsentBody], Any]] = {
    "no student": lambda b: b.ClearField("student"),
    "a claim without a family name": lambda b: b.claim.CopyFrom(
        body_pb.IdentityClaim(given_name="Ana")
    ),
    "a claim with an odd birth date": lambda b: b.claim.CopyFrom(
        body_pb.IdentityClaim(given_name="Ana", family_name="Reyes", birth_date="20140228")
    ),
    "a claim with a control character": lambda b: b.claim.CopyFrom(
        body_pb.IdentityClaim(given_name="Ana", family_name="Re\0yes")
    ),
    "neither recipient nor class": lambda b: [
        b.__delitem__(slice(None)) for b in (b.recipients, b.classes)
    ],
    "a recipient twice": lambda b: b.recipients.append(b.recipients[0]),
    "a recipient without a name for the student": lambda b: b.recipients[0].ClearField(
        "subject_ref"
    ),
    "a class that is no word": lambda b: b.classes.append("Homework Clubs"),
    "no element": lambda b: b.ClearField("elements"),
    "elements and all records": lambda b: setattr(b, "all_education_records", True),
    "an unknown element": lambda b: b.elements.append("shoe_size"),
    "an element twice": lambda b: b.elements.append(b.elements[0]),
    "a specific element that is not released": lambda b: b.specific_elements.append("gpa"),
    "no purpose": lambda b: b.ClearField("purposes"),
    "an unknown relation": lambda b: setattr(b.signer, "relation", "neighbour"),
    "an unknown form": lambda b: setattr(b, "form", "smoke"),
    "an authentication without a time": lambda b: b.authentication.ClearField("authenticate_time"),
    "an authentication beyond the calendar": lambda b: setattr(
        b.authentication.authenticate_time, "seconds", 2**62
    ),
    "an authentication without evidence": lambda b: b.authentication.ClearField("evidence_digest"),
    "no start": lambda b: b.ClearField("start_date"),
    "an end before the start": lambda b: setattr(b, "end_date", "2025-01-01"),
    "a period that ends before it begins": lambda b: setattr(
        b.record_period, "end_date", "2025-01-01"
    ),
    "a digest of another length": lambda b: setattr(b, "scan_digest", b"short"),
    "a language that is none": lambda b: setattr(b, "language", "the usual one"),
    "another id": lambda b: setattr(b, "consent_id", "cd" * 16),
    "a field from the future": lambda b: b.MergeFromString(b"\xf8\x01\x01"),
    "a field from the future within": lambda b: b.signer.MergeFromString(b"\xf8\x01\x01"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_body_is_read_strictly(what: str) -> None:
    """What is missing, unknown or malformed is no consent, even signed by the recorder."""
    with pytest.raises(EvidenceInvalidError):
        read(forged(MALFORMED[what]), "bps")


def test_the_service_sees_neither_code_nor_name() -> None:
    stored = b"".join(consent.SerializeToString() for consent in made())

    assert all(secret not in stored for secret in SECRETS)


def test_a_consent_that_is_printed_names_nobody() -> None:
    """A log line or a traceback with a consent in it must not tell whose it is."""
    printed = repr(BY_CLAIM) + repr(BY_CODE)

    assert all(secret.decode() not in printed for secret in SECRETS)


WRONG: dict[str, dict[str, Any]] = {
    "a malformed id": {"consent_id": "1"},
    "no student": {"link_code": b""},
    "two names for the student": {"claim": CLAIM},
    "a code too long": {"link_code": b"x" * 65},
    "the holder as recipient": {"subject_refs": {"bps": "r"}},
    "a recipient without a name for the student": {"subject_refs": {"ymca": ""}},
    "a reader without a key": {"subject_refs": {"unknown_org": "r"}},
    "a signer too long": {"signer_name": "x" * 201},
    "nobody who may receive": {"subject_refs": {}, "terms": replace(TERMS, classes=())},
}


@pytest.mark.parametrize("what", WRONG)
def test_a_consent_that_is_not_whole_is_not_made(what: str) -> None:
    with pytest.raises(RequestInvalidError):
        make_consents([replace(BY_CODE, **WRONG[what])], RECORDER, PUBLIC)


def test_a_batch_is_of_one_recorder_and_not_too_large() -> None:
    for wrong in ([], [BY_CODE, replace(BY_CLAIM, recorder="ymca")], [BY_CODE] * 1_001):
        with pytest.raises(RequestInvalidError):
            make_consents(wrong, RECORDER, PUBLIC)
