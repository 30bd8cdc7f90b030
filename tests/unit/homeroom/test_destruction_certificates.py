"""Certificates of destruction on their way: nobody else makes one, moves one or reads one."""

import datetime as dt
import secrets
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.api.common.v1 import destruction_pb2 as pb
from homeroom.api.common.v1 import evidence_pb2
from homeroom.destruction.certificate import (
    MOST_ANSWERS,
    Certificate,
    CertificateReceipt,
    CertifiedAnswer,
    KeptBecause,
    Method,
)
from homeroom.destruction.certificate_wire import (
    MAX_CERTIFICATE_BYTES,
    check_certificate,
    open_certificate,
    open_receipt,
    read_certificate,
    seal_certificate,
    seal_receipt,
    sign_certificate,
    write_certificate,
)
from homeroom.errors import EvidenceInvalidError, RequestInvalidError
from homeroom.evidence import signed
from homeroom.signing import Domain, digest_of
from tests.organizations import NOW, Member

HARBOR, HELPERS, OTHER = (Member.new(name) for name in ("harbor", "helpers", "other"))
ANSWER = CertifiedAnswer(b"q" * 32, 7, b"e" * 32)

digests = st.binary(min_size=32, max_size=32)
answers = st.builds(
    CertifiedAnswer,
    digests,
    st.integers(0, 2**63),
    digests,
    st.sampled_from(["", "a" * 32]),
    st.sampled_from([None, *KeptBecause]),
)


def certificate(**changed: Any) -> Certificate:
    fields: dict[str, Any] = {
        "certificate_id": secrets.token_hex(16),
        "recipient": "helpers",
        "holder": "harbor",
        "agreement_id": "A-1",
        "method": Method.PURGED,
        "destroyed_on": NOW.date(),
        "role": "data_steward",
        "answers": (ANSWER,),
        "certified_at": NOW,
    }
    return Certificate(**(fields | changed))


@given(
    st.lists(answers, min_size=1, unique_by=lambda one: (one.query_digest, one.consent_id)),
    st.sampled_from(Method),
    st.dates(max_value=NOW.date()),
)
def test_a_certificate_reads_back_as_it_was_written(
    some: list[CertifiedAnswer], method: Method, day: dt.date
) -> None:
    made = certificate(answers=tuple(some), method=method, destroyed_on=day)

    assert read_certificate(write_certificate(made)) == made


def test_only_its_holder_opens_it_and_only_its_recipient_made_it() -> None:
    made = certificate()
    evidence = sign_certificate(made, HELPERS.signing)
    sealed = seal_certificate(evidence, "helpers", "harbor", HARBOR.sealing.public)

    opened = open_certificate(sealed, "helpers", "harbor", HARBOR.sealing)
    assert check_certificate(opened, "helpers", "harbor", HELPERS.signing.public) == made
    for recipient, holder, key in (
        ("helpers", "harbor", OTHER.sealing),
        ("other", "harbor", HARBOR.sealing),
        ("helpers", "other", HARBOR.sealing),
    ):
        with pytest.raises(EvidenceInvalidError):
            open_certificate(sealed, recipient, holder, key)


@pytest.mark.parametrize(
    "evidence",
    [
        sign_certificate(certificate(), OTHER.signing),
        sign_certificate(certificate(recipient="other"), OTHER.signing),
        sign_certificate(certificate(holder="other"), HELPERS.signing),
        signed(Domain.QUERY, write_certificate(certificate()), "helpers", HELPERS.signing),
        signed(Domain.DESTRUCTION_CERTIFICATE, b"", "helpers", HELPERS.signing),
        evidence_pb2.SignedStatement(statement=write_certificate(certificate())),
    ],
    ids=["another key", "another's", "for another holder", "another kind", "empty", "unsigned"],
)
def test_a_forged_or_borrowed_certificate_is_none(evidence: evidence_pb2.SignedStatement) -> None:
    with pytest.raises(EvidenceInvalidError):
        check_certificate(evidence, "helpers", "harbor", HELPERS.signing.public)


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "lost"},
        {"role": "Rosa Lima"},
        {"destroy_date": "soon"},
        {"destroy_date": "2031-01-01"},
        {"certificate_id": "x"},
        {"answers": []},
        {"answers": [pb.CertifiedAnswer(query_digest=b"q")]},
        {"answers": [pb.CertifiedAnswer(query_digest=b"q" * 32, log_entry_digest=b"e" * 32)] * 2},
        {
            "answers": [
                pb.CertifiedAnswer(
                    query_digest=b"q" * 32, log_entry_digest=b"e" * 32, kept_because="fun"
                )
            ]
        },
    ],
)
def test_what_no_certificate_says_is_malformed(changed: dict[str, Any]) -> None:
    message = pb.DestructionCertificate.FromString(write_certificate(certificate()))
    for name, value in changed.items():
        message.ClearField(name)  # type: ignore[arg-type]  # by its name
        if isinstance(value, list):
            getattr(message, name).extend(value)
        else:
            setattr(message, name, value)

    with pytest.raises(EvidenceInvalidError):
        read_certificate(message.SerializeToString())


def test_the_largest_certificate_fits() -> None:
    many = tuple(
        CertifiedAnswer(number.to_bytes(32), 2**62, b"e" * 32, "c" * 32, KeptBecause.OPEN_REQUEST)
        for number in range(MOST_ANSWERS)
    )
    evidence = sign_certificate(certificate(answers=many), HELPERS.signing)
    sealed = seal_certificate(evidence, "helpers", "harbor", HARBOR.sealing.public)

    assert len(sealed) < MAX_CERTIFICATE_BYTES
    with pytest.raises(RequestInvalidError):
        certificate(answers=(*many, ANSWER))


def test_a_receipt_is_of_its_certificate_and_its_holder() -> None:
    statement, other = write_certificate(certificate()), write_certificate(certificate())
    receipt = CertificateReceipt(digest_of(statement), "harbor", "helpers", 9, b"e" * 32, NOW)
    sealed = seal_receipt(receipt, HARBOR.signing, HELPERS.sealing.public)
    forged = seal_receipt(receipt, OTHER.signing, HELPERS.sealing.public)
    moved = seal_receipt(
        replace(receipt, recipient="other"), HARBOR.signing, HELPERS.sealing.public
    )
    known = ("harbor", HARBOR.signing.public, HELPERS.sealing)

    assert open_receipt(sealed, statement, *known)[0] == receipt
    for wrong, of in ((sealed, other), (forged, statement), (moved, statement)):
        with pytest.raises(EvidenceInvalidError):
            open_receipt(wrong, of, *known)
