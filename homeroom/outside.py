"""A request of someone outside: written down by a steward, signed, and read back as a question."""

import datetime as dt
from dataclasses import dataclass, field

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.node.v1 import outside_service_pb2 as pb
from homeroom.evidence import signed
from homeroom.query import level_on_wire, level_read, period_of
from homeroom.question import Period, Question, basis_named, elements_named
from homeroom.signing import Domain, SigningKey, digest_of
from homeroom.users import Delegation


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideRequest:
    """What someone outside asks for, as a steward wrote it down.

    Attributes:
        question: what is asked, but for the students, whom the requester has no names for.
        student_ids: the students, by the holder's own ids; empty asks about everyone.
        requester_kind: a kind of the vocabulary, where the registry does not know the requester.
        authenticated: whether a person was identified and authenticated.
        training_valid_to: None if the person was never trained.
        works_with_students: whether the person works with the students that are named.
    """

    requester: str
    question: Question
    role: str
    authenticated: bool
    student_ids: tuple[str, ...] = field(default=(), repr=False)
    requester_kind: str = ""
    training_valid_to: dt.date | None = None
    works_with_students: bool = False
    delegation: Delegation | None = None


def sign_request(
    request: OutsideRequest,
    holder: str,
    key: SigningKey,
    user_token: str,
    now: dt.datetime,
    request_id: str,
) -> evidence_pb2.SignedStatement:
    """The request, signed by the holder's organization.

    Args:
        request: what is asked.
        holder: the organization whose records are asked for.
        key: its signing key.
        user_token: the steward's token; only its digest is in the statement.
        now: the steward's clock.
        request_id: 32 hexadecimal digits, chosen at random for this request alone.
    """
    question = request.question
    message = pb.OutsideRequest(
        request_id=request_id,
        holder=holder,
        requester=request.requester,
        requester_kind=request.requester_kind,
        person=_person(request),
        agreement_id=question.agreement_id,
        purpose=question.purpose,
        basis=question.ground,
        matter_id=question.matter_id,
        dataset=question.dataset,
        elements=question.elements,
        student_ids=request.student_ids,
        school_ids=question.school_ids,
        level=level_on_wire(question.level),
        table=question.table,
        onward_to=question.onward_to,
        user_token_digest=digest_of(user_token.encode()),
        validate_only=question.validate_only,
    )
    message.enter_time.FromDatetime(now)
    if question.period:
        message.period.start_date = question.period.start_date.isoformat()
        message.period.end_date = question.period.end_date.isoformat()
    statement = message.SerializeToString(deterministic=True)
    return signed(Domain.OUTSIDE_REQUEST, statement, holder, key)


def question_of(
    request: pb.OutsideRequest, subject_refs: tuple[str, ...], agreement_version: int
) -> Question:
    """The question that a request asks, with the names that its requester would have.

    Raises:
        RequestInvalidError: naming the first field that is not well formed.
    """
    period: Period | None = period_of(request.period) if request.HasField("period") else None
    return Question(
        agreement_id=request.agreement_id,
        agreement_version=agreement_version,
        purpose=request.purpose,
        basis=basis_named(request.basis),
        matter_id=request.matter_id,
        dataset=request.dataset,
        elements=elements_named(request.elements),
        subject_refs=subject_refs,
        everyone=not request.student_ids,
        school_ids=tuple(request.school_ids),
        period=period,
        level=level_read(request.level),
        table=request.table,
        onward_to=tuple(request.onward_to),
        validate_only=request.validate_only,
    )


def _person(request: OutsideRequest) -> pb.OutsidePerson:
    trained_to = request.training_valid_to
    person = pb.OutsidePerson(
        authenticated=request.authenticated,
        role=request.role,
        training_valid_to=trained_to.isoformat() if trained_to else "",
        works_with_students=request.works_with_students,
    )
    if request.delegation is not None:
        covers = request.delegation.covers
        person.delegation.CopyFrom(
            pb.OutsideDelegation(
                by=request.delegation.by,
                valid_to=request.delegation.valid_to.isoformat(),
                withdrawn=request.delegation.withdrawn,
                covers_all=covers is None,
                elements=sorted(covers or ()),
            )
        )
    return person
