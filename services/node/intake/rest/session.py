"""A session with a source: its token, and questions that carry it to that host alone."""

import base64
import time
from collections.abc import Callable, Mapping
from urllib.parse import quote_plus

from homeroom.errors import EvidenceInvalidError, NotPermittedError, RequestInvalidError
from services.node.intake.rest.access import Access, checked_url, origin_of
from services.node.intake.rest.fetching import Fetcher, Question, Response

_NOT_AUTHENTICATED = 401
# A token is renewed while a page may still be on its way with the old one.
_EARLY_SECONDS = 120.0
_GRANT = "client_credentials"


class Session:
    """Asks one source, with a token of its own."""

    def __init__(
        self,
        base_url: str,
        access: Access,
        fetcher: Fetcher,
        *,
        scopes: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base_url = checked_url(base_url)
        self.token_url = checked_url(access.token_url) if access.token_url else ""
        self._access = access
        self._fetcher = fetcher
        self._scopes = access.scopes or scopes
        self._clock = clock
        self._token = ""
        self._renew_at = 0.0

    def here(self, url: str) -> str:
        """A URL that the source names, if it is on the source's own host.

        Raises:
            EvidenceInvalidError: if it is on another: neither token nor secret goes there.
        """
        if origin_of(url) != origin_of(self.base_url):
            raise EvidenceInvalidError("the source names another host")
        return url

    def open_to_all(self, url: str) -> Response:
        """The answer to a question that carries no token."""
        return self._fetcher.fetch(Question(self.here(url)))

    def get(
        self, url: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> Response:
        """The answer to a question with the token; with a new one if that is refused, once.

        Raises:
            NotPermittedError: if the source takes neither.
        """
        for _ in range(2):
            carried = {**(headers or {}), "Authorization": f"Bearer {self._current()}"}
            answer = self._fetcher.fetch(Question(self.here(url), fields, carried))
            if answer.status != _NOT_AUTHENTICATED:
                return answer
            self._token = ""
        raise NotPermittedError("the source takes no token that it gives")

    def close(self) -> None:
        """Closes its connections."""
        self._token = ""
        self._fetcher.close()

    def _current(self) -> str:
        if not self._token or self._clock() >= self._renew_at:
            self._renew()
        return self._token

    def _renew(self) -> None:
        fields = {"grant_type": _GRANT}
        if self._scopes:
            fields["scope"] = self._scopes
        answer = self._fetcher.fetch(
            Question(self._token_url(), fields, {"Authorization": self._basic()}, "POST")
        )
        if not answer.is_good:
            raise NotPermittedError(
                "the source gives these credentials no token", status=str(answer.status)
            )
        given = answer.value if isinstance(answer.value, dict) else {}
        token, kind = given.get("access_token"), str(given.get("token_type", "bearer"))
        if not _is_token(token) or kind.lower() != "bearer":
            raise EvidenceInvalidError("the source gives what is no token")
        lasts = _number(given.get("expires_in"))
        self._token = str(token)
        self._renew_at = self._clock() + max(lasts - _EARLY_SECONDS, lasts / 2)

    def _token_url(self) -> str:
        if not self.token_url:
            raise RequestInvalidError("say where the source gives tokens", field="token_url")
        return self.token_url

    def _basic(self) -> str:
        # RFC 6749 wants both encoded as in a form, so that a colon in a key is none between them.
        pair = ":".join(quote_plus(t) for t in (self._access.client_id, self._access.client_secret))
        return "Basic " + base64.b64encode(pair.encode()).decode()


def _is_token(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable() and bool(value)


def _number(value: object) -> float:
    text = str(value)
    return float(text) if text.isascii() and text.isdecimal() else 0.0
