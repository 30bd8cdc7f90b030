"""Looks again, while an answer is released, at what of it may still leave; it can only narrow."""

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from homeroom.clock import Clock
from services.node.domain.copies import Copies
from services.node.domain.log import Log
from services.node.domain.replica import Replica
from services.node.domain.ruling import Asked, Holder, Ruling
from services.node.domain.selection import Coverage, Narrowing, Records, still_permits
from services.node.domain.unnamed import Unnamed, still_tells

_LONGEST_TRUST = dt.timedelta(seconds=5)
"""How long an answer relies on grants that it read, for they also end by themselves."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a release works with.

    Attributes:
        copies: where copies are kept; None keeps none.
        rule_now: rules on the question again, by what is known at this moment.
    """

    holder: Holder
    replica: Replica
    records: Records
    log: Log
    clock: Clock
    copies: Copies | None
    rule_now: Callable[[Asked], Awaitable[Ruling]]


class Permission:
    """What an answer was begun with, and what is left of it.

    Attributes:
        ruling: what was decided, by the newest evidence; why it was refused, once it was.
        begun: which rows were to leave when it began.
        narrowing: what of them still may; None where nobody is told of.
        refused: whether nothing may leave any more, whatever comes.
    """

    def __init__(
        self,
        means: Means,
        asked: Asked,
        ruling: Ruling,
        coverage: Coverage,
        unnamed: Unnamed | None,
    ) -> None:
        self._means = means
        self._asked = asked
        self._coverage = coverage
        self._unnamed = unnamed
        self._looked_at: dt.datetime | None = means.clock()
        self.ruling = ruling
        self.begun = begun = ruling.selection
        self.narrowing = Narrowing(coverage.elements, begun.dataset) if begun else None
        self.refused = False

    def look_anew(self) -> None:
        """Has the next look be one, whether or not anything is known to have changed."""
        self._looked_at = None

    async def still(self) -> bool:
        """Looks again at what may leave, if anything may have changed; False cuts the answer.

        Raises:
            HomeroomError: if it cannot be known; then nothing leaves.
        """
        means, ruling = self._means, self.ruling
        if self.refused:
            return False
        evidence = means.replica.evidence()
        now = means.clock()
        evidence.require_fresh(now, means.holder.max_state_age)
        lately = self._looked_at is not None and now - self._looked_at < _LONGEST_TRUST
        if evidence.epoch == ruling.evidence.epoch and lately:
            return True
        latest = await means.rule_now(self._asked)
        if self._unnamed is not None:
            return self._still_tells(latest, self._unnamed, now)
        begun = self.begun
        if begun is None or latest.selection is None or not still_permits(latest.selection, begun):
            return self._refuse(latest)
        narrowed = replace(begun, instant=now, classes=latest.selection.classes)
        coverage = await means.records.covered(narrowed)
        called_for = self._coverage.called_for
        if not coverage.called_for <= called_for:
            # What now goes with some record has no column in this answer.
            return self._refuse(latest)
        # A statement on one element stands in the row of them all.
        still = coverage.since(self._coverage, whole=bool(called_for))
        self.narrowing = Narrowing(still, begun.dataset)
        # Only now: who left in the middle of a look has not looked.
        self._looked_at, self.ruling = now, replace(ruling, evidence=latest.evidence)
        return True

    def _refuse(self, latest: Ruling) -> bool:
        self.ruling, self.refused = replace(latest, selection=None), True
        return False

    def _still_tells(self, latest: Ruling, told: Unnamed, now: dt.datetime) -> bool:
        level, begun = self._asked.question.level, self.ruling.decision.grant
        self._looked_at = now
        if still_tells(latest.decision, told, level, begun):
            self.ruling = replace(self.ruling, evidence=latest.evidence)
            return True
        self.ruling, self.refused = latest, True
        return False
