"""The receipt that a family keeps of a consent: what was allowed, and that it was logged.

Its fields are those of ISO/IEC TS 27560 where they apply. The recorder signs it; the consent
service's signed head and the paths in it prove, without asking anyone, that the consent and each
withdrawal stand in the service's log. It names no person.
"""

import base64
import binascii
import datetime as dt
import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_log_pb2 as log_pb
from homeroom.consent.proofs import check_proof
from homeroom.consent_listing import ProvedConsent
from homeroom.consent_log import ChangeKind
from homeroom.consent_terms import ConsentTerms, OpenedConsent
from homeroom.errors import EvidenceInvalidError
from homeroom.signing import Domain, SigningKey, key_id_of, verify

SCHEMA_VERSION = "homeroom consent receipt 1 (ISO/IEC TS 27560:2023)"
_STATES = {
    ChangeKind.RECORDED: "given",
    ChangeKind.NARROWED: "partly withdrawn",
    ChangeKind.REVOKED: "withdrawn",
}


@dataclass(frozen=True, slots=True)
class CheckedReceipt:
    """What a receipt proves.

    Attributes:
        events: each state the consent was in and its place in the log, oldest first.
        log_size, log_time: how long the log was, and when its head was signed.
    """

    consent_id: str
    recorder: str
    events: tuple[tuple[str, int], ...]
    log_size: int
    log_time: dt.datetime


def make_receipt(
    proved: ProvedConsent, federation: str, key: SigningKey, issue_time: dt.datetime
) -> str:
    """A receipt as JSON, signed by the recorder.

    Raises:
        EvidenceInvalidError: if the recorder cannot read its own body of the consent.
    """
    opened = proved.consent.opened
    if opened is None:
        raise EvidenceInvalidError("the consent's own body cannot be read")
    statement = {
        "schema_version": SCHEMA_VERSION,
        "receipt_id": f"{opened.consent_id}-{proved.head.size}",
        "issue_time": _instant(issue_time),
        "federation": federation,
        "record": _record(opened),
        "event": _events(proved),
        "log": {
            "head": base64.b64encode(proved.head_evidence.SerializeToString()).decode(),
            "changes": [
                {"entry": entry.encode().decode(), "path": path.hex()}
                for entry, path in proved.changes
            ],
        },
    }
    signature = {
        "organization_id": opened.recorder,
        "key_id": key.key_id,
        "signature": base64.b64encode(
            key.sign(Domain.CONSENT_RECEIPT, _canonical(statement))
        ).decode(),
    }
    whole = {"receipt": statement, "signature": signature}
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def check_receipt(text: str, recorder_key: bytes, consent_key: bytes) -> CheckedReceipt:
    """Checks a receipt without asking anyone.

    Args:
        text: the receipt, JSON.
        recorder_key: the public signing key of the organization that recorded the consent.
        consent_key: the consent service's.

    Raises:
        EvidenceInvalidError: if the recorder did not sign it, or the log does not hold what it
            says.
    """
    try:
        return _checked(json.loads(text), recorder_key, consent_key)
    except EvidenceInvalidError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, DecodeError, RecursionError) as wrong:
        raise EvidenceInvalidError("the receipt cannot be read") from wrong


