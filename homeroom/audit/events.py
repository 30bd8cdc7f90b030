"""The catalogue of what logs tell: every kind of entry, its fields, and what has it written."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class AuditKind(StrEnum):
    """What an entry tells."""

    DECIDED = "decided"
    RELEASED = "released"
    UNDECIDED = "undecided"
    LINK_REVIEWED = "link_reviewed"
    LINK_UNDONE = "link_undone"
    CLAIMS_SHOWN = "claims_shown"
    MATTER_ENTERED = "matter_entered"
    MATTER_ENDED = "matter_ended"
    MATTER_SHOWN = "matter_shown"
    APPROVAL_DECIDED = "approval_decided"
    REQUEST_ENTERED = "request_entered"
    LOG_ACCEPTED = "log_accepted"


@dataclass(frozen=True, slots=True)
class Event:
    """What an entry of one kind holds.

    Attributes:
        trigger: what has it written, in a sentence.
        fields: the names in its content; none is about a student.
        optional: more of them, which are left out where there is nothing to say.
    """

    trigger: str
    fields: tuple[str, ...]
    optional: tuple[str, ...] = ()


_WHO = ("requester", "user", "role")
_STEWARD = ("user", "role")
_QUESTION = ("agreement", "purpose", "basis", "dataset", "elements", "validate_only")
_SEQUENCES = ("registry_sequence", "consent_sequence")

EVENTS: Mapping[AuditKind, Event] = {
    AuditKind.DECIDED: Event(
        "A question was decided, whichever way; written before anything leaves.",
        (
            *_WHO,
            *_QUESTION,
            "allow",
            "reasons",
            "withheld",
            "released",
            "decision_digest",
            "federation_revision",
            "local_revision",
            "matter",
            "agreement_version",
            *_SEQUENCES,
        ),
        ("level", "table", "withheld_for"),
    ),
    AuditKind.RELEASED: Event(
        "An answer ended; written before the receipt leaves.",
        ("ending", "cut", "rows", "frames_digest", *_SEQUENCES),
    ),
    AuditKind.UNDECIDED: Event(
        "A question could not be read or decided; of one that could not be read, only who asked.",
        (*_WHO, "reason"),
        _QUESTION,
    ),
    AuditKind.LINK_REVIEWED: Event(
        "A person said whom a claim is about, or that it is about nobody here.",
        ("consent", "decision", *_STEWARD),
    ),
    AuditKind.LINK_UNDONE: Event("A person said that a link was wrong.", ("consent", *_STEWARD)),
    AuditKind.CLAIMS_SHOWN: Event(
        "A person was shown what forms say.", ("consents", "at", *_STEWARD)
    ),
    AuditKind.MATTER_ENTERED: Event(
        "A steward put a matter on file.",
        (
            "matter",
            "kind",
            "requester",
            "requester_keys",
            "valid_from",
            "valid_to",
            "facts_digest",
            "evidence_digest",
            "students",
            *_STEWARD,
        ),
    ),
    AuditKind.MATTER_ENDED: Event("A steward ended a matter.", ("matter", *_STEWARD)),
    AuditKind.MATTER_SHOWN: Event(
        "A steward was shown whom a matter names.", ("matter", "at", *_STEWARD)
    ),
    AuditKind.APPROVAL_DECIDED: Event(
        "A steward approved an element, denied it or took an approval back.",
        (
            "approval",
            "requester",
            "agreement",
            "purpose",
            "element",
            "decision",
            *_STEWARD,
        ),
        ("from", "to", "statement_digest"),
    ),
    AuditKind.REQUEST_ENTERED: Event(
        "A steward entered a request of someone outside the federation.",
        ("request", "requester", *_STEWARD),
    ),
    AuditKind.LOG_ACCEPTED: Event(
        "An administrator let a log go on that had lost witnessed entries.",
        ("lost_position", "lost_size", "lost_root", "kept", "reason"),
    ),
}
"""Of `students`, a number alone is written."""
