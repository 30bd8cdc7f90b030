"""Says what another policy would have answered instead: same, less, more, and in which part.

A decision that both narrows and widens counts as widened: something leaves that did not before.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from homeroom.checks import RowCondition
from services.node.domain.decision import Decision, Grant, Schools

_EXAMPLES = 5


class ChangeKind(StrEnum):
    """How one decision compares with another on the same question."""

    SAME = "same"
    NARROWED = "narrowed"
    WIDENED = "widened"
    NEWLY_ALLOWED = "newly_allowed"
    NEWLY_DENIED = "newly_denied"

    @property
    def releases_more(self) -> bool:
        return self in (ChangeKind.WIDENED, ChangeKind.NEWLY_ALLOWED)


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """One part of a grant in which two decisions differ.

    Attributes:
        part: elements, conditions, schools, min_ages, min_cell_size, obligations,
            row_obligations or not_after.
        wider: whether the second one releases more in this part.
        what: in words.
    """

    part: str
    wider: bool
    what: str


@dataclass(frozen=True, slots=True)
class DecisionChange:
    """How one question would be answered instead."""

    kind: ChangeKind
    differences: tuple[Difference, ...] = ()


def compare(current: Decision | None, candidate: Decision | None) -> DecisionChange:
    """Compares two decisions on one question; None is none at all, which releases nothing."""
    old = current.grant if current else None
    new = candidate.grant if candidate else None
    if old is None and new is None:
        same = (current and current.reasons) == (candidate and candidate.reasons)
        told = () if same else (Difference("reasons", wider=False, what=_reasons(candidate)),)
        return DecisionChange(ChangeKind.SAME, told)
    if old is None:
        return DecisionChange(ChangeKind.NEWLY_ALLOWED)
    if new is None:
        why = Difference("reasons", wider=False, what=_reasons(candidate))
        return DecisionChange(ChangeKind.NEWLY_DENIED, (why,))
    differences = tuple(sorted(_differences(old, new)))
    if any(difference.wider for difference in differences):
        return DecisionChange(ChangeKind.WIDENED, differences)
    return DecisionChange(ChangeKind.NARROWED if differences else ChangeKind.SAME, differences)


def _reasons(decision: Decision | None) -> str:
    return ", ".join(sorted(decision.reasons)) if decision else "no decision"


def _differences(old: Grant, new: Grant) -> Iterator[Difference]:
    for part in ("elements", "obligations", "row_obligations"):
        # An obligation less is more; an element less is less.
        yield from _of_words(part, getattr(old, part), getattr(new, part))
    for element in old.elements & new.elements:
        yield from _of_conditions(element, old.conditions[element], new.conditions[element])
        before, after = old.min_ages.get(element, 0), new.min_ages.get(element, 0)
        if before != after:
            what = f"{element} from age {before or 'any'} to {after or 'any'}"
            yield Difference("min_ages", wider=after < before, what=what)
    yield from _of_schools(old.schools, new.schools)
    if old.min_cell_size != new.min_cell_size:
        what = f"smallest count from {old.min_cell_size} to {new.min_cell_size}"
        wider = new.min_cell_size < old.min_cell_size
        yield Difference("min_cell_size", wider=wider, what=what)
    yield from _of_lifetime(old, new)


def _of_words(part: str, old: frozenset[str], new: frozenset[str]) -> Iterator[Difference]:
    released = part == "elements"
    for word in old - new:
        what = f"{word} is withheld" if released else f"{word} is no longer asked"
        yield Difference(part, wider=not released, what=what)
    for word in new - old:
        what = f"{word} is released" if released else f"{word} is asked"
        yield Difference(part, wider=released, what=what)


def _of_conditions(
    element: str, old: frozenset[RowCondition], new: frozenset[RowCondition]
) -> Iterator[Difference]:
    for word in old - new:
        yield Difference("conditions", wider=True, what=f"{element} no longer waits for {word}")
    for word in new - old:
        yield Difference("conditions", wider=False, what=f"{element} waits for {word}")


def _of_lifetime(old: Grant, new: Grant) -> Iterator[Difference]:
    if new.not_after > old.not_after and new.elements >= old.elements:
        # What is released of less may rely on less, and so stand longer.
        yield Difference("not_after", wider=True, what="it stands longer")
    elif new.not_after < old.not_after:
        yield Difference("not_after", wider=False, what="it stands shorter")


def _of_schools(old: Schools, new: Schools) -> Iterator[Difference]:
    if old == new:
        return
    both = old & new
    if both != new:
        yield Difference(
            "schools", wider=True, what=f"schools {_named(new)}, and not {_named(old)}"
        )
    if both != old:
        yield Difference("schools", wider=False, what=f"schools {_named(new)} of {_named(old)}")


def _named(schools: Schools) -> str:
    return "all" if schools.only is None else ", ".join(sorted(schools.only)) or "none"


@dataclass
class ReplayReport:
    """What trying a candidate on many questions showed.

    Attributes:
        counts: of each kind of change; parts: in which parts, and whether wider.
        examples: the first few questions of each kind.
    """

    counts: Counter[ChangeKind] = field(default_factory=Counter)
    parts: Counter[tuple[str, bool]] = field(default_factory=Counter)
    examples: dict[ChangeKind, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, question: str, facts: Mapping[str, Any], change: DecisionChange) -> None:
        """Counts one question."""
        self.counts[change.kind] += 1
        self.parts.update({(d.part, d.wider) for d in change.differences})
        shown = self.examples.setdefault(change.kind, [])
        if change.kind is not ChangeKind.SAME and len(shown) < _EXAMPLES:
            shown.append(
                {
                    "question": question,
                    "asked": _asked(facts),
                    "differences": [difference.what for difference in change.differences],
                }
            )

    @property
    def decisions(self) -> int:
        return self.counts.total()

    @property
    def widened(self) -> int:
        """How many questions would be answered with more."""
        return sum(count for kind, count in self.counts.items() if kind.releases_more)

    def document(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "decisions": self.decisions,
            "widened": self.widened,
            "counts": {str(kind): self.counts[kind] for kind in ChangeKind},
            "parts": {
                f"{part} {'wider' if wider else 'narrower'}": count
                for (part, wider), count in sorted(self.parts.items())
            },
            "examples": {str(kind): shown for kind, shown in self.examples.items() if shown},
        }


def _asked(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked, by whom and when; enough to recognize a question."""
    query = facts.get("query", {})
    named = ("requester", "purpose", "basis", "level", "dataset", "elements")
    return {"now": facts.get("now"), **{name: query.get(name) for name in named}}
