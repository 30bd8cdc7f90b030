"""Says in plain words, or as a table, what stands in a disclosure record."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from homeroom.agreement.outline import Part
from homeroom.api.node.v1 import disclosure_service_pb2 as pb
from homeroom.errors import RequestInvalidError

COLUMNS = (
    *("log_index", "written", "event", "regimes", "requester", "affiliation", "person", "role"),
    *("basis", "purpose", "interest", "agreement", "agreement_version", "consents", "matter"),
    *("dataset", "first_day", "last_day", "elements_asked", "elements_released", "students"),
    *("reasons", "withheld", "obligations", "passed_on_to", "authorities", "released_by"),
    *("releaser_role", "releaser_key", "secret", "secret_until", "ended", "rows", "cut"),
    *("frames_digest", "question_digest", "federation_revision", "local_revision"),
    *("declared_by", "threat", "certified"),
)
"""What a table of the record has: the fields that 34 CFR 99.32 and 603 CMR 23.07 ask for."""

_EVENTS: Mapping[str, str] = {
    "request_refused": "asked, and was refused",
    "request": "asked what it might have; nothing left",
    "unnamed_answer": "was told numbers or records without names",
    "disclosure": "received records",
}

_GROUNDS: Mapping[str, str] = {
    "consent": "the family allowed it",
    "school_official": "it works for the school",
    "transfer": "the student goes to school there",
    "audit_evaluation": "an audit or evaluation of a program",
    "studies": "a study for the school",
    "judicial_order": "a court's order or a subpoena",
    "health_safety_emergency": "an emergency",
    "emergency": "an emergency",
    "child_welfare": "it is responsible for the child",
    "directory_information": "directory information",
    "parent_or_student_access": "the family's own right",
}

_NOBODY = "Nobody has asked for these records, and nothing has left."
_NO_LAW = "no law asks for this entry; it is kept all the same"


def row_of(entry: pb.DisclosureEntry) -> dict[str, Any]:
    """One entry under the names of `COLUMNS`."""
    ended = entry.ended if entry.HasField("ended") else None
    values = (
        *(entry.log_index, _at(entry, "write_time"), entry.event, _joined(entry.regimes)),
        *(entry.requester, entry.affiliation, entry.user_id, entry.role, entry.basis),
        *(entry.purpose, entry.interest, entry.agreement_id, entry.agreement_version or ""),
        *(_joined(entry.consent_ids), entry.matter_id, entry.dataset, entry.first_day),
        *(entry.last_day, _joined(entry.elements), _joined(entry.released)),
        *(entry.student_count, _joined(entry.reasons), _withheld(entry)),
        *(_joined(entry.obligations), _onward(entry), _joined(entry.authorities)),
        *(entry.released_by, entry.releaser_role, entry.releaser_key, entry.secret),
        _at(entry, "secret_until"),
        ended.end_time.ToJsonString() if ended else "",
        *((ended.row_count, ended.cut, ended.frames_digest) if ended else ("", "", "")),
        *(entry.query_digest, entry.federation_revision, entry.local_revision),
        *(entry.declared_by, entry.threat, "; ".join(map(_certified, entry.certified))),
    )
    return dict(zip(COLUMNS, values, strict=True))


def csv_of(entries: Sequence[pb.DisclosureEntry]) -> str:
    """The entries as CSV, one on each line; what a spreadsheet would run as a formula is text."""
    written = io.StringIO()
    table = csv.DictWriter(written, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows({k: _harmless(v) for k, v in row_of(one).items()} for one in entries)
    return written.getvalue()


def told(entry: pb.DisclosureEntry) -> list[tuple[str, str]]:
    """One entry for a family: a question and its answer on each line."""
    who = entry.affiliation or entry.requester
    person = f", by {entry.user_id} ({entry.role})" if entry.user_id else ""
    lines = [
        ("When", _at(entry, "write_time").replace("T", " at ").replace("Z", " UTC")),
        ("Who", f"{who} ({entry.requester}){person}"),
        ("What happened", _EVENTS.get(entry.event, entry.event)),
        ("Why it may", _why(entry)),
        ("What it is for", entry.interest or _plain(entry.purpose)),
        ("What was asked for", _words(entry.elements)),
        ("What left", _words(entry.released) or "nothing"),
        ("About which days", _days(entry)),
        ("Passed on to", _onward(entry)),
        ("May be told further by", _joined(entry.authorities)),
        ("Emergency", _emergency(entry)),
        ("Sent by", f"{entry.released_by} ({entry.releaser_role})" if entry.released_by else ""),
        ("It stopped in the middle", "yes" if entry.ended.cut else ""),
        ("What became of it", " ".join(map(_became, entry.certified))),
        ("Kept because of", _joined(map(_plain, entry.regimes)) or _NO_LAW),
        ("Number of this entry", str(entry.log_index)),
    ]
    return [(question, answer) for question, answer in lines if answer]


def text_of(title: str, entries: Sequence[pb.DisclosureEntry]) -> str:
    """The record in plain words."""
    parts = [title, "=" * len(title), ""]
    if not entries:
        parts += [_NOBODY]
    for entry in entries:
        parts += [f"{question}: {answer}" for question, answer in told(entry)] + [""]
    return "\n".join(parts).rstrip() + "\n"


def pdf_of(title: str, entries: Sequence[pb.DisclosureEntry]) -> bytes:
    """The record in plain words, as a PDF.

    Raises:
        RequestInvalidError: if what prints is not installed.
    """
    try:
        from homeroom.printing import print_parts  # noqa: PLC0415 - an extra
    except ImportError:
        raise RequestInvalidError("printing needs the extra homeroom[print]", field="pdf") from None
    parts = [Part(heading="Entry", rows=tuple(told(entry))) for entry in entries]
    nobody = Part(heading="No entry", paragraphs=(_NOBODY,))
    return print_parts(title, parts or [nobody])


def _why(entry: pb.DisclosureEntry) -> str:
    ground = _GROUNDS.get(entry.basis, _plain(entry.basis))
    beside = [
        f"under agreement {entry.agreement_id}" if entry.agreement_id else "",
        f"by consent {_joined(entry.consent_ids)}" if entry.consent_ids else "",
    ]
    return ", ".join(filter(None, (ground, *beside)))


def _days(entry: pb.DisclosureEntry) -> str:
    if not entry.first_day and not entry.last_day:
        return ""
    return f"{entry.first_day or 'the beginning'} to {entry.last_day or 'now'}"


def _emergency(entry: pb.DisclosureEntry) -> str:
    said = f" (said by {entry.declared_by})" if entry.declared_by else ""
    return f"{entry.threat}{said}" if entry.threat else ""


_KEPT: Mapping[str, str] = {
    "core_record": "it is the core of a record that may stay for good",
    "own_record": "it is their own record by now",
    "open_request": "a family has asked to see it; after that it is destroyed",
    "legal_hold": "the law has it kept for now; after that it is destroyed",
}


def _became(said: pb.CertifiedDestruction) -> str:
    """What the recipient has told of its destruction, as a sentence."""
    came = said.receive_time.ToJsonString()[: len("2026-01-31")]
    what = "what left by the consent that was taken back" if said.consent_id else "it"
    if said.kept_because:
        because = _KEPT.get(said.kept_because, _plain(said.kept_because))
        return f"They told us on {came} that they keep {what}: {because}."
    if said.method == "returned":
        return f"They told us on {came} that they returned {what} by {said.destroy_date}."
    return f"They told us on {came} that they destroyed {what} by {said.destroy_date}."


def _certified(said: pb.CertifiedDestruction) -> str:
    """The same in words that machines read."""
    what = (
        f"kept {said.kept_because}" if said.kept_because else f"{said.method} {said.destroy_date}"
    )
    part = f" of consent {said.consent_id}" if said.consent_id else ""
    return f"{said.receive_time.ToJsonString()}: {what}{part}"


def _onward(entry: pb.DisclosureEntry) -> str:
    return "; ".join(
        f"{one.organization_id}: {one.interest}" if one.interest else one.organization_id
        for one in entry.onward
    )


def _withheld(entry: pb.DisclosureEntry) -> str:
    return "; ".join(f"{element}: {why}" for element, why in sorted(entry.withheld.items()))


def _at(entry: pb.DisclosureEntry, field: Any) -> str:
    return getattr(entry, field).ToJsonString() if entry.HasField(field) else ""


def _joined(words: Any) -> str:
    return "; ".join(words)


def _words(names: Any) -> str:
    return ", ".join(map(_plain, names))


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value
