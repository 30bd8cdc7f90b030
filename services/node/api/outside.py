"""Lets the holder's own stewards enter what someone outside asks for, on paper or by telephone.

The request is decided and recorded like any question. What may leave is sealed to the holder's own
key: the steward opens it, and hands it over.
"""

import datetime as dt
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.node.v1 import outside_service_pb2 as pb
from homeroom.api.node.v1.outside_service_pb2_grpc import OutsideServiceServicer
from homeroom.audit import AuditKind
from homeroom.clock import Clock
from homeroom.errors import (
    CallerUnknownError,
    ClockSkewedError,
    EvidenceInvalidError,
    NotPermittedError,
    RequestInvalidError,
    TooMuchAskedError,
)
from homeroom.evidence import check_signed_by, decode, key_that_signed
from homeroom.federation import FederationState, Organization, Standing
from homeroom.identity import require_organization_id
from homeroom.outside import question_of
from homeroom.question import MAX_SUBJECT_REFS, day_of
from homeroom.signing import Domain, digest_of
from homeroom.users import Delegation, Issuer, Reach, User
from homeroom.vocabulary import OrganizationKind
from services.node.api.node import NodeApi
from services.node.api.stewards import Stewards
from services.node.domain.filing import Filing
from services.node.domain.log import Log
from services.node.domain.replica import Replica
from services.node.domain.ruling import Asked, Holder
from services.runtime.admission import MAX_QUERY_BYTES
from services.runtime.identity import ServicerContext

_REQUEST_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Entered:
    """A request as a steward entered it, ready to be decided.

    Attributes:
        students: each by the holder's own id, and by the name that the answer has for it.
    """

    asked: Asked
    students: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Outside:
    """Reads requests of parties outside, and records who entered them."""

    holder: Holder
    replica: Replica
    filing: Filing
    log: Log
    clock: Clock

    async def enter(
        self, steward: User, token: str, evidence: evidence_pb2.SignedStatement
    ) -> Entered:
        """The request, proved to be of this holder, and noted with its steward.

        Raises:
            NotPermittedError: if the holder's organization did not sign it.
            RequestInvalidError: if it is not well formed.
            QueryReplayedError: if it was entered before.
        """
        request = self._proved(evidence, token)
        keys = await self.filing.keys_of(request.student_ids)
        requester = self._requester(request)
        students = await self.filing.named(requester.organization_id, keys) if keys else ()
        question = question_of(
            request, tuple(ref for _, ref in students), self._version(request, requester)
        )
        asked = Asked(
            question,
            requester,
            _person(request.person, requester.organization_id, question.subject_refs),
            digest_of(evidence.statement),
            entered_by=steward,
        )
        said = {"request": request.request_id, "requester": requester.organization_id}
        who = {"user": steward.user_id, "role": steward.role}
        await self.log.append(AuditKind.REQUEST_ENTERED, asked.digest, {**said, **who})
        return Entered(asked, students)

    def _proved(self, evidence: evidence_pb2.SignedStatement, token: str) -> pb.OutsideRequest:
        if len(evidence.statement) > MAX_QUERY_BYTES:
            raise TooMuchAskedError("the request is too large", limit=f"{MAX_QUERY_BYTES} bytes")
        holder = self.holder
        try:
            keys = holder.keys_in(self._state)
            key = key_that_signed(evidence, holder.organization_id, keys, self.clock())
            statement = check_signed_by(
                Domain.OUTSIDE_REQUEST, evidence, holder.organization_id, key
            )
            request = decode(pb.OutsideRequest, statement)
        except EvidenceInvalidError:
            raise NotPermittedError("the request is not signed by this organization") from None
        if digest_of(token.encode()) != request.user_token_digest:
            raise CallerUnknownError("the user's token is not the one the request names")
        self._require_form(request)
        return request

    def _require_form(self, request: pb.OutsideRequest) -> None:
        if not _REQUEST_ID.fullmatch(request.request_id):
            raise RequestInvalidError("a request id is 32 hexadecimal digits", field="request_id")
        if request.holder != self.holder.organization_id:
            raise RequestInvalidError("the request is put to another holder", field="holder")
        if len(request.student_ids) > MAX_SUBJECT_REFS:
            raise TooMuchAskedError("too many students", limit=str(MAX_SUBJECT_REFS))
        try:
            entered_at = request.enter_time.ToDatetime(dt.UTC)
        except ValueError:
            raise RequestInvalidError("this is no instant", field="enter_time") from None
        if abs(self.clock() - entered_at) > self.holder.max_clock_skew:
            raise ClockSkewedError("the request's time is too far from this clock")

    def _requester(self, request: pb.OutsideRequest) -> Organization:
        """Who asks: unknown, unless the registry says otherwise when it is decided.

        What it may see is sealed to the holder's own key.
        """
        requester = require_organization_id(request.requester)
        known = self._state.organizations.get(requester)
        return Organization(
            organization_id=requester,
            display_name=requester,
            kind=known.kind if known else _kind(request.requester_kind),
            standing=Standing.UNKNOWN,
            node_address="",
            datasets=frozenset(),
            signing_key=b"",
            sealing_key=self.holder.sealing_key,
            issuer=Issuer("", ""),
            record_version=0,
        )

    def _version(self, request: pb.OutsideRequest, requester: Organization) -> int:
        """The version in force of the agreement that is relied on."""
        if not request.agreement_id:
            return 0
        known = self._state.agreement_of_parties(request.agreement_id, requester.organization_id)
        return known.document.version if known else 1

    @property
    def _state(self) -> FederationState:
        return self.replica.evidence().federation


