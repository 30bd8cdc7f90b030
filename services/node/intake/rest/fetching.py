"""Fetches JSON over HTTP: bounded in size and time, and again where that can help.

It never follows a redirect, for a token and a question about students would follow it too. What
went wrong is told by the path that was asked, never by what stood in an answer.
"""

import json
import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from homeroom.clock import utc_now
from homeroom.errors import (
    EvidenceInvalidError,
    RequestInvalidError,
    ServiceUnreachableError,
    TooMuchAskedError,
)

_PASSING = frozenset({429, 500, 502, 503, 504})
_CHUNK = 2**16
_FORM = "application/x-www-form-urlencoded"
_OK, _ELSEWHERE, _REFUSED = 200, 300, 400


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much to read, and how often to try.

    Attributes:
        seconds: for one answer, from the question to its last byte.
        page_bytes: of one answer, unpacked.
        attempts: for one answer, the first included.
        longest_wait: what a source may ask us to wait; whoever asks for more is not asked again.
        first_wait: about how long to wait before the second attempt; each next is twice as long.
        authorities: whose certificates count; None: those of this machine.
    """

    seconds: float = 120.0
    page_bytes: int = 64 * 2**20
    attempts: int = 6
    longest_wait: float = 120.0
    first_wait: float = 1.0
    authorities: Path | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """One answer.

    Attributes:
        status: 200, or what the source refused with.
        headers: by name, in lower case.
        value: the JSON, numbers as texts; None where it was refused.
    """

    status: int
    headers: Mapping[str, str]
    value: Any = None

    @property
    def is_good(self) -> bool:
        """Whether it was answered."""
        return self.status == _OK


@dataclass(frozen=True, slots=True)
class Question:
    """One request; its headers hold secrets and are never told."""

    url: str
    fields: Mapping[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    method: str = "GET"

    @property
    def path(self) -> str:
        """What may be told of it."""
        return urlsplit(self.url).path

    def sent(self) -> tuple[str, str, str | None]:
        """The method, the URL and the body."""
        said = urlencode(self.fields)
        if self.method == "POST":
            return self.method, self.url, said
        return self.method, f"{self.url}?{said}" if said else self.url, None


class Fetcher:
    """Sends questions to servers, each to its own."""

    def __init__(
        self,
        limits: Limits,
        *,
        pause: Callable[[float], None] = time.sleep,
        spread: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._limits = limits
        self._pause = pause
        self._spread = spread
        self._pool = urllib3.PoolManager(
            ssl_context=_trust(limits.authorities),
            retries=False,
            timeout=urllib3.Timeout(connect=min(10.0, limits.seconds), read=limits.seconds),
        )

    def fetch(self, question: Question) -> Response:
        """The answer; asked again while that can help.

        Raises:
            ServiceUnreachableError: if there is no whole answer in the end.
            TooMuchAskedError: if it is larger than the limit.
            EvidenceInvalidError: if it is no JSON, or sends elsewhere.
        """
        retrying = Retrying(
            stop=stop_after_attempt(self._limits.attempts),
            wait=self._wait,
            retry=retry_if_exception_type(_Passing),
            sleep=self._pause,
            reraise=True,
        )
        try:
            return retrying(self._once, question)
        except _Passing as failed:
            raise ServiceUnreachableError(
                "the source does not answer, or not whole: nothing was kept",
                path=question.path,
                last=str(failed),
            ) from None

    def close(self) -> None:
        """Closes its connections."""
        self._pool.clear()

    def _wait(self, state: RetryCallState) -> float:
        failed = state.outcome.exception() if state.outcome else None
        if isinstance(failed, _Passing) and failed.after is not None:
            return failed.after
        # Many nodes that lost one source must not all come back at the same moment.
        most = self._limits.first_wait * 2 ** (state.attempt_number - 1)
        return self._spread(most / 2, min(most, self._limits.longest_wait))

    def _once(self, question: Question) -> Response:
        deadline = time.monotonic() + self._limits.seconds
        try:
            answer = self._pool.request(
                *question.sent(),
                headers=question.headers | {"Accept": "application/json", "Content-Type": _FORM},
                redirect=False,
                preload_content=False,
            )
            try:
                return self._read(question, answer, deadline)
            finally:
                answer.close()
                answer.release_conn()
        except urllib3.exceptions.SSLError:
            raise EvidenceInvalidError("the source's certificate is not trusted") from None
        except urllib3.exceptions.LocationParseError:
            raise RequestInvalidError("the source has no such URL", field="url") from None
        except (urllib3.exceptions.HTTPError, OSError) as failed:
            raise _Passing(type(failed).__name__) from None

    def _read(
        self, question: Question, answer: urllib3.BaseHTTPResponse, deadline: float
    ) -> Response:
        headers = {name.lower(): text for name, text in answer.headers.items()}
        if answer.status in _PASSING:
            raise _Passing(str(answer.status), self._asked_to_wait(question, headers))
        if _ELSEWHERE <= answer.status < _REFUSED:
            raise EvidenceInvalidError("the source sends elsewhere", path=question.path)
        if answer.status != _OK:
            return Response(answer.status, headers)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            raise EvidenceInvalidError("the source answers with no JSON", path=question.path)
        body = self._body(question, answer, deadline)
        try:
            # A number may be an id, so it stays the text that was written.
            value = json.loads(body, parse_int=str, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError):
            raise _Passing("no JSON") from None
        return Response(_OK, headers, value)

    def _body(
        self, question: Question, answer: urllib3.BaseHTTPResponse, deadline: float
    ) -> bytearray:
        body = bytearray()
        while chunk := answer.read1(_CHUNK):
            body += chunk
            if len(body) > self._limits.page_bytes:
                raise TooMuchAskedError("an answer of the source is too large", path=question.path)
            if time.monotonic() > deadline:
                raise _Passing("too slow")
        return body

    def _asked_to_wait(self, question: Question, headers: Mapping[str, str]) -> float | None:
        seconds = _seconds(headers.get("retry-after", ""))
        if seconds is not None and seconds > self._limits.longest_wait:
            raise ServiceUnreachableError(
                "the source asks to wait too long", path=question.path, seconds=f"{seconds:.0f}"
            )
        return seconds


class _Passing(Exception):  # noqa: N818  # never leaves this module; it says what, not that
    """What another attempt may mend."""

    def __init__(self, what: str, after: float | None = None) -> None:
        super().__init__(what)
        self.after = after


def _trust(authorities: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authorities)
    except (OSError, ssl.SSLError):
        raise RequestInvalidError(
            "the file of authorities cannot be read", field="authorities"
        ) from None


def _seconds(retry_after: str) -> float | None:
    """How long a header asks to wait: so many seconds, or until a time."""
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
        return max(0.0, (until - utc_now()).total_seconds())
    except (ValueError, TypeError):
        return None
