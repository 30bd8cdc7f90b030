"""The catalogue of what logs tell: every kind of entry, its fields, and what has it written."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class AuditKind(StrEnum):
    """What an entry tells."""

    DECIDED = "decided"
    RELEASED = "released"
    RESUMED = "resumed"
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
    PERSON_ADMITTED = "person_admitted"
    PERSON_REFUSED = "person_refused"
    CONSENTS_ARRIVED = "consents_arrived"
    CONSENTS_SETTLED = "consents_settled"
    AGREEMENT_SEEN = "agreement_seen"
    POLICY_TAKEN = "policy_taken"
    POLICY_REFUSED = "policy_refused"
    NODE_STARTED = "node_started"
    RECORDS_IMPORTED = "records_imported"
    RECORDS_EXPORTED = "records_exported"
    BACKUP_MADE = "backup_made"
    CODES_MADE = "codes_made"
    TABLES_FROZEN = "tables_frozen"
    RIGHTS_NOTED = "rights_noted"
    RECORD_SHOWN = "record_shown"
    QUESTION_PASSED = "question_passed"
    QUESTION_ENDED = "question_ended"
    QUESTION_RESUMED = "question_resumed"
    QUESTION_REFUSED = "question_refused"
    CALLER_REFUSED = "caller_refused"
    GATEWAY_STARTED = "gateway_started"
    DESTRUCTION_CERTIFIED = "destruction_certified"
    DESTRUCTION_OVERDUE = "destruction_overdue"
    CERTIFICATE_SENT = "certificate_sent"


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
_CARRIED = (
    "requester",
    "role",
    "agreement",
    "agreement_version",
    "purpose",
    "basis",
    "dataset",
    "elements",
    "level",
    "validate_only",
    "registry_sequence",
)
_CERTIFICATE = ("agreement", "method", "destroyed_on", "role", "answers", "kept")
_SETTLED = ("settled", "allowing", "problems")
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
        "An answer ended; written before the receipt leaves. Also where it broke off, for its "
        "caller left or something failed: then `cut`, with the rows that had left.",
        ("ending", "cut", "rows", "frames_digest", *_SEQUENCES),
    ),
    AuditKind.RESUMED: Event(
        "A requester went on with an answer that had broken off; written before anything more of "
        "it leaves. `from_piece` is the first piece that it wants, of `pieces_left` that had left "
        "by then; `query_digest` is that of this act, `question` that of the query.",
        (*_WHO, "question", "from_piece", "pieces_left"),
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
    AuditKind.PERSON_ADMITTED: Event(
        "A person's token was accepted for the first time; `query_digest` is the token's.", _WHO
    ),
    AuditKind.PERSON_REFUSED: Event(
        "A query that a known organization signed was not admitted; at most one a minute for each "
        "organization and reason, with the number of those since that have no entry.",
        ("requester", "reason"),
        ("earlier",),
    ),
    AuditKind.CONSENTS_ARRIVED: Event(
        "Consents and withdrawals arrived and were kept, many at once; the digest is over their "
        "identifiers in their order.",
        (*_SETTLED, "revoked", "narrowed", "rotated", "changes_digest", "consent_sequence"),
    ),
    AuditKind.CONSENTS_SETTLED: Event(
        "Consents that had arrived before were settled again, many at once.",
        (*_SETTLED, "changes_digest"),
    ),
    AuditKind.AGREEMENT_SEEN: Event(
        "An agreement's history grew: a version came in force, or a party suspended, resumed or "
        "ended its part.",
        ("agreement", "version", "length", "head", "suspended_by", "ended_by", "joined"),
    ),
    AuditKind.POLICY_TAKEN: Event(
        "A new bundle of a policy was taken and decides from now on.",
        ("scope", "sequence", "bundle_digest"),
    ),
    AuditKind.POLICY_REFUSED: Event(
        "A policy's file was not taken; the policy before it goes on deciding.", ("scope", "why")
    ),
    AuditKind.NODE_STARTED: Event(
        "A node started: its keys, settings and policies; the digest is over the settings without "
        "addresses of databases.",
        (
            "signing_key",
            "sealing_key",
            "settings_digest",
            "federation_revision",
            "local_revision",
            "views",
        ),
    ),
    AuditKind.RECORDS_IMPORTED: Event(
        "The node found an import that it had not noted yet.",
        ("run", "source", "format", "finished_at", "tables", "rejected"),
    ),
    AuditKind.RECORDS_EXPORTED: Event(
        "The records are about to be written to a file.", ("format", "students")
    ),
    AuditKind.BACKUP_MADE: Event(
        "The node's databases are about to be copied into a backup, and how many key files with "
        "them.",
        ("keys",),
    ),
    AuditKind.CODES_MADE: Event("Link codes were made for forms.", ("students",)),
    AuditKind.TABLES_FROZEN: Event("Tables of counts were frozen.", ("tables",)),
    AuditKind.RIGHTS_NOTED: Event(
        "Who holds the rights over a student's records was noted, or a note taken back.",
        ("right", "cleared"),
    ),
    AuditKind.RECORD_SHOWN: Event(
        "A person asked to read the disclosure record, or for a copy of what left.",
        ("view", "at", "allowed", *_STEWARD),
        ("about", "copy_of", "entries", "of_requester", "of_agreement", "of_element", "of_user"),
    ),
    AuditKind.QUESTION_PASSED: Event(
        "At the gateway: a question is about to be put to holders; written before any is asked.",
        (*_CARRIED, "holders"),
    ),
    AuditKind.QUESTION_ENDED: Event(
        "At the gateway: each holder's part of an answer ended, or the caller left before; written "
        "before the caller is told the last of it.",
        ("outcomes", "left"),
        ("error_reasons",),
    ),
    AuditKind.QUESTION_RESUMED: Event(
        "At the gateway: holders are about to be asked to go on with answers that broke off; "
        "written before any is. `query_digest` is that of this act, which a `question_ended` has "
        "too; `question` that of the query.",
        ("requester", "role", "question", "holders"),
    ),
    AuditKind.QUESTION_REFUSED: Event(
        "At the gateway: a question was read and put to nobody; the same query once, however often "
        "it comes.",
        (*_CARRIED, "reason", "codes"),
    ),
    AuditKind.CALLER_REFUSED: Event(
        "At the gateway: a call was refused before its question was decided: for who asks, for "
        "its form, or for how much is asked; by each replica at most one a minute for each "
        "organization, by its certificate, and reason, with the number of those since that have "
        "no entry.",
        ("requester", "reason"),
        ("earlier",),
    ),
    AuditKind.GATEWAY_STARTED: Event(
        "A gateway started: its key, settings and policy; the digest is over the settings without "
        "the address of the database.",
        ("checkpoint_key", "settings_digest", "federation_revision"),
    ),
    AuditKind.DESTRUCTION_CERTIFIED: Event(
        "A recipient's certificate of destruction came and was kept; `query_digest` is the "
        "certificate's, `kept` how many of its answers are not destroyed.",
        ("requester", *_CERTIFICATE),
    ),
    AuditKind.DESTRUCTION_OVERDUE: Event(
        "A certificate of destruction had not come by its day; once for each recipient, agreement, "
        "rule and day.",
        ("requester", "agreement", "rule", "due", "certificate_by", "answers"),
    ),
    AuditKind.CERTIFICATE_SENT: Event(
        "A holder had signed that this organization's own certificate of destruction came; "
        "`query_digest` is the certificate's.",
        ("holder", *_CERTIFICATE, "holder_log_index"),
    ),
}
"""Of `students`, a number alone is written."""
