"""Admits a query: who asks, proved for itself by every service that a query reaches.

The order is fixed: signature, time, person. Only then is the question read, so that a stranger
learns nothing from how a question is refused.
"""

import datetime as dt
from dataclasses import dataclass

from homeroom.api.common.v1 import evidence_pb2, query_pb2
from homeroom.errors import (
    CallerUnknownError,
    ClockSkewedError,
    EvidenceInvalidError,
    NotPermittedError,
    RequestInvalidError,
    TooMuchAskedError,
)
from homeroom.evidence import check_signed_by, decode, key_that_signed
from homeroom.federation import FederationState, Organization
from homeroom.query import read_question
from homeroom.question import Question
from homeroom.signing import Domain, digest_of
from homeroom.users import User, read_user

MAX_QUERY_BYTES = 1024 * 1024
MAX_TOKEN_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Tolerated:
    """How far a query's time may be from a service's clock.

    Attributes:
        before: how far it may lie back; that is more where an answer to it is gone on with.
        after: how far it may lie ahead.
    """

    before: dt.timedelta
    after: dt.timedelta

    @classmethod
    def skew(cls, skew: dt.timedelta, life: dt.timedelta = dt.timedelta()) -> "Tolerated":
        """By clocks that are apart, and by how long a query lives."""
        return cls(max(skew, life), skew)

    def require(self, age: dt.timedelta) -> None:
        """Lets a query of some age pass.

        Raises:
            ClockSkewedError: if it is too old, or not yet to be.
        """
        if not -self.after <= age <= self.before:
            limit = self.after if age < dt.timedelta() else self.before
            raise ClockSkewedError(
                "the query's time is too far from this clock",
                limit=f"{limit.total_seconds():.0f} s",
            )


@dataclass(frozen=True, slots=True)
class ProvedQuery:
    """A query whose organization and person are proved, and which is still to be read.

    Attributes:
        digest: the SHA-256 digest of the query's exact bytes.
    """

    query: query_pb2.Query
    requester: Organization
    user: User
    digest: bytes


@dataclass(frozen=True, slots=True)
class AdmittedQuery:
    """A question whose organization and person are proved.

    Attributes:
        digest: the SHA-256 digest of the query's exact bytes.
    """

    question: Question
    requester: Organization
    user: User
    digest: bytes


def admit_query(
    evidence: evidence_pb2.SignedStatement,
    user_token: str,
    state: FederationState,
    now: dt.datetime,
    tolerated: Tolerated,
) -> AdmittedQuery:
    """Proves who asks, then reads what is asked.

    Raises:
        HomeroomError: as `prove_query` does.
        RequestInvalidError: if the question itself is not well formed.
    """
    proved = prove_query(evidence, user_token, state, now, tolerated)
    question = read_question(proved.query)
    return AdmittedQuery(question, proved.requester, proved.user, proved.digest)


def prove_query(
    evidence: evidence_pb2.SignedStatement,
    user_token: str,
    state: FederationState,
    now: dt.datetime,
    tolerated: Tolerated,
) -> ProvedQuery:
    """Proves who asks; what is asked is not looked at.

    Raises:
        TooMuchAskedError: if the message is too large to look at.
        NotPermittedError: if the requester is not known or did not sign these bytes.
        ClockSkewedError: if the query's time is too far from this clock.
        CallerUnknownError: if the person's token does not check or is of someone else.
    """
    if len(evidence.statement) > MAX_QUERY_BYTES or len(user_token) > MAX_TOKEN_BYTES:
        raise TooMuchAskedError("the query is too large", limit=f"{MAX_QUERY_BYTES} bytes")
    query, requester = _proved(evidence, state, now)
    tolerated.require(now - _asked_at(query))
    if digest_of(user_token.encode()) != query.user_token_digest:
        raise CallerUnknownError("the user's token is not the one the query names")
    user = read_user(user_token, requester.issuer, state.federation, now)
    if user.organization_id != requester.organization_id:
        raise CallerUnknownError("the user's token is of another organization")
    return ProvedQuery(query, requester, user, digest_of(evidence.statement))


def _asked_at(query: query_pb2.Query) -> dt.datetime:
    try:
        return query.ask_time.ToDatetime(dt.UTC)
    except ValueError:
        raise RequestInvalidError("a query says when it was asked", field="ask_time") from None


def _proved(
    evidence: evidence_pb2.SignedStatement, state: FederationState, now: dt.datetime
) -> tuple[query_pb2.Query, Organization]:
    try:
        query = decode(query_pb2.Query, evidence.statement)
        requester = state.organizations.get(query.requester)
        if requester is not None:
            own = requester.organization_id
            key = key_that_signed(evidence, own, requester.keys, now)
            check_signed_by(Domain.QUERY, evidence, own, key)
            return query, requester
    except EvidenceInvalidError:
        pass
    # An unknown organization and a wrong signature look the same.
    raise NotPermittedError("the query is not signed by an organization of this federation")
