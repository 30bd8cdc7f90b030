"""Compares what came back, and what was recorded, with what the law lets go."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from services.node.domain.register import Regime
from tools.law.case import Case

Pairs = frozenset[tuple[str, str]]
"""What of whom: a student, or a row of a table, and an element or a cell."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a node did with one case.

    Attributes:
        released: what left, of whom; of a table the cells that were told.
        computable: the cells that can be computed from those, though they were not told.
        regimes: the laws for which the disclosure record has an entry.
        failed: why the case could not be put at all; empty if it could.
    """

    released: Pairs = frozenset()
    computable: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    obligations: frozenset[str] = frozenset()
    regimes: frozenset[Regime] = frozenset()
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A case, what it expects, and what happened.

    Attributes:
        decision: allow, partial or deny, by what left.
        disclosed: what left and may not.
        missing: what may leave and did not.
        unrecorded: the laws whose record is missing.
    """

    case: Case
    decision: str
    disclosed: frozenset[str]
    missing: frozenset[str]
    unrecorded: frozenset[str]
    outcome: Outcome

    @property
    def right(self) -> bool:
        decided = self.decision == self.case.expect and not self.missing
        return decided and not self.disclosed and not self.unrecorded and not self.outcome.failed

    @property
    def reason_told(self) -> bool:
        """Whether one of the reasons that the case accepts was told."""
        return bool(self.case.reasons & self.outcome.reasons)


def judge(case: Case, outcome: Outcome) -> Verdict:
    """What a case says of an outcome."""
    asked, expected = _asked(case), _expected(case)
    released = outcome.released
    protected = frozenset(case.protected_cells)
    disclosed = {_told(pair) for pair in released - expected}
    disclosed |= {f"cell {cell} can be computed" for cell in outcome.computable & protected}
    return Verdict(
        case=case,
        decision=_decision(case, released, asked),
        disclosed=frozenset(disclosed),
        missing=frozenset(map(_told, _owed(case, expected) - released)),
        unrecorded=_unrecorded(case, outcome.regimes),
        outcome=outcome,
    )


def _asked(case: Case) -> Pairs:
    if case.level == "aggregate":
        return frozenset(("", cell["id"]) for cell in case.request["cells"])
    elements = case.request["elements"]
    return frozenset((one, element) for one in _students(case) for element in elements)


def _expected(case: Case) -> Pairs:
    """The most that may leave."""
    if case.level == "aggregate":
        cells = _asked(case) if case.expect != "deny" else frozenset()
        return frozenset(pair for pair in cells if pair[1] not in case.protected_cells)
    students: Iterable[str] = _students(case) if case.students is None else case.students
    return frozenset((one, element) for one in students for element in case.permitted)


def _students(case: Case) -> list[str]:
    """The students of a request; where rows name nobody, nobody."""
    if case.level != "student":
        return [""]
    return list(case.request["students"]) or [facts["id"] for facts in case.facts["students"]]


def _owed(case: Case, expected: Pairs) -> Pairs:
    """The least that must leave; of a table, any set of cells that protects the others will do."""
    return frozenset() if case.level == "aggregate" else expected


def _decision(case: Case, released: Pairs, asked: Pairs) -> str:
    if released >= asked and asked:
        return "allow"
    return "partial" if released else "deny"


def _unrecorded(case: Case, regimes: frozenset[Regime]) -> frozenset[str]:
    owed = {str(Regime.FERPA)} if case.recorded else set()
    return frozenset((owed | case.also_recorded) - {str(one) for one in regimes})


def _told(pair: tuple[str, str]) -> str:
    return " of ".join(part for part in reversed(pair) if part)


@dataclass
class Tally:
    """How many of the cases were right, by what they expect."""

    verdicts: list[Verdict] = field(default_factory=list)

    def decided(self, expect: str) -> tuple[int, int]:
        """How many of the cases that expect a decision got it, of how many."""
        of_these = [one for one in self.verdicts if one.case.expect == expect]
        return sum(one.decision == expect and not one.missing for one in of_these), len(of_these)

    def recorded(self) -> tuple[int, int]:
        """How many of the cases that some law asks a record of have it, of how many."""
        owed = [one for one in self.verdicts if one.case.recorded or one.case.also_recorded]
        return sum(not one.unrecorded for one in owed), len(owed)

    @property
    def disclosure_failures(self) -> int:
        return sum(bool(one.disclosed) for one in self.verdicts)

    @property
    def record_failures(self) -> int:
        return sum(bool(one.unrecorded) for one in self.verdicts)

    @property
    def wrong(self) -> list[Verdict]:
        return [one for one in self.verdicts if not one.right]

    def counts(self) -> Mapping[str, tuple[int, int]]:
        """Each figure that is printed: right, of all."""
        told = [one for one in self.verdicts if one.case.expect != "allow"]
        return {
            **{expect: self.decided(expect) for expect in ("allow", "partial", "deny")},
            "recorded": self.recorded(),
            "reasons told": (sum(one.reason_told for one in told), len(told)),
        }
