"""The parts of an agreement in the order in which people read it, in words.

The HTML and the PDF show the same outline, so that neither leaves out what the other says. Every
field of the document is in it, and at its end stand the exact bytes that the parties sign.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from homeroom.agreement.clauses import Clauses, Provision
from homeroom.agreement.document import AgreementDocument, Party
from homeroom.agreement.fields import Frozen, Schools
from homeroom.agreement.schedule import Schedule
from homeroom.agreement.wording import CLAUSES, code_words, field_words, in_words, label

UNKNOWN_KEY = "0" * 64
"""Stands for a key in a draft: the registry names the key when the draft is proposed."""

_OF_THE_AGREEMENT = (
    "title agreement_id version supersedes kind effective_from effective_to legal_basis"
)

Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an agreement, as people read it.

    Attributes:
        paragraphs: what it says, in sentences.
        rows: its particulars, each with its label.
        exact: text whose every blank and line end counts.
    """

    heading: str
    paragraphs: tuple[str, ...] = ()
    rows: Rows = ()
    parts: tuple["Part", ...] = ()
    exact: str = ""


def is_draft(document: AgreementDocument) -> bool:
    """Whether some party's keys are not named yet, so that nobody can sign it."""
    keys = {key for p in document.parties for key in (p.signing_key_id, p.sealing_key_id)}
    return UNKNOWN_KEY in keys


def outline_of(document: AgreementDocument) -> tuple[Part, ...]:
    """The parts of an agreement, in order."""
    return (
        _agreement(document),
        Part("Parties", parts=tuple(_party(party) for party in document.parties)),
        _covered(document),
        Part("Schedules", parts=tuple(_schedule(s, document) for s in document.schedules)),
        _clauses(document.clauses),
        _joining(document),
        _ending(document),
        _signatures(document),
        Part(
            "Annex: the exact document",
            ("This is what machines read, byte for byte, and what the document's digest covers.",),
            exact=document.encode().decode(),
        ),
    )


def promises_of(clauses: Clauses) -> tuple[Part, ...]:
    """What was agreed, clause by clause, and then the parties' own articles."""
    agreed = [name for name in CLAUSES if getattr(clauses, name) is not None]
    return (
        *(_clause(name, getattr(clauses, name)) for name in agreed),
        *(_provision(provision) for provision in clauses.provisions),
    )


def _agreement(document: AgreementDocument) -> Part:
    return Part(
        "The agreement",
        (document.preamble,) if document.preamble else (),
        _with_key_words(_rows(document, _OF_THE_AGREEMENT)),
    )


def _party(party: Party) -> Part:
    name = party.legal_name or party.organization_id
    rows = _rows(party, "organization_id role signing_key_id sealing_key_id")
    if party.signatory is not None:
        rows += _rows(party.signatory, "name title")
    return Part(name, rows=_with_key_words(rows))


def _with_key_words(rows: Rows) -> Rows:
    said = "named when this draft is proposed"
    return tuple((head, said if text == UNKNOWN_KEY else text) for head, text in rows)


def _covered(document: AgreementDocument) -> Part:
    roles = document.authorized_roles
    rows = (
        *_schools(document.schools),
        ("Roles that may ask", "any role" if roles is None else in_words(roles)),
        *(
            (f"Only these users of {name} may ask", in_words(users))
            for name, users in sorted(document.named_users.items())
        ),
        *_rows(document, "training_required min_cell_size publication_review"),
    )
    return Part("Whom it covers, and who may ask", rows=rows)


def _schedule(schedule: Schedule, document: AgreementDocument) -> Part:
    paragraphs = (schedule.text,) + ((schedule.activity,) if schedule.activity else ())
    rows: list[tuple[str, str]] = list(_rows(schedule, "purpose level"))
    rows += [(f"Element {n}", in_words(e)) for n, e in enumerate(schedule.elements, 1)]
    rows += _rows(schedule, "legal_basis")
    if schedule.schools is not None:
        rows += _schools(schedule.schools) or [("Schools", "none")]
    if schedule.authorized_roles is not None:
        rows += [("Roles that may ask", in_words(schedule.authorized_roles))]
    if schedule.record_period is not None:
        days = schedule.record_period
        rows += [("Records about", f"{in_words(days.first_day)} to {in_words(days.last_day)}")]
    return Part(f"Schedule for {schedule.purpose.replace('_', ' ')}", paragraphs, tuple(rows))


def _clauses(clauses: Clauses) -> Part:
    absent = [CLAUSES[name].heading for name in CLAUSES if getattr(clauses, name) is None]
    left_out = (f"The parties have agreed nothing on: {'; '.join(absent)}.",) if absent else ()
    return Part("What the parties promise one another", left_out, parts=promises_of(clauses))


def _clause(name: str, clause: Frozen) -> Part:
    words = CLAUSES[name]
    own = getattr(clause, "text", None)
    paragraphs = (f"{words.sentence} ({words.citation})",) + ((own,) if own else ())
    fields = " ".join(field for field in type(clause).model_fields if field != "text")
    return Part(words.heading, paragraphs, _rows(clause, fields))


def _provision(provision: Provision) -> Part:
    return Part(provision.heading, (provision.text,))


def _joining(document: AgreementDocument) -> Part:
    offer = document.joining
    if offer is None:
        return Part("Joining", ("Nobody may join this agreement; it takes a new version.",))
    return Part(
        "Joining",
        (
            "An organization of these kinds may join, once every holder whose data it would reach "
            "has counter-signed. It may ask for no more than this.",
        ),
        (*_rows(offer, "kinds purposes open_until"), *_schools(offer.schools)),
    )


def _ending(document: AgreementDocument) -> Part:
    return Part(
        "Ending",
        (
            "Any party may suspend its part or end it, and sharing with it stops at once. Notice "
            "is what it owes the others, and delays nothing.",
        ),
        _rows(document.termination, "by_one_party notice_days effect"),
    )


def _signatures(document: AgreementDocument) -> Part:
    signs = (
        "Each party signs a statement that names the digest of this document and the digest of "
        "this rendering. The agreement is in force when every party has signed."
    )
    names = ((p.legal_name or p.organization_id, p.signatory) for p in document.parties)
    return Part(
        "Signatures",
        (signs,),
        tuple((name, f"{who.name}, {who.title}" if who else "") for name, who in names),
    )


def _rows(owner: Frozen, fields: str) -> Rows:
    return tuple(row for field in fields.split() for row in _row(owner, field))


def _row(owner: Frozen, field: str) -> Iterator[tuple[str, str]]:
    value, kind = getattr(owner, field), type(owner)
    head = label(kind, field)
    if value is None:
        return
    if isinstance(value, tuple) and value and isinstance(value[0], Frozen):
        yield from ((head, in_words(one)) for one in value)
        return
    yield head, field_words(kind, field, value)


def _schools(schools: Mapping[str, Schools]) -> list[tuple[str, str]]:
    return [
        (f"Schools of {holder}", code_words("all") if named == "all" else in_words(named))
        for holder, named in sorted(schools.items())
    ]
