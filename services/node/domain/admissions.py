"""Notes in the log which persons were admitted for the first time, and who was not: off the way.

No question waits for these entries: what it may be told rests on its own.
"""

import asyncio
import datetime as dt
from collections import Counter, OrderedDict
from collections.abc import Coroutine, Hashable, Mapping
from contextlib import suppress
from typing import Any

from homeroom.audit import AuditKind
from homeroom.clock import Clock
from homeroom.errors import LogUnavailableError, QueryReplayedError, Reason
from homeroom.signing import digest_of
from homeroom.users import User
from services.node.domain.log import Log

_REMEMBERED = 10_000
_PAUSE = dt.timedelta(minutes=1)


class Admissions:
    """What a node notes of those who come to its door.

    Attributes:
        clock: by which they are admitted.
    """

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self.clock = clock
        self._admitted: OrderedDict[Hashable, dt.datetime] = OrderedDict()
        self._refused: OrderedDict[Hashable, dt.datetime] = OrderedDict()
        self._unnoted: Counter[Hashable] = Counter()
        self._noting: set[asyncio.Task[None]] = set()

    def admitted(self, requester: str, user: User, token_digest: bytes) -> None:
        """Notes that a person's token was accepted, unless it was before."""
        if _remembered(self._admitted, token_digest, self.clock()) is None:
            said = {"requester": requester, "user": user.user_id, "role": user.role}
            self._begin(self._note(AuditKind.PERSON_ADMITTED, token_digest, said))

    def refused(self, requester: str, reason: Reason) -> None:
        """Notes that a query was not admitted that a known organization signed."""
        now, kind = self.clock(), (requester, reason)
        before = _remembered(self._refused, kind, now)
        if before is not None and now - before < _PAUSE:
            self._unnoted[kind] += 1
        else:
            self._refused[kind] = now
            said: dict[str, Any] = {"requester": requester, "reason": str(reason)}
            if earlier := self._unnoted.pop(kind, 0):
                said["earlier"] = earlier
            act = digest_of(f"{requester} {reason} {now.isoformat()}".encode())
            self._begin(self._note(AuditKind.PERSON_REFUSED, act, said))

    async def finish(self) -> None:
        """Waits until all of it is noted."""
        await asyncio.gather(*self._noting)

    def _begin(self, noting: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(noting)
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)

    async def _note(self, kind: AuditKind, digest: bytes, said: Mapping[str, Any]) -> None:
        # A full disk refuses every question too; and whoever was noted before a restart stays so.
        with suppress(LogUnavailableError, QueryReplayedError):
            await self._log.append(kind, digest, said)


def _remembered(
    seen: OrderedDict[Hashable, dt.datetime], one: Hashable, now: dt.datetime
) -> dt.datetime | None:
    """When this was seen first, of the newest that are remembered; None if never."""
    before = seen.setdefault(one, now)
    seen.move_to_end(one)
    if len(seen) > _REMEMBERED:
        seen.popitem(last=False)
    return None if before is now else before
