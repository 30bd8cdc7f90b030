"""How a source is reached: where it may be, and with which credentials."""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, urlsplit

from homeroom.errors import RequestInvalidError
from services.node.intake.rest.fetching import Limits
from services.node.settings import IntakeSettings

_OWN_MACHINE = frozenset({"127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Access:
    """What a person has set for reading from a source.

    Attributes:
        token_url: where tokens are given; empty, where the source itself says, on its own host.
        scopes: what to ask a token for; empty, what the kind of source needs.
        page_size: how many objects to ask for at once.
    """

    client_id: str
    client_secret: str = field(repr=False)
    token_url: str = ""
    scopes: str = ""
    page_size: int = 500
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def of(cls, settings: IntakeSettings) -> Self:
        """The access that the settings give.

        Raises:
            RequestInvalidError: if there is no secret, or no file to read it from.
        """
        return cls(
            settings.client_id,
            settings.secret(),
            settings.token_url,
            settings.scopes,
            settings.page_size,
            Limits(
                seconds=settings.response_seconds,
                page_bytes=settings.page_megabytes * 2**20,
                attempts=settings.attempts,
                authorities=settings.authorities,
            ),
        )


def checked_url(url: str) -> str:
    """A URL that a token may go to: TLS, or this machine.

    Raises:
        RequestInvalidError: if it is none; the URL is not repeated, for it may hold a password.
    """
    try:
        parts = urlsplit(url)
        is_good = _is_good(parts)
    except ValueError:
        is_good = False
    if not is_good:
        raise RequestInvalidError(
            "the source is named by an https URL without user, password or question mark",
            field="url",
        )
    return url.rstrip("/")


def _is_good(parts: SplitResult) -> bool:
    is_plain = parts.scheme == "http" and parts.hostname in _OWN_MACHINE
    is_bare = not (parts.username or parts.password or parts.query or parts.fragment)
    named = bool(parts.hostname) and parts.port != 0
    return named and is_bare and (parts.scheme == "https" or is_plain)


def origin_of(url: str) -> tuple[str, str, int]:
    """The scheme, host and port of a URL; two URLs of one origin are one server.

    Raises:
        RequestInvalidError: if it has none.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise RequestInvalidError("the source names what is no URL", field="url") from None
    return parts.scheme, (parts.hostname or "").lower(), port
