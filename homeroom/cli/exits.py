"""The exit codes of the command; docs/cli.md says the same, and a test holds the two equal."""

from collections.abc import Iterable
from enum import IntEnum
from typing import TYPE_CHECKING

from homeroom.errors import Reason

if TYPE_CHECKING:
    from homeroom.answer import Source


class ExitCode(IntEnum):
    """What a program that called `homeroom` can tell from its exit code."""

    OK = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    INCOMPLETE = 4
    UNREACHABLE = 5
    CANNOT_DECIDE = 6
    EVIDENCE_INVALID = 7
    OVERDUE = 8
    INTERRUPTED = 130


EXIT_TEXT: dict[ExitCode, str] = {
    ExitCode.OK: "done; for a question: at least one source answered, and none was silent",
    ExitCode.FAILED: "failed for another reason; the message says which",
    ExitCode.USAGE: "the command, the profile or the request is not well formed",
    ExitCode.REFUSED: "refused: not permitted, or every source refused",
    ExitCode.INCOMPLETE: (
        "some source was silent or could not decide, or some lines were rejected; the rest is done"
    ),
    ExitCode.UNREACHABLE: "nobody answered, or not in time",
    ExitCode.CANNOT_DECIDE: "the state is stale, or a policy or a log is unavailable",
    ExitCode.EVIDENCE_INVALID: "a signature, seal or digest does not check",
    ExitCode.OVERDUE: "something should have been destroyed, or certified, before today",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C",
}

EXIT_OF_REASON: dict[Reason, ExitCode] = {
    Reason.CALLER_UNKNOWN: ExitCode.REFUSED,
    Reason.NOT_PERMITTED: ExitCode.REFUSED,
    Reason.REQUEST_INVALID: ExitCode.USAGE,
    Reason.ALREADY_RECORDED: ExitCode.FAILED,
    Reason.CHANGED_MEANWHILE: ExitCode.FAILED,
    Reason.POLICY_UNAVAILABLE: ExitCode.CANNOT_DECIDE,
    Reason.TOO_MUCH_ASKED: ExitCode.FAILED,
    Reason.STATE_STALE: ExitCode.CANNOT_DECIDE,
    Reason.STATE_BEHIND: ExitCode.CANNOT_DECIDE,
    Reason.LOG_UNAVAILABLE: ExitCode.CANNOT_DECIDE,
    Reason.CLOCK_SKEWED: ExitCode.CANNOT_DECIDE,
    Reason.QUERY_REPLAYED: ExitCode.FAILED,
    Reason.SERVICE_UNREACHABLE: ExitCode.UNREACHABLE,
    Reason.DEADLINE_PASSED: ExitCode.UNREACHABLE,
    Reason.EVIDENCE_INVALID: ExitCode.EVIDENCE_INVALID,
    Reason.INTERNAL: ExitCode.FAILED,
}

_REFUSED = {"NO_PERMITTED_ANSWER"}
_ABSENT = {"TIMED_OUT", "UNREACHABLE"}


def exit_of_sources(sources: Iterable["Source"]) -> ExitCode:
    """The exit code of an answer, from what became of the question at each source."""
    outcomes = {str(source.outcome) for source in sources}
    if "EVIDENCE_INVALID" in outcomes:
        return ExitCode.EVIDENCE_INVALID
    silent = outcomes - _REFUSED - {"ANSWERED"}
    if not silent:
        refused_by_all = bool(outcomes) and outcomes <= _REFUSED
        return ExitCode.REFUSED if refused_by_all else ExitCode.OK
    if "ANSWERED" in outcomes:
        return ExitCode.INCOMPLETE
    return ExitCode.UNREACHABLE if silent <= _ABSENT else ExitCode.CANNOT_DECIDE
