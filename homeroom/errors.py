"""The errors of Homeroom: one exception for each reason a call can fail for.

    HomeroomError
    ├── CallerUnknownError        CALLER_UNKNOWN       no certificate or user we trust
    ├── NotPermittedError         NOT_PERMITTED        refused, or does not exist: never told apart
    ├── RequestInvalidError       REQUEST_INVALID      can never succeed as written
    ├── AlreadyRecordedError      ALREADY_RECORDED     same key, different content
    ├── ChangedMeanwhileError     CHANGED_MEANWHILE    read again, then decide
    ├── PolicyUnavailableError    POLICY_UNAVAILABLE   no usable decision; nothing was released
    ├── TooMuchAskedError         TOO_MUCH_ASKED       beyond a limit
    ├── StateStaleError           STATE_STALE          agreements or consents not confirmed lately
    ├── StateBehindError          STATE_BEHIND         the holder has not seen the asked-for state
    ├── LogUnavailableError       LOG_UNAVAILABLE      what cannot be recorded is not released
    ├── ClockSkewedError          CLOCK_SKEWED         the query's time is too far off
    ├── QueryReplayedError        QUERY_REPLAYED       the query was asked before
    ├── ServiceUnreachableError   SERVICE_UNREACHABLE  nobody answers there, or not yet
    ├── DeadlinePassedError       DEADLINE_PASSED      not finished in time
    ├── EvidenceInvalidError      EVIDENCE_INVALID     a signature, seal or digest is wrong
    └── InternalError             INTERNAL             failed inside; the reference finds it

Messages and metadata never hold a student's data: they may be logged and shown to anyone.
"""

from enum import StrEnum
from typing import ClassVar


class Reason(StrEnum):
    """Why a call failed; equal to `ErrorReason` of the protos without its prefix."""

    CALLER_UNKNOWN = "CALLER_UNKNOWN"
    NOT_PERMITTED = "NOT_PERMITTED"
    REQUEST_INVALID = "REQUEST_INVALID"
    ALREADY_RECORDED = "ALREADY_RECORDED"
    CHANGED_MEANWHILE = "CHANGED_MEANWHILE"
    POLICY_UNAVAILABLE = "POLICY_UNAVAILABLE"
    TOO_MUCH_ASKED = "TOO_MUCH_ASKED"
    STATE_STALE = "STATE_STALE"
    STATE_BEHIND = "STATE_BEHIND"
    LOG_UNAVAILABLE = "LOG_UNAVAILABLE"
    CLOCK_SKEWED = "CLOCK_SKEWED"
    QUERY_REPLAYED = "QUERY_REPLAYED"
    SERVICE_UNREACHABLE = "SERVICE_UNREACHABLE"
    DEADLINE_PASSED = "DEADLINE_PASSED"
    EVIDENCE_INVALID = "EVIDENCE_INVALID"
    INTERNAL = "INTERNAL"


class HomeroomError(Exception):
    """What every error of Homeroom is.

    Attributes:
        reason: why, as a word that programs compare.
        message: why, as a sentence for people.
        metadata: the message's changing parts, by name.
    """

    reason: ClassVar[Reason] = Reason.INTERNAL

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata


class CallerUnknownError(HomeroomError):
    """The caller has no certificate we trust, or its user is not authenticated."""

    reason = Reason.CALLER_UNKNOWN


class NotPermittedError(HomeroomError):
    """The call is refused, or what it names does not exist."""

    reason = Reason.NOT_PERMITTED

    @property
    def codes(self) -> tuple[str, ...]:
        """The reason codes about the question, where the caller may be told; sorted."""
        told = self.metadata.get("codes", "")
        return tuple(told.split(",")) if told else ()


class RequestInvalidError(HomeroomError):
    """The request can never succeed as it is written."""

    reason = Reason.REQUEST_INVALID


class AlreadyRecordedError(HomeroomError):
    """The same key was recorded before with other content."""

    reason = Reason.ALREADY_RECORDED


class ChangedMeanwhileError(HomeroomError):
    """The thing changed since the caller last read it."""

    reason = Reason.CHANGED_MEANWHILE


class PolicyUnavailableError(HomeroomError):
    """The policy engine gave no usable decision; nothing was released."""

    reason = Reason.POLICY_UNAVAILABLE


class TooMuchAskedError(HomeroomError):
    """More was asked than the limits allow."""

    reason = Reason.TOO_MUCH_ASKED


class StateStaleError(HomeroomError):
    """The holder last confirmed agreements or consents longer ago than it accepts."""

    reason = Reason.STATE_STALE


class StateBehindError(HomeroomError):
    """The holder has not yet seen the state that the query asks it to have seen."""

    reason = Reason.STATE_BEHIND


class LogUnavailableError(HomeroomError):
    """The holder could not write its log, and so released nothing more."""

    reason = Reason.LOG_UNAVAILABLE


class ClockSkewedError(HomeroomError):
    """The query's time is too far from the clock of the service that reads it."""

    reason = Reason.CLOCK_SKEWED


class QueryReplayedError(HomeroomError):
    """The query was asked before."""

    reason = Reason.QUERY_REPLAYED


class ServiceUnreachableError(HomeroomError):
    """The service could not be reached or is not ready."""

    reason = Reason.SERVICE_UNREACHABLE


class DeadlinePassedError(HomeroomError):
    """The deadline passed before the call was finished."""

    reason = Reason.DEADLINE_PASSED


class EvidenceInvalidError(HomeroomError):
    """A signature, a seal or a digest does not check."""

    reason = Reason.EVIDENCE_INVALID


class InternalError(HomeroomError):
    """Something failed inside; the reference in the metadata finds it in the service's own log."""

    reason = Reason.INTERNAL


ERROR_OF_REASON: dict[Reason, type[HomeroomError]] = {
    error.reason: error for error in HomeroomError.__subclasses__()
}
