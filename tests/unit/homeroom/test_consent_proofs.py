"""What the consent service's log proves: to the recorder at once, to a family by its receipt."""

import base64
import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_log_pb2 as log_pb
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent import make_consents
from homeroom.consent.proofs import check_proof, check_recorded, open_head
from homeroom.consent_listing import ListedConsent, ProvedConsent
from homeroom.consent_log import ChangeKind, LogEntry, consent_digest
from homeroom.consent_receipt import check_receipt, make_receipt, printable
from homeroom.consent_terms import ConsentTerms, OpenedConsent
from homeroom.errors import EvidenceInvalidError
from homeroom.evidence import signed
from homeroom.merkle import node_hash, tree_of
from homeroom.sealing import SealingKey
from homeroom.signing import Domain, SigningKey
from homeroom.vocabulary import ConsentForm, Element, SignerRelation

NOW = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)
SERVICE, RECORDER = SigningKey.generate(), SigningKey.generate()
KEYS = {name: SealingKey.generate().public for name in ("bps", "dsni")}
FEDERATION = "test.example"
SECRETS = ("K7-code", "Lucia", "ref-of-dsni", "case <17>")


def consent(number: int) -> OpenedConsent:
    return OpenedConsent(
        consent_id=f"{number:032x}",
        recorder="dsni",
        terms=ConsentTerms(
            holder="bps",
            agreement_id="after-school",
            elements=(Element.DAILY_ATTENDANCE,),
            purposes=("direct_service",),
            signer_relation=SignerRelation.PARENT,
            form=ConsentForm.WRITTEN,
            sign_date=dt.date(2026, 9, 1),
            start_date=dt.date(2026, 9, 1),
            end_date=dt.date(2027, 6, 30),
            form_version="3",
        ),
        link_code=b"K7-code",
        subject_refs={"dsni": "ref-of-dsni"},
        signer_name="Lucia",
        reference="case <17>",
    )


OPENED = [consent(number) for number in range(5)]
SENT = make_consents(OPENED, RECORDER, KEYS)
OLDER = [LogEntry(n, ChangeKind.RECORDED, f"{n + 90:032x}", "ymca", b"d" * 32) for n in (1, 2, 3)]


def recorded(message: pb.Consent, sequence: int) -> LogEntry:
    bodies = ((b.organization_id, b.sealed_key, b.place, b.sealed_evidence) for b in message.bodies)
    digest = consent_digest(message.consent_id, message.recorder, message.holder, bodies)
    return LogEntry(sequence, ChangeKind.RECORDED, message.consent_id, "dsni", digest)


ENTRIES = [*OLDER, *(recorded(message, 4 + n) for n, message in enumerate(SENT))]


def head_of(entries: list[LogEntry], key: SigningKey = SERVICE) -> evidence_pb2.SignedStatement:
    root, _ = tree_of([entry.leaf() for entry in entries])
    head = log_pb.ConsentLogHead(federation=FEDERATION, size=len(entries), merkle_root=root)
    head.sign_time.FromDatetime(NOW)
    return signed(Domain.CONSENT_LOG_HEAD, head.SerializeToString(), "hub", key)


def answered() -> pb.RecordConsentsResponse:
    one, two, three = (entry.leaf() for entry in OLDER)
    return pb.RecordConsentsResponse(
        sequence=8,
        recorded_count=5,
        sequences=[4, 5, 6, 7, 8],
        log=log_pb.LogExtension(
            head=head_of(ENTRIES), size_before=3, roots_before=node_hash(one, two) + three
        ),
    )


def check(response: pb.RecordConsentsResponse) -> int:
    return check_recorded(SENT, response, FEDERATION, SERVICE.public).size


def test_a_recorder_sees_that_all_it_sent_was_logged() -> None:
    assert check(answered()) == 8


