"""Says in words how one document differs from another: what it widens and what it narrows.

A change widens if it lets more be shared, with more people or for longer, or takes away a promise;
it narrows if it does the reverse. Every field of a document has a rule here, so that two documents
without a difference are the same; what no rule can weigh is told as neutral, for people to weigh.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from homeroom.agreement import weighing
from homeroom.agreement.clauses import Clauses, Provision
from homeroom.agreement.document import AgreementDocument, Party
from homeroom.agreement.fields import Frozen, Schools
from homeroom.agreement.schedule import Schedule
from homeroom.agreement.weighing import Direction, Rule, in_order, ranked
from homeroom.agreement.wording import CLAUSES, field_words, label

NESTED = frozenset({"parties", "schedules", "clauses", "joining", "termination", "provisions"})
"""Fields that are compared part by part."""

RULES: Mapping[str, Rule] = {
    "AgreementDocument.effective_from": ranked(weighing.earlier_widens),
    "AgreementDocument.effective_to": ranked(weighing.later_widens),
    "AgreementDocument.legal_basis": weighing.members,
    "AgreementDocument.schools": weighing.schools,
    "AgreementDocument.authorized_roles": weighing.members,
    "AgreementDocument.named_users": weighing.named_users,
    "AgreementDocument.training_required": ranked(weighing.yes_narrows),
    "AgreementDocument.min_cell_size": ranked(weighing.fewer_widens),
    "AgreementDocument.publication_review": ranked(weighing.yes_narrows),
    "JoiningOffer.kinds": weighing.members,
    "JoiningOffer.purposes": weighing.members,
    "JoiningOffer.schools": weighing.schools,
    "JoiningOffer.open_until": ranked(weighing.later_widens),
    "Schedule.elements": weighing.members,
    "Schedule.level": ranked(in_order("aggregate", "deidentified_student", "student")),
    "Schedule.record_period": weighing.period,
    "Study.ends_on": ranked(weighing.later_widens),
    "TransferNotice.copy_on_request": ranked(weighing.yes_narrows),
    "TransferNotice.hearing_on_request": ranked(weighing.yes_narrows),
    "Redisclosure.to": weighing.onward,
    "Destruction.when_no_longer_needed": ranked(weighing.yes_narrows),
    "Destruction.deadline": ranked(weighing.later_widens),
    "Destruction.within_days_of_end": ranked(weighing.more_widens),
    "Destruction.certificate_within_days": ranked(weighing.more_widens),
    "Destruction.on_revocation": ranked(
        in_order(("destroy", "return"), "keep_until_deadline", None)
    ),
    "BreachNotice.within_hours": ranked(weighing.more_widens),
    "AuditRight.notice_days": ranked(weighing.more_widens),
    "AuditRight.times_a_year": ranked(weighing.rarer_widens),
    "Subprocessors.names": weighing.members,
    "DataLocation.places": weighing.members,
    "DeidentifiedUse.allowed": ranked(weighing.yes_widens),
    "ParentRequests.within_days": ranked(weighing.more_widens),
}
"""How a field is weighed; one that has no rule is neutral."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two documents.

    Attributes:
        field: where it is, as a dotted path; a schedule by its purpose and a party by its name.
        sentence: what changed, for people.
    """

    direction: Direction
    field: str
    sentence: str


def difference(old: AgreementDocument, new: AgreementDocument) -> tuple[Change, ...]:
    """Every difference between two documents, in the order of the document."""
    return (
        *_fields("", "", old, new),
        *_parties(old, new),
        *_schedules(old, new),
        *_clauses(old.clauses, new.clauses),
        *_provisions(old.clauses.provisions, new.clauses.provisions),
        *_joining(old, new),
        *_fields("termination.", "Ending: ", old.termination, new.termination),
    )


def _fields(
    path: str, place: str, old: Frozen, new: Frozen, own_rules: Mapping[str, Rule] | None = None
) -> Iterator[Change]:
    """The differences between two parts of one kind, field by field."""
    owner = type(new)
    for field in owner.model_fields:
        before, after = getattr(old, field), getattr(new, field)
        if before == after or field in NESTED:
            continue
        rule = (own_rules or RULES).get(f"{owner.__name__}.{field}", weighing.neutral)
        words = partial(field_words, owner, field)
        found = list(rule(before, after, words)) or [
            (Direction.NEUTRAL, "the same, put in another way")
        ]
        for direction, what in found:
            yield Change(
                direction, path + field, f"{place}{label(owner, field)}: {what.rstrip('.')}."
            )


def _parties(old: AgreementDocument, new: AgreementDocument) -> Iterator[Change]:
    before = {party.organization_id: party for party in old.parties}
    after = {party.organization_id: party for party in new.parties}
    for name in sorted({*before, *after}):
        path, place = f"parties.{name}", f"Party {name}"
        if name not in after:
            yield Change(Direction.NARROWS, path, f"{place} is a party no more.")
        elif name not in before:
            role = field_words(Party, "role", after[name].role)
            yield Change(Direction.WIDENS, path, f"{place} becomes a party: {role}.")
        else:
            rules = {**RULES, "Party.role": _role}
            yield from _fields(f"{path}.", f"{place}: ", before[name], after[name], rules)
    yield from _order("parties", "Parties", list(before), list(after))


def _role(old: str, new: str, words: Any) -> weighing.Found:
    for act, roles in (("discloses", "discloser"), ("receives", "recipient")):
        did, does = old in (roles, "both"), new in (roles, "both")
        if does and not did:
            yield Direction.WIDENS, f"now {act}"
        if did and not does:
            yield Direction.NARROWS, f"{act} no more"


def _schedules(old: AgreementDocument, new: AgreementDocument) -> Iterator[Change]:
    for purpose in sorted({*old.purposes, *new.purposes}):
        before, after = old.schedule(purpose), new.schedule(purpose)
        path, place = f"schedules.{purpose}", f"Schedule for {purpose}"
        if after is None:
            yield Change(Direction.NARROWS, path, f"{place} is taken away.")
        elif before is None:
            elements = field_words(Schedule, "elements", after.elements)
            yield Change(Direction.WIDENS, path, f"{place} is added, for {elements}.")
        else:
            rules = {**RULES, **_effective(purpose, old, new)}
            yield from _fields(f"{path}.", f"{place}: ", before, after, rules)
    yield from _order("schedules", "Schedules", list(old.purposes), list(new.purposes))


def _effective(purpose: str, old: AgreementDocument, new: AgreementDocument) -> dict[str, Rule]:
    """A schedule that leaves something to the umbrella is weighed by what it gets from there."""

    def grounds(_: Any, __: Any, words: Any) -> weighing.Found:
        yield from _members(old.grounds_for(purpose), new.grounds_for(purpose), words)

    def roles(_: Any, __: Any, words: Any) -> weighing.Found:
        yield from _members(old.roles_for(purpose), new.roles_for(purpose), words)

    def schools(_: Any, __: Any, words: Any) -> weighing.Found:
        before, after = _schools(purpose, old), _schools(purpose, new)
        yield from weighing.schools(before, after, words)

    return {
        "Schedule.legal_basis": grounds,
        "Schedule.authorized_roles": roles,
        "Schedule.schools": schools,
    }


def _schools(purpose: str, document: AgreementDocument) -> dict[str, Schools]:
    return {holder: document.schools_of(holder, purpose) for holder in document.schools}


def _members(old: Any, new: Any, words: Any) -> weighing.Found:
    if old != new:
        yield from weighing.members(old, new, words)


def _clauses(old: Clauses, new: Clauses) -> Iterator[Change]:
    for name, words in CLAUSES.items():
        before, after = getattr(old, name), getattr(new, name)
        path, place = f"clauses.{name}", f"Clause on {words.heading[0].lower()}{words.heading[1:]}"
        if before is not None and after is not None:
            yield from _fields(f"{path}.", f"{place}: ", before, after)
        elif after is not None:
            yield Change(_presence(name, after), path, f"{place} is added.")
        elif before is not None:
            direction = weighing.reversed_direction(_presence(name, before))
            yield Change(direction, path, f"{place} is taken away.")


def _presence(name: str, clause: Any) -> Direction:
    """Which way a clause goes that was not there: most promise something, some permit."""
    if name in ("insurance", "governing_law", "governance"):
        return Direction.NEUTRAL
    permits = {
        "redisclosure": lambda: bool(clause.to),
        "subprocessors": lambda: bool(clause.names),
        "deidentified_use": lambda: bool(clause.allowed),
    }
    return Direction.WIDENS if permits.get(name, bool)() else Direction.NARROWS


def _provisions(old: tuple[Provision, ...], new: tuple[Provision, ...]) -> Iterator[Change]:
    for number in range(max(len(old), len(new))):
        path = f"clauses.provisions.{number}"
        if number >= len(new):
            said = f"Article {old[number].heading} is taken away."
        elif number >= len(old):
            said = f"Article {new[number].heading} is added."
        elif old[number] != new[number]:
            said = f"Article {old[number].heading} has other words: {new[number].heading}."
        else:
            continue
        yield Change(Direction.NEUTRAL, path, said)


def _joining(old: AgreementDocument, new: AgreementDocument) -> Iterator[Change]:
    before, after = old.joining, new.joining
    if before is not None and after is not None:
        yield from _fields("joining.", "Joining: ", before, after)
    elif after is not None:
        yield Change(Direction.WIDENS, "joining", "Other organizations may join.")
    elif before is not None:
        yield Change(Direction.NARROWS, "joining", "Other organizations may join no more.")


def _order(path: str, what: str, old: list[str], new: list[str]) -> Iterator[Change]:
    stay = set(old) & set(new)
    if _among(old, stay) != _among(new, stay):
        yield Change(Direction.NEUTRAL, path, f"{what} stand in another order.")


def _among(names: Iterable[str], stay: set[str]) -> list[str]:
    return [name for name in names if name in stay]
