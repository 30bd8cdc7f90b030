"""Writes a question as the message its requester signs, and reads such a message back strictly."""

import datetime as dt
import re

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from homeroom.api.common.v1 import query_pb2
from homeroom.errors import RequestInvalidError
from homeroom.identity import require_organization_id
from homeroom.question import Level, Period, Question, basis_named, day_of, elements_named
from homeroom.signing import digest_of

_QUERY_ID = re.compile(r"[0-9a-f]{32}")
_DIGEST_BYTES = 32
_LEVELS = {
    query_pb2.LEVEL_STUDENT: Level.STUDENT,
    query_pb2.LEVEL_AGGREGATE: Level.AGGREGATE,
    query_pb2.LEVEL_DEIDENTIFIED_STUDENT: Level.DEIDENTIFIED_STUDENT,
}
_LEVEL_ON_WIRE = {level: number for number, level in _LEVELS.items()}


def to_query(
    question: Question, requester: str, user_token: str, now: dt.datetime, query_id: str
) -> query_pb2.Query:
    """The message to sign.

    Args:
        question: what is asked.
        requester: the organization that asks.
        user_token: the token of the person who asks; only its digest is in the message.
        now: the requester's clock.
        query_id: 32 hexadecimal digits, chosen at random for this message alone.
    """
    query = query_pb2.Query(
        query_id=query_id,
        requester=requester,
        agreement_id=question.agreement_id,
        agreement_version=question.agreement_version,
        purpose=question.purpose,
        basis=question.ground,
        dataset=question.dataset,
        elements=question.elements,
        cohort=query_pb2.Cohort(
            subject_refs=question.subject_refs,
            everyone=question.everyone,
            school_ids=question.school_ids,
        ),
        level=level_on_wire(question.level),
        min_registry_sequence=question.min_registry_sequence,
        min_consent_sequence=question.min_consent_sequence,
        user_token_digest=digest_of(user_token.encode()),
        validate_only=question.validate_only,
        holders=question.holders,
        onward_to=question.onward_to,
        matter_id=question.matter_id,
        table=question.table,
    )
    query.ask_time.FromDatetime(now)
    if question.period:
        query.period.start_date = question.period.start_date.isoformat()
        query.period.end_date = question.period.end_date.isoformat()
    return query


def read_question(query: query_pb2.Query) -> Question:
    """Reads a question as it arrives.

    Raises:
        RequestInvalidError: naming the first field that is not exactly as the protocol has it.
    """
    for part in (query, query.cohort, query.period, query.ask_time):
        _require_known(part)
    _require_envelope(query)
    return Question(
        agreement_id=query.agreement_id,
        agreement_version=query.agreement_version,
        purpose=query.purpose,
        dataset=query.dataset,
        elements=elements_named(query.elements),
        basis=basis_named(query.basis),
        level=level_read(query.level),
        table=query.table,
        onward_to=tuple(query.onward_to),
        matter_id=query.matter_id,
        subject_refs=tuple(query.cohort.subject_refs),
        everyone=query.cohort.everyone,
        school_ids=tuple(query.cohort.school_ids),
        period=period_of(query.period) if query.HasField("period") else None,
        holders=tuple(query.holders),
        min_registry_sequence=query.min_registry_sequence,
        min_consent_sequence=query.min_consent_sequence,
        validate_only=query.validate_only,
    )


def _require_envelope(query: query_pb2.Query) -> None:
    if not _QUERY_ID.fullmatch(query.query_id):
        raise RequestInvalidError("a query id is 32 hexadecimal digits", field="query_id")
    require_organization_id(query.requester)
    level_read(query.level)
    if bool(query.agreement_version) != bool(query.agreement_id):
        raise RequestInvalidError(
            "a query names its agreement's version", field="agreement_version"
        )
    if not query.HasField("ask_time"):
        raise RequestInvalidError("a query says when it was asked", field="ask_time")
    if len(query.user_token_digest) != _DIGEST_BYTES:
        raise RequestInvalidError("a query names its user's token", field="user_token_digest")


def _require_known(message: Message) -> None:
    # A field of a newer protocol may narrow the question: left unread, it would widen the answer.
    if len(UnknownFieldSet(message)):
        raise RequestInvalidError("the query has a field that is not known here", field="query")


def level_on_wire(level: Level) -> query_pb2.Level.ValueType:
    """The level as messages have it."""
    return _LEVEL_ON_WIRE[level]


def level_read(number: query_pb2.Level.ValueType) -> Level:
    """The level that a message has.

    Raises:
        RequestInvalidError: if it has none that can be asked for.
    """
    if number not in _LEVELS:
        raise RequestInvalidError("this level cannot be asked for", field="level")
    return _LEVELS[number]


def period_of(written: query_pb2.Period) -> Period:
    """The days that a message means.

    Raises:
        RequestInvalidError: if it means none.
    """
    return Period(
        day_of(written.start_date, "period.start_date"),
        day_of(written.end_date, "period.end_date"),
    )