LIES: dict[str, Callable[[pb.RecordConsentsResponse], Any]] = {
    "a head that leaves one out": lambda r: r.log.head.CopyFrom(head_of(ENTRIES[:-1])),
    "a head over something else": lambda r: r.log.head.CopyFrom(head_of([*ENTRIES[:-1], OLDER[0]])),
    "a head by another key": lambda r: r.log.head.CopyFrom(head_of(ENTRIES, SigningKey.generate())),
    "no head": lambda r: r.log.ClearField("head"),
    "another past": lambda r: setattr(r.log, "roots_before", bytes(64)),
    "a shorter past": lambda r: setattr(r.log, "size_before", 2),
    "one that is said to be older": lambda r: r.sequences.__setitem__(0, 1),
    "places that are swapped": lambda r: (
        r.sequences.__setitem__(0, 5),
        r.sequences.__setitem__(1, 4),
    ),
    "a place left out": lambda r: r.sequences.pop(),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_service_cannot_pretend_to_have_logged(lie: str) -> None:
    response = answered()
    LIES[lie](response)

    with pytest.raises(EvidenceInvalidError):
        check(response)


def test_a_head_of_another_federation_is_none() -> None:
    with pytest.raises(EvidenceInvalidError):
        open_head(head_of(ENTRIES), "other.example", SERVICE.public)


def proved(*later: ChangeKind) -> ProvedConsent:
    """The second consent, after these changes of it."""
    consent_id = SENT[1].consent_id
    entries = list(ENTRIES)
    for kind in later:
        entries.append(LogEntry(len(entries) + 1, kind, consent_id, "bps", b"w" * 32))
    _, paths = tree_of([entry.leaf() for entry in entries])
    head = head_of(entries)
    own = [
        (entry, paths[entry.sequence - 1]) for entry in entries if entry.consent_id == consent_id
    ]
    listed = ListedConsent(consent_id, "dsni", "bps", not later, None, OPENED[1])
    return ProvedConsent(listed, open_head(head, FEDERATION, SERVICE.public), head, own)


def receipt(*later: ChangeKind) -> str:
    return make_receipt(proved(*later), FEDERATION, RECORDER, NOW)


def test_a_receipt_proves_what_became_of_a_consent() -> None:
    """Given, narrowed, withdrawn: each at its place in the log, with nobody asked."""
    given = check_receipt(receipt(), RECORDER.public, SERVICE.public)
    assert given.events == (("given", 5),)

    withdrawn = check_receipt(
        receipt(ChangeKind.NARROWED, ChangeKind.REVOKED), RECORDER.public, SERVICE.public
    )
    assert withdrawn.events == (("given", 5), ("partly withdrawn", 9), ("withdrawn", 10))
    assert (withdrawn.log_size, withdrawn.log_time) == (10, NOW)
    assert withdrawn.recorder == "dsni"


def test_a_receipt_names_no_person_on_file_or_paper() -> None:
    text = receipt(ChangeKind.REVOKED)

    assert all(secret not in text + printable(text) for secret in SECRETS)
    assert "given (entry 5), then withdrawn (entry 9)" in printable(text)


def test_what_a_receipt_says_is_no_markup() -> None:
    whole = json.loads(receipt())
    whole["receipt"]["record"]["purposes"] = ["<script>alert(1)</script>"]

    assert "<script>" not in printable(json.dumps(whole))


TAMPERED: dict[str, Callable[[Any], Any]] = {
    "other terms": lambda w: w["receipt"]["record"].update(purposes=["marketing"]),
    "another consent": lambda w: w["receipt"]["record"].update(record_id="9" * 32),
    "an event left out": lambda w: w["receipt"]["event"].pop(),
    "a change left out": lambda w: w["receipt"]["log"]["changes"].pop(),
    "another path": lambda w: w["receipt"]["log"]["changes"][0].update(path="00" * 32),
    "another signer": lambda w: w["signature"].update(organization_id="ymca"),
    "another signature": lambda w: w["signature"].update(signature="AAAA"),
    "no signature": lambda w: w.pop("signature"),
    "no log": lambda w: w["receipt"].pop("log"),
    "a head that is none": lambda w: w["receipt"]["log"].update(head="!"),
    "nothing": lambda w: w.clear(),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_receipt_that_was_changed_proves_nothing(what: str) -> None:
    whole = json.loads(receipt(ChangeKind.REVOKED))
    TAMPERED[what](whole)

    with pytest.raises(EvidenceInvalidError):
        check_receipt(json.dumps(whole), RECORDER.public, SERVICE.public)


@pytest.mark.parametrize("text", ["", "7", "[]", '{"receipt": 7, "signature": 7}', "[" * 50_000])
def test_what_is_no_receipt_is_refused(text: str) -> None:
    with pytest.raises(EvidenceInvalidError):
        check_receipt(text, RECORDER.public, SERVICE.public)


def test_a_recorder_cannot_issue_what_the_log_does_not_hold() -> None:
    """Its own signature is not enough: each event needs its path under the service's head."""
    whole = json.loads(receipt())
    statement = whole["receipt"]
    statement["event"].append({"event_state": "withdrawn", "entity_id": "bps", "sequence": 9})
    canonical = json.dumps(
        statement, ensure_ascii=False, sort_keys=True, separators=(",", ":")
    ).encode()
    signature = RECORDER.sign(Domain.CONSENT_RECEIPT, canonical)
    whole["signature"]["signature"] = base64.b64encode(signature).decode()

    with pytest.raises(EvidenceInvalidError):
        check_receipt(json.dumps(whole), RECORDER.public, SERVICE.public)


def test_a_receipt_counts_for_the_keys_it_is_checked_with() -> None:
    for keys in ((SERVICE.public, SERVICE.public), (RECORDER.public, RECORDER.public)):
        with pytest.raises(EvidenceInvalidError):
            check_receipt(receipt(), *keys)


def test_a_proof_of_another_consent_is_none() -> None:
    one = proved()
    proof = log_pb.ConsentProof(
        head=one.head_evidence,
        changes=[log_pb.LoggedChange(entry=e.encode(), path=path) for e, path in one.changes],
    )
    _, entries = check_proof(proof, SENT[1].consent_id, FEDERATION, SERVICE.public)
    assert [entry.kind for entry in entries] == [ChangeKind.RECORDED]

    with pytest.raises(EvidenceInvalidError):
        check_proof(proof, SENT[2].consent_id, FEDERATION, SERVICE.public)
