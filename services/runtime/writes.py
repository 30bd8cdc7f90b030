"""Recognizes a write that is made again: by its caller, its request id, and its content."""

import re

from google.protobuf.message import Message

from homeroom.errors import RequestInvalidError
from homeroom.signing import digest_of

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def content_digest(message: Message, request_id: str) -> bytes:
    """The digest of a write's whole content; the same request id with another is another write.

    Raises:
        RequestInvalidError: if the request id is missing or not well formed.
    """
    if not _REQUEST_ID.fullmatch(request_id):
        raise RequestInvalidError(
            "a request id has 1 to 128 letters, digits and . _ : -", field="request_id"
        )
    method = message.DESCRIPTOR.full_name.encode()
    return digest_of(method + b"\0" + message.SerializeToString(deterministic=True))
