"""Admits a request for an account of a log: the organization that asks has signed it."""

import datetime as dt

from homeroom.api.common.v1 import evidence_pb2
from homeroom.audit.account_wire import read_request
from homeroom.audit.accounts import AccountRequest
from homeroom.errors import EvidenceInvalidError, NotPermittedError, TooMuchAskedError
from homeroom.evidence import check_signed_by, key_that_signed
from homeroom.federation import FederationState, Organization
from homeroom.signing import Domain

MAX_REQUEST_BYTES = 4096


def admit_account_request(
    evidence: evidence_pb2.SignedStatement,
    state: FederationState,
    now: dt.datetime,
    caller_id: str = "",
) -> tuple[AccountRequest, Organization]:
    """The request, and the organization that it is about: the one that signed it.

    Args:
        evidence: the request as it came.
        state: by which keys are known.
        now: by which a key that was exchanged still counts, or no more.
        caller_id: who brings it, where it must be its own.

    No person is named: what is told is about questions, and persons have asked them.

    Raises:
        TooMuchAskedError: if the message is too large to look at.
        NotPermittedError: if no organization of this federation signed these bytes as a request.
    """
    if len(evidence.statement) > MAX_REQUEST_BYTES:
        raise TooMuchAskedError("the request is too large", limit=f"{MAX_REQUEST_BYTES} bytes")
    try:
        request = read_request(evidence.statement)
        requester = state.organizations.get(request.requester)
        if requester is not None and caller_id in {"", request.requester}:
            own = requester.organization_id
            key = key_that_signed(evidence, own, requester.keys, now)
            check_signed_by(Domain.ACCOUNT_REQUEST, evidence, own, key)
            return request, requester
    except EvidenceInvalidError:
        pass
    # An unknown organization and a wrong signature look the same.
    raise NotPermittedError("the request is not signed by an organization of this federation")
