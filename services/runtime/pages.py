"""Reads which page of a list is asked for, and names the next."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from homeroom.channel import MAX_MESSAGE_BYTES
from homeroom.errors import RequestInvalidError, TooMuchAskedError

T = TypeVar("T")

MAX_PAGE_SIZE = 500
_MAX_PAGE_BYTES = MAX_MESSAGE_BYTES // 2
_DEFAULT_PAGE_SIZE = 100
_SEPARATOR = "\n"


def page_size_of(asked: int) -> int:
    """How many entries the page has at most.

    Raises:
        TooMuchAskedError: if more are asked for than a page may have.
        RequestInvalidError: if it is negative.
    """
    if asked < 0:
        raise RequestInvalidError("a page has no negative size", field="page_size")
    if asked > MAX_PAGE_SIZE:
        raise TooMuchAskedError("a page is too large", limit=f"{MAX_PAGE_SIZE} entries")
    return asked or _DEFAULT_PAGE_SIZE


def page_of(found: Sequence[T], limit: int, bytes_of: Callable[[T], int]) -> Sequence[T]:
    """As many of the entries as a page may have, and as fit into one message; at least one."""
    count = total = 0
    for entry in found[:limit]:
        total += bytes_of(entry)
        if count and total > _MAX_PAGE_BYTES:
            break
        count += 1
    return found[:count]


def token_after(*key: str) -> str:
    """The token of the page after the entry with this key."""
    return base64.urlsafe_b64encode(_SEPARATOR.join(key).encode()).decode()


def key_of(token: str, parts: int) -> tuple[str, ...]:
    """The key that a token was made of; empty strings for the first page.

    Raises:
        RequestInvalidError: if no answer gave this token.
    """
    if not token:
        return ("",) * parts
    try:
        key = base64.b64decode(token, altchars=b"-_", validate=True).decode().split(_SEPARATOR)
    except (binascii.Error, ValueError):
        key = []
    if len(key) != parts or not all(part.isprintable() for part in key):
        raise RequestInvalidError("no answer gave this page token", field="page_token")
    return tuple(key)


def number_of(part: str) -> int:
    """The number in a token's key; 0 on the first page.

    Raises:
        RequestInvalidError: if there is another thing in its place.
    """
    if not part:
        return 0
    if not (part.isascii() and part.isdecimal() and len(part) <= len(str(2**63)) - 1):
        raise RequestInvalidError("no answer gave this page token", field="page_token")
    return int(part)
