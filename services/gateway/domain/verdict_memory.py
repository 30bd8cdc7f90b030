"""Remembers for some seconds which questions the policy let pass, while the same facts are true.

An app asks again within seconds, page after page. What is remembered saves the gateway one
evaluation, and nobody else anything: every holder decides again, and each question is logged.
"""

import datetime as dt
import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass

from homeroom.facts import Facts
from services.gateway.domain.permission import Verdict

LONGEST = dt.timedelta(seconds=5)
"""As long as a holder remembers a decision at most."""

_MOST = 512
_CANONICAL = json.JSONEncoder(sort_keys=True, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class _Passed:
    """What was let pass, and when."""

    verdict: Verdict
    at: dt.datetime

    def covers(self, now: dt.datetime) -> bool:
        """Whether it still counts: agreements and trainings begin and end with days."""
        return self.at <= now < self.at + LONGEST and self.at.date() == now.date()


class VerdictMemory:
    """The questions of the last seconds that one policy let pass; a refusal is not remembered."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._revision = ""
        self._kept: OrderedDict[bytes, _Passed] = OrderedDict()

    def recall(self, revision: str, facts: Facts, now: dt.datetime) -> Verdict | None:
        """What the policy said of the same facts; None if it has to be asked.

        What another policy than this said is forgotten.
        """
        if revision != self._revision:
            self._revision = revision
            self._kept.clear()
        kept = self._kept.get(_digest(facts)) if self._kept else None
        return kept.verdict if kept is not None and kept.covers(now) else None

    def keep(self, facts: Facts, verdict: Verdict, now: dt.datetime) -> None:
        """Remembers what the policy let pass that decides now; the oldest makes place."""
        if not verdict.allow:
            return
        digest = _digest(facts)
        self._kept[digest] = _Passed(verdict, now)
        self._kept.move_to_end(digest)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)


def _digest(facts: Facts) -> bytes:
    """Of all that the policy is told but the moment."""
    return hashlib.sha256(_CANONICAL.encode(facts | {"now": None}).encode()).digest()