class OutsideApi(OutsideServiceServicer):
    """The RPC for requests of parties outside; for the holder's own stewards."""

    def __init__(self, stewards: Stewards, outside: Outside, node: NodeApi) -> None:
        self._stewards = stewards
        self._outside = outside
        self._node = node

    async def AnswerOutside(
        self, request: pb.AnswerOutsideRequest, context: ServicerContext
    ) -> AsyncIterator[pb.AnswerOutsideResponse]:
        steward = self._stewards.user(request.user_token)
        entered = await self._outside.enter(steward, request.user_token, request.request)
        named = [pb.OutsideStudent(student_id=own, subject_ref=r) for own, r in entered.students]
        yield pb.AnswerOutsideResponse(students=pb.OutsideStudents(students=named))
        with await self._node.turn(entered.asked, context.time_remaining()) as turn:
            # A caller that goes away while a frame is being sent does not wake this generator.
            context.add_done_callback(lambda _context: turn.leave())  # type: ignore[arg-type]  # any callable
            async for frame in self._node.frames(entered.asked):
                yield pb.AnswerOutsideResponse(frame=frame)


def _kind(name: str) -> OrganizationKind:
    # Of whom nothing is known: a kind for which no rule opens anything.
    try:
        return OrganizationKind(name) if name else OrganizationKind.HOUSEHOLD
    except ValueError:
        raise RequestInvalidError(
            "the vocabulary has no such kind", field="requester_kind"
        ) from None


def _person(said: pb.OutsidePerson, requester: str, subject_refs: tuple[str, ...]) -> User:
    """The person who asks, as the steward says."""
    trained_to = said.training_valid_to
    return User(
        user_id="",
        organization_id=requester,
        role=said.role,
        training_valid_to=day_of(trained_to, "training_valid_to") if trained_to else None,
        reach=Reach.CASELOAD,
        caseload=subject_refs if said.works_with_students else (),
        delegation=_delegation(said.delegation) if said.HasField("delegation") else None,
        authenticated=said.authenticated,
    )


def _delegation(said: pb.OutsideDelegation) -> Delegation:
    return Delegation(
        by=said.by,
        valid_to=day_of(said.valid_to, "delegation.valid_to"),
        withdrawn=said.withdrawn,
        covers=None if said.covers_all else frozenset(said.elements),
    )
