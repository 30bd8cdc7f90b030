"""Turns the statements of an agreement's life into the messages that are signed, and back."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from homeroom.agreement import ALL_SCHOOLS, Schools
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.errors import EvidenceInvalidError
from homeroom.evidence import decode
from homeroom.lifecycle import (
    Action,
    CounterProposal,
    Ending,
    Joining,
    JoiningCountersignature,
    Proposal,
    Resumption,
    Signature,
    Statement,
    Suspension,
    Withdrawal,
)
from homeroom.signing import digest_of


def write_statement(
    agreement_id: str,
    version: int,
    organization_id: str,
    time: dt.datetime,
    previous_digest: bytes,
    action: Action,
) -> bytes:
    """The exact bytes to sign."""
    message = pb.AgreementStatement(
        agreement_id=agreement_id,
        version=version,
        organization_id=organization_id,
        previous_digest=previous_digest,
    )
    message.statement_time.FromDatetime(time)
    field = _FIELD_OF[type(action)]
    getattr(message, field).CopyFrom(_written(action))
    return message.SerializeToString(deterministic=True)


def read_statement(statement: bytes) -> Statement:
    """Reads a statement's exact bytes.

    Raises:
        EvidenceInvalidError: if they say anything that is not known here; a part left unread could
            be what limits the rest.
    """
    message = decode(pb.AgreementStatement, statement)
    field = message.WhichOneof("action")
    if field is None or not message.HasField("statement_time"):
        raise EvidenceInvalidError("a statement of an agreement is not well formed")
    said = getattr(message, field)
    _require_known(message, message.statement_time, said)
    try:
        time = message.statement_time.ToDatetime(dt.UTC)
    except ValueError:
        raise EvidenceInvalidError("a statement of an agreement is not well formed") from None
    return Statement(
        agreement_id=message.agreement_id,
        version=message.version,
        organization_id=message.organization_id,
        time=time,
        previous_digest=message.previous_digest,
        action=_READERS[field](said),
        digest=digest_of(statement),
    )


def _written(action: Action) -> Any:
    kind = _MESSAGE_OF[_FIELD_OF[type(action)]]
    if isinstance(action, Joining):
        return _joining_message(action)
    fields = type(action).__dataclass_fields__
    return kind(**{name: getattr(action, name) for name in fields})


def _joining_message(joining: Joining) -> pb.Joining:
    return pb.Joining(
        document_digest=joining.document_digest,
        rendering_digest=joining.rendering_digest,
        kind=joining.kind,
        purposes=joining.purposes,
        schools=[
            pb.JoinedSchools(
                holder=holder,
                all=schools == ALL_SCHOOLS,
                school_ids=() if schools == ALL_SCHOOLS else schools,
            )
            for holder, schools in sorted(joining.schools.items())
        ],
        signing_key_id=joining.signing_key_id,
        sealing_key_id=joining.sealing_key_id,
        signatory_name=joining.signatory_name,
        signatory_title=joining.signatory_title,
    )


def _read_joining(message: pb.Joining) -> Joining:
    _require_known(*message.schools)
    holders = [one.holder for one in message.schools]
    if len(set(holders)) != len(holders):
        raise EvidenceInvalidError("a joining names a holder twice")
    return Joining(
        document_digest=message.document_digest,
        rendering_digest=message.rendering_digest,
        kind=message.kind,
        purposes=tuple(message.purposes),
        schools={one.holder: _read_schools(one) for one in message.schools},
        signing_key_id=message.signing_key_id,
        sealing_key_id=message.sealing_key_id,
        signatory_name=message.signatory_name,
        signatory_title=message.signatory_title,
    )


def _read_schools(message: pb.JoinedSchools) -> Schools:
    if message.all and message.school_ids:
        raise EvidenceInvalidError("a joining names all schools or some, not both")
    return ALL_SCHOOLS if message.all else tuple(message.school_ids)


def _require_known(*messages: Message) -> None:
    if any(len(UnknownFieldSet(message)) for message in messages):
        raise EvidenceInvalidError("a statement has a field that is not known here")


_FIELD_OF: Mapping[type, str] = {
    Proposal: "proposal",
    CounterProposal: "counter_proposal",
    Signature: "signature",
    Withdrawal: "withdrawal",
    Suspension: "suspension",
    Resumption: "resumption",
    Ending: "ending",
    Joining: "joining",
    JoiningCountersignature: "joining_countersignature",
}

_MESSAGE_OF: Mapping[str, type[Any]] = {
    "proposal": pb.Proposal,
    "counter_proposal": pb.CounterProposal,
    "signature": pb.DocumentSignature,
    "withdrawal": pb.Withdrawal,
    "suspension": pb.Suspension,
    "resumption": pb.Resumption,
    "ending": pb.Ending,
    "joining": pb.Joining,
    "joining_countersignature": pb.JoiningCountersignature,
}

_READERS: Mapping[str, Callable[[Any], Action]] = {
    "proposal": lambda said: Proposal(said.document_digest, said.rendering_digest),
    "counter_proposal": lambda said: CounterProposal(said.document_digest, said.rendering_digest),
    "signature": lambda said: Signature(said.document_digest, said.rendering_digest),
    "withdrawal": lambda said: Withdrawal(said.joining_digest),
    "suspension": lambda said: Suspension(said.reason),
    "resumption": lambda _said: Resumption(),
    "ending": lambda said: Ending(said.whole),
    "joining": _read_joining,
    "joining_countersignature": lambda said: JoiningCountersignature(said.joining_digest),
}
