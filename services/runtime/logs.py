"""Writes JSON lines with declared fields only, so that no student's value can slip into a log.

A field that is not declared here is dropped and counted. Messages are fixed sentences: what changes
stands in fields.
"""

import logging
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO, cast

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

ALLOWED_FIELDS = frozenset(
    {
        "event",
        "level",
        "timestamp",
        "service",
        "organization",
        "caller",
        "method",
        "reason",
        "codes",
        "reference",
        "error_type",
        "error_place",
        "address",
        "sequence",
        "engine",
        "revision",
        "seconds",
        "count",
        "state",
        "signal",
        "dropped_fields",
    }
)


def keep_declared_fields(_logger: "WrappedLogger", _method: str, event: "EventDict") -> "EventDict":
    """Drops every field that is not declared, and says how many were dropped."""
    kept = {name: value for name, value in event.items() if name in ALLOWED_FIELDS}
    if dropped := len(event) - len(kept):
        kept["dropped_fields"] = dropped
    return kept


class LossyStream:
    """Where lines may be lost, for instance on a full disk: no call fails because its line did."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def configure_logs(service: str, organization: str) -> None:
    """Sends every log line of this process to standard error, one JSON object a line."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.contextvars.merge_contextvars,
            keep_declared_fields,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", LossyStream(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service, organization=organization)
    # Libraries log what they please, student values included: only that they did is kept.
    logging.getLogger().handlers = [logging.NullHandler()]


log: structlog.stdlib.BoundLogger = structlog.get_logger()
