"""What the call that a task serves has to do with a trace; nothing, where there are no traces."""

from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Protocol, TypeAlias

Metadata: TypeAlias = tuple[tuple[str, str], ...]
"""What is sent along with a call, so that the next service goes on with the trace."""


class CallSpan(Protocol):
    """One call in a trace."""

    def tell_rows(self, rows: int) -> None:
        """Notes how many rows left."""
        ...

    def calling(self, method: str, organization_id: str) -> AbstractContextManager[Metadata]:
        """A span of a call that is made to serve this one, for as long as the block runs."""
        ...


_serving: ContextVar[CallSpan] = ContextVar("serving")


def remember_span(span: CallSpan) -> None:
    """Notes the span of the call that this task serves; each call has a task of its own."""
    _serving.set(span)


def calling(method: str, organization_id: str) -> AbstractContextManager[Metadata | None]:
    """A span of a call that this task makes, with what to send along; None without traces."""
    span = _serving.get(None)
    return nullcontext() if span is None else span.calling(method, organization_id)


def tell_rows(rows: int) -> None:
    """Notes in the trace, if there is one, how many rows left."""
    span = _serving.get(None)
    if span is not None:
        span.tell_rows(rows)
