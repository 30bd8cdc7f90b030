"""A message is written down without what it may tell of a person, whatever stands in its fields."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any, cast

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct

from homeroom.api.common.v1 import answer_pb2, query_pb2
from homeroom.api.consent.v1 import consent_body_pb2
from homeroom.redaction import REDACTED, redacted
from tests.house.tree import PROJECT

NAME = "Zebulonia"
DEPTH = 4


def messages() -> Iterator[type[Message]]:
    """Every message of the protos."""
    folder = PROJECT / "protos"
    for proto in sorted(folder.rglob("*.proto")):
        module = ".".join(proto.relative_to(folder).with_suffix("").parts)
        for descriptor in import_module(f"{module}_pb2").DESCRIPTOR.message_types_by_name.values():
            yield GetMessageClass(descriptor)


def filled(kind: type[Message], depth: int = DEPTH) -> Message:
    """A message with a name in every text and in all bytes, the messages within too."""
    message = kind()
    for field in cast("list[FieldDescriptor]", list(message.DESCRIPTOR.fields)):
        if field.type == field.TYPE_STRING:
            _put(message, field, NAME)
        elif field.type == field.TYPE_BYTES:
            _put(message, field, NAME.encode())
        elif field.message_type is not None and depth:
            _put(message, field, filled(GetMessageClass(field.message_type), depth - 1))
    return message


def _put(message: Message, field: FieldDescriptor, value: Any) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        getattr(message, field.name)[value.key] = value.value
    elif field.is_repeated:
        getattr(message, field.name).append(value)
    elif isinstance(value, Message):
        getattr(message, field.name).CopyFrom(value)
    else:
        setattr(message, field.name, value)


@pytest.mark.parametrize("kind", list(messages()), ids=lambda kind: kind.DESCRIPTOR.full_name)
def test_a_name_in_any_text_does_not_come_out(kind: type[Message]) -> None:
    """Not even from a field that may be told, where a caller wrote it into the wrong one."""
    assert NAME not in repr(redacted(filled(kind)))


def test_what_is_decided_is_told() -> None:
    """Identifiers, digests, numbers, times and words stay: a line has to be of use."""
    receipt = answer_pb2.Receipt(
        query_digest=b"\x01" * 32,
        holder="harbor_ps",
        outcome=answer_pb2.OUTCOME_ANSWERED,
        reason_codes=["permitted_by_consent"],
        row_count=3,
    )
    receipt.answer_time.FromSeconds(0)

    assert redacted(receipt) == {
        "query_digest": "01" * 32,
        "holder": "harbor_ps",
        "outcome": "OUTCOME_ANSWERED",
        "reason_codes": ["permitted_by_consent"],
        "row_count": 3,
        "answer_time": "1970-01-01T00:00:00Z",
    }


def test_what_is_marked_is_left_out_whole() -> None:
    """Names of students, forms and what holds them."""
    query = query_pb2.Query(query_id="q1", cohort=query_pb2.Cohort(subject_refs=["abc123"]))
    body = consent_body_pb2.ConsentBody(consent_id="c1", link_code=b"code")

    assert redacted(query) == {"query_id": "q1", "cohort": {"subject_refs": REDACTED}}
    assert redacted(body) == {"consent_id": "c1", "link_code": REDACTED}


def test_unknown_fields_and_foreign_messages_are_left_out() -> None:
    """Nobody has decided about what this version does not know."""
    known = query_pb2.Period(start_date="2026-01-01").SerializeToString()
    period = query_pb2.Period.FromString(known + b"\xfa\x01\x09" + NAME.encode())
    box = AnyMessage(type_url="x", value=NAME.encode())
    struct = Struct()
    struct["name"] = NAME.lower()

    assert redacted(period) == {"start_date": "2026-01-01"}
    assert NAME not in repr(redacted(box))
    assert NAME.lower() not in repr(redacted(struct))


def test_long_bytes_are_no_digest() -> None:
    """What is longer than a digest or a key holds something."""
    receipt = answer_pb2.Receipt(query_digest=b"x" * 65)

    assert redacted(receipt) == {"query_digest": REDACTED}
