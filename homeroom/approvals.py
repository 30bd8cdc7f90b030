"""An approval: what a steward signs so that an element may leave, for one use and for a time."""

import datetime as dt
from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.node.v1 import approval_pb2 as pb
from homeroom.errors import EvidenceInvalidError
from homeroom.evidence import check_signed_by, decode, signed
from homeroom.signing import Domain, SigningKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalTerms:
    """What is approved.

    Attributes:
        approval_id: the request that it answers.
        agreement_id: empty where no agreement is relied on.
        valid_from, valid_to: the instants between which it counts; both included.
    """

    holder: str
    approval_id: str
    requester: str
    agreement_id: str
    purpose: str
    element: str
    valid_from: dt.datetime
    valid_to: dt.datetime


def sign_approval(terms: ApprovalTerms, key: SigningKey) -> evidence_pb2.SignedStatement:
    """The statement, signed by the holder's organization."""
    statement = pb.ApprovalStatement(
        holder=terms.holder,
        approval_id=terms.approval_id,
        requester=terms.requester,
        agreement_id=terms.agreement_id,
        purpose=terms.purpose,
        element=terms.element,
    )
    statement.valid_from.FromDatetime(terms.valid_from)
    statement.valid_to.FromDatetime(terms.valid_to)
    written = statement.SerializeToString(deterministic=True)
    return signed(Domain.APPROVAL, written, terms.holder, key)


def read_approval(evidence: evidence_pb2.SignedStatement, holder: str, key: bytes) -> ApprovalTerms:
    """What a holder approved.

    Raises:
        EvidenceInvalidError: if the holder did not sign it with this key, or it is not well formed.
    """
    statement = decode(
        pb.ApprovalStatement, check_signed_by(Domain.APPROVAL, evidence, holder, key)
    )
    terms = ApprovalTerms(
        holder=statement.holder,
        approval_id=statement.approval_id,
        requester=statement.requester,
        agreement_id=statement.agreement_id,
        purpose=statement.purpose,
        element=statement.element,
        valid_from=_instant(statement.valid_from),
        valid_to=_instant(statement.valid_to),
    )
    if terms.holder != holder or terms.valid_to < terms.valid_from:
        raise EvidenceInvalidError("an approval is not well formed")
    return terms


def _instant(written: Timestamp) -> dt.datetime:
    try:
        return written.ToDatetime(dt.UTC)
    except ValueError:
        raise EvidenceInvalidError("an approval is not well formed") from None
