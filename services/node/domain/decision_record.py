"""What a decision was made from, kept so that another policy can be tried on the same question.

No student is in it: a policy sees none. It stands beside the log and may be deleted after a while;
the log itself keeps what was decided for good.
"""

import asyncio
import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from homeroom.clock import Clock
from homeroom.errors import LogUnavailableError
from homeroom.facts import Facts
from services.node.domain.decision import Decision, Revisions

_LOOK_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One decision at this node.

    Attributes:
        facts: the input that both policies saw.
        document: what they decided, met.
        revisions: which policies they were.
    """

    facts: Facts
    document: Mapping[str, Any]
    revisions: Revisions

    @classmethod
    def of(cls, facts: Facts, decision: Decision) -> "DecisionRecord":
        return cls(facts, decision.document(), decision.revisions)


@dataclass(frozen=True, slots=True)
class KeptDecision:
    """A decision as it was kept, and when.

    Attributes:
        query_digest: hexadecimal.
    """

    query_digest: str
    at: dt.datetime
    record: DecisionRecord


class DecisionRecords(Protocol):
    """The decisions that a node keeps."""

    def since(self, first: dt.datetime | None, most: int | None = None) -> Iterator[KeptDecision]:
        """Those from an instant on, newest first."""
        ...

    def of_query(self, query_digest: str) -> KeptDecision | None:
        """The one on a query, named by its digest or an unambiguous beginning of it."""
        ...

    def forget_before(self, instant: dt.datetime) -> int:
        """Deletes those that are older; returns how many they were."""
        ...


async def forget_old_decisions(records: DecisionRecords, kept: dt.timedelta, clock: Clock) -> None:
    """Deletes what is older than it is to be kept, for as long as the node runs."""
    while True:
        with suppress(LogUnavailableError):  # a full disk frees itself, or the next try deletes
            await asyncio.to_thread(records.forget_before, clock() - kept)
        await asyncio.sleep(_LOOK_SECONDS)