def printable(text: str) -> str:
    """A receipt as one page of HTML, for a family to keep on paper.

    Raises:
        EvidenceInvalidError: if it is no receipt.
    """
    try:
        receipt = json.loads(text)["receipt"]
        rows = "\n".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(said)}</td></tr>"
            for name, said in _lines(receipt)
        )
        number = html.escape(receipt["receipt_id"])
    except (ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise EvidenceInvalidError("the receipt cannot be read") from wrong
    return _PAGE.format(number=number, rows=rows)


def _checked(whole: Any, recorder_key: bytes, consent_key: bytes) -> CheckedReceipt:
    statement, signature = whole["receipt"], whole["signature"]
    record = statement["record"]
    if signature["key_id"] != key_id_of(recorder_key):
        raise EvidenceInvalidError("the receipt is signed with another key")
    verify(
        Domain.CONSENT_RECEIPT,
        _canonical(statement),
        base64.b64decode(signature["signature"], validate=True),
        recorder_key,
    )
    proof = log_pb.ConsentProof(
        head=evidence_pb2.SignedStatement.FromString(_bytes(statement["log"]["head"])),
        changes=[
            log_pb.LoggedChange(entry=change["entry"].encode(), path=bytes.fromhex(change["path"]))
            for change in statement["log"]["changes"]
        ],
    )
    consent_id = record["record_id"]
    head, entries = check_proof(proof, consent_id, statement["federation"], consent_key)
    events = tuple((_STATES.get(entry.kind, ""), entry.sequence) for entry in entries)
    said = tuple((event["event_state"], event["sequence"]) for event in statement["event"])
    if events != said or not events or events[0][0] != "given":
        raise EvidenceInvalidError("the receipt says something else than the log")
    recorder = record["pii_controllers"]["collected_by"]
    if entries[0].organization_id != recorder or signature["organization_id"] != recorder:
        raise EvidenceInvalidError("the receipt is not the recorder's")
    return CheckedReceipt(consent_id, recorder, events, head.size, head.sign_time)


def _record(opened: OpenedConsent) -> Mapping[str, Any]:
    terms = opened.terms
    return {
        "record_id": opened.consent_id,
        "privacy_notice": {
            "form_version": terms.form_version,
            "language": terms.language,
            "form_text_sha256": terms.form_text_digest.hex(),
            "scan_sha256": opened.scan_digest.hex(),
            "agreement_id": terms.agreement_id,
        },
        "pii_controllers": {"holder": terms.holder, "collected_by": opened.recorder},
        "recipient_third_parties": {
            "organizations": list(opened.recipients),
            "classes": list(terms.classes),
        },
        "pii_information": _information(terms),
        "purposes": list(terms.purposes),
        "lawful_basis": "written consent, 34 CFR 99.30",
        "collection_method": str(terms.form),
        "signer_relation": str(terms.signer_relation),
        "sign_date": terms.sign_date.isoformat(),
        "validity": {
            "start_date": terms.start_date.isoformat(),
            "end_date": terms.end_date.isoformat(),
            "ends_at_18": terms.signer_relation != "eligible_student",
        },
        "not_required_for_service": terms.not_required_for_service,
        "withdrawal_method": (
            "Tell the organization that collected the form, the school district, or any"
            " organization that receives; all of it or a part, at any time, without a reason."
        ),
    }


def _information(terms: ConsentTerms) -> Mapping[str, Any]:
    period = terms.record_period
    return {
        "elements": ["all_education_records"]
        if terms.all_education_records
        else [str(element) for element in terms.elements],
        "asked_for_one_by_one": [str(element) for element in terms.specific_elements],
        "about_days": [period.start_date.isoformat(), period.end_date.isoformat()]
        if period
        else None,
    }


def _events(proved: ProvedConsent) -> list[Mapping[str, Any]]:
    return [
        {
            "event_state": _STATES[entry.kind],
            "entity_id": entry.organization_id,
            "sequence": entry.sequence,
        }
        for entry, _ in proved.changes
        if entry.kind in _STATES
    ]


def _lines(receipt: Mapping[str, Any]) -> list[tuple[str, str]]:
    record = receipt["record"]
    recipients = record["recipient_third_parties"]
    events = [f"{event['event_state']} (entry {event['sequence']})" for event in receipt["event"]]
    return [
        ("Number", record["record_id"]),
        ("State", ", then ".join(events)),
        ("Records are held by", record["pii_controllers"]["holder"]),
        ("Collected by", record["pii_controllers"]["collected_by"]),
        ("What may be released", ", ".join(record["pii_information"]["elements"])),
        ("What for", ", ".join(record["purposes"])),
        ("To whom", ", ".join(recipients["organizations"] + recipients["classes"])),
        ("Signed on", f"{record['sign_date']} by {record['signer_relation']}"),
        ("Counts", f"{record['validity']['start_date']} to {record['validity']['end_date']}"),
        ("How to withdraw", record["withdrawal_method"]),
        ("Issued", receipt["issue_time"]),
    ]


def _canonical(statement: Any) -> bytes:
    text = json.dumps(statement, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as wrong:
        raise EvidenceInvalidError("the receipt cannot be read") from wrong


def _instant(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Consent receipt {number}</title>
<style>
body {{ font-family: serif; margin: 2cm; }}
th {{ text-align: left; vertical-align: top; padding: 0.2em 1em 0.2em 0; }}
td {{ padding: 0.2em 0; }}
</style>
</head>
<body>
<h1>Consent receipt</h1>
<table>
{rows}
</table>
<p>Keep the file of this receipt too: it proves, without asking anyone, that the consent and each
withdrawal above stand in the consent service's log.</p>
</body>
</html>
"""
