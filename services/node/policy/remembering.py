"""Remembers what the policies permitted, while the same facts permit at least as much.

A question comes again within seconds: page after page of a dashboard, batch after batch of an
answer. A permission says until when it stands (`not_after`), so it need not be worked out again
before that. Nothing else is saved: the question is still ruled on, recorded and logged.

A refusal is never remembered. It does not say until when it stands: a matter that begins or a
signature that arrives would be overlooked, and whoever was refused asks again seldom.
"""

import datetime as dt
import hashlib
import json
import re
from collections import OrderedDict
from dataclasses import dataclass

from homeroom.facts import Facts
from services.node.domain.decision import Decision, Revisions

LONGEST = dt.timedelta(seconds=5)
"""How long a permission is remembered, whatever it says: an organization's own rule that reads the
clock need not say so, and an answer relies on what it has read for as long."""

_MOST = 512
_CONFIRMED = ("registry_confirmed_at", "consent_confirmed_at")
_CANONICAL = json.JSONEncoder(sort_keys=True, allow_nan=False, separators=(",", ":"))
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question's facts, and apart from them when it was asked.

    Attributes:
        digest: of the facts without any of these instants.
        confirmed: when the holder last confirmed what it knows of agreements and consents.
    """

    digest: bytes
    now: dt.datetime
    confirmed: tuple[dt.datetime, ...]


@dataclass(frozen=True, slots=True)
class _Permitted:
    """A permission, when it was asked for, and until when it is remembered."""

    decision: Decision
    asked: _Asked
    until: dt.datetime

    def covers(self, asked: _Asked) -> bool:
        """Whether the policies would permit at least as much at this later moment.

        What the holder knows was confirmed at least as recently, and by no clock ahead of its own.
        """
        first = self.asked
        return first.now <= asked.now < self.until and all(
            before <= after <= asked.now
            for before, after in zip(first.confirmed, asked.confirmed, strict=True)
        )


class DecisionMemory:
    """The permissions of the last seconds, by one pair of policies at a time."""

    def __init__(self, most: int = _MOST, longest: dt.timedelta = LONGEST) -> None:
        self._most = most
        self._longest = longest
        self._revisions = Revisions()
        self._kept: OrderedDict[bytes, _Permitted] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def recall(self, revisions: Revisions, facts: Facts) -> Decision | None:
        """What was permitted on these facts; None if the policies have to be asked.

        Permissions by other policies than these are forgotten.
        """
        if revisions != self._revisions:
            self._revisions = revisions
            self._kept.clear()
        if not self._kept:
            return None
        asked = _apart(facts)
        kept = None if asked is None else self._kept.get(asked.digest)
        if kept is None or asked is None or not kept.covers(asked):
            return None
        self._kept.move_to_end(asked.digest)
        return kept.decision

    def keep(self, facts: Facts, decision: Decision) -> None:
        """Remembers a permission by the policies that decide now; the oldest makes place."""
        asked = _apart(facts)
        if asked is None or decision.grant is None or decision.revisions != self._revisions:
            return
        until = min(decision.grant.not_after, asked.now + self._longest)
        self._kept[asked.digest] = _Permitted(decision, asked, until)
        self._kept.move_to_end(asked.digest)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)


def _apart(facts: Facts) -> _Asked | None:
    """Takes the instants out of the facts; None if they are not written as our own facts are."""
    state = facts.get("state")
    if not isinstance(state, dict):
        return None
    names = [name for name in _CONFIRMED if name in state]
    now, *confirmed = (_read(text) for text in (facts.get("now"), *(state[n] for n in names)))
    instants = tuple(instant for instant in confirmed if instant is not None)
    if now is None or len(instants) < len(names):
        return None
    # A confirmation that is missing is another question than one that is there.
    timeless = facts | {"now": None, "state": state | dict.fromkeys(names)}
    try:
        digest = hashlib.sha256(_CANONICAL.encode(timeless).encode()).digest()
    except (TypeError, ValueError):
        return None
    return _Asked(digest, now, instants)


def _read(text: object) -> dt.datetime | None:
    if not isinstance(text, str) or not _INSTANT.fullmatch(text):
        return None
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return None
