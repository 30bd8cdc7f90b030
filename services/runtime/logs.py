"""Writes JSON lines with declared fields only, so that no student's value can slip into a log.

A field that is not declared here is dropped and counted. Messages are fixed sentences: what changes
stands in fields. A protobuf message is written without what it may tell of a person; of any other
object only its type is written, and of an error that nobody caught its type and place.
"""

import logging
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO, cast

import structlog
from google.protobuf.message import Message

from homeroom.redaction import redacted

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


def redact_values(_logger: "WrappedLogger", _method: str, event: "EventDict") -> "EventDict":
    """Writes nothing of an object that nobody has decided about."""
    return {name: _written(value) for name, value in event.items()}


def _written(value: Any) -> Any:
    if isinstance(value, Message):
        return redacted(value)
    if value is None or isinstance(value, str | int | float):
        return value
    return type(value).__name__


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
            redact_values,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", LossyStream(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service, organization=organization)
    # Libraries log what they please, student values included: only that they did is kept.
    logging.getLogger().handlers = [logging.NullHandler()]
    logging.captureWarnings(capture=True)
    _log_what_nobody_caught()


def place_of(trace: TracebackType | None) -> str:
    """Where an error was raised: file and line."""
    frames = traceback.extract_tb(trace)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def _log_what_nobody_caught() -> None:
    """Keeps the interpreter from writing an error's text, which may hold a person's data."""

    def told(kind: type[BaseException] | None, trace: TracebackType | None) -> None:
        name = kind.__name__ if kind is not None else ""
        log.error("nobody caught an error", error_type=name, error_place=place_of(trace))

    sys.excepthook = lambda kind, _error, trace: told(kind, trace)
    threading.excepthook = lambda caught: told(caught.exc_type, caught.exc_traceback)
    sys.unraisablehook = lambda caught: told(caught.exc_type, caught.exc_traceback)


log: structlog.stdlib.BoundLogger = structlog.get_logger()
