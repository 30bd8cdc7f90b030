"""Writes a message down without what it may tell of a person: the only way to print or log one.

A field is told only if that was decided: every text and every bytes field of the protos is either
marked `debug_redact` there or listed in `homeroom.plain_fields`, and a test holds the two to the
protos. What is neither is left out. What is told must also look like a word of machines, because a
caller can write a name into any field.
"""

import re
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from homeroom.plain_fields import PLAIN_FIELDS

REDACTED = "(redacted)"

_OURS = "homeroom.api."
_WORD = re.compile(r"[a-z0-9_.:/-]{0,128}")
_MOST_BYTES = 64
_TEXTS = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)


def redacted(message: Message) -> Mapping[str, Any]:
    """The fields of a message that are set, by name; unknown fields are left out whole."""
    return {field.name: _told(field, value) for field, value in message.ListFields()}


def is_told(field: FieldDescriptor) -> bool:
    """Whether a field may be written down, by what was decided about it."""
    if field.GetOptions().debug_redact:
        return False
    if field.type in _TEXTS:
        message, _, name = field.full_name.removeprefix(_OURS).rpartition(".")
        return name in PLAIN_FIELDS.get(message, ())
    return True


def _told(field: FieldDescriptor, value: Any) -> Any:
    if not is_told(field):
        return REDACTED
    if field.is_repeated:
        # A map is a message of its own for protobuf, and nobody has decided about its entries.
        return REDACTED if isinstance(value, Mapping) else [_one(field, one) for one in value]
    return _one(field, value)


def _one(field: FieldDescriptor, value: Any) -> Any:
    if isinstance(value, Timestamp):
        return value.ToJsonString()
    if isinstance(value, Message):
        ours = value.DESCRIPTOR.full_name.startswith(_OURS)
        return redacted(value) if ours else REDACTED
    if isinstance(value, bytes):
        return value.hex() if len(value) <= _MOST_BYTES else REDACTED
    if isinstance(value, str):
        return value if _WORD.fullmatch(value) else REDACTED
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return named.name if named else value
    return value
