"""Replays recorded questions, and those of the conformance vectors, for people who ask first."""

import asyncio
import datetime as dt
import re
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path
from typing import cast

from homeroom.errors import RequestInvalidError
from services.node.domain.decision_diff import ReplayReport
from services.node.domain.decision_record import DecisionRecords
from services.node.policy.replay import Asked, Pair, Replay, Side, conformance
from services.runtime.policy import PolicyBundle, PolicyEngine, PolicyFolder, open_rules, side_of

__all__ = ["conformance", "read_rules", "recorded", "replay"]

_AT_ONCE = 8
_AMPLE_SECONDS = 5.0


def read_rules(path: str) -> PolicyFolder:
    """The rules of a folder or of a bundle, whoever signed it.

    Raises:
        PolicyUnavailableError: if the folder cannot be used.
        EvidenceInvalidError: if the file is no bundle.
    """
    place = Path(path)
    return PolicyFolder.read(place) if place.is_dir() else PolicyBundle.read(place).rules


def recorded(records: DecisionRecords, since: str, now: dt.datetime) -> Iterator[Asked]:
    """The recorded questions of the last days, or since a day; each with its query digest."""
    for kept in records.since(_first(since, now) if since else None):
        yield kept.query_digest, kept.record.facts


async def replay(
    candidate: PolicyFolder, federation: PolicyFolder, local: PolicyFolder, asked: Iterable[Asked]
) -> ReplayReport:
    """Tries a candidate in place of the policy whose roots it has.

    Raises:
        PolicyUnavailableError: if a policy does not run.
    """
    report = ReplayReport()
    async with AsyncExitStack() as stack:

        async def opened(rules: PolicyFolder) -> PolicyEngine:
            engine = await open_rules("embedded", rules, decision_seconds=_AMPLE_SECONDS)
            stack.push_async_callback(engine.close)
            return engine

        current = Pair(await opened(federation), await opened(local))
        side = cast("Side", side_of(candidate))
        tried = Replay.instead(current, side, await opened(candidate))
        questions = iter(asked)
        while some := list(islice(questions, _AT_ONCE)):
            changes = await asyncio.gather(*(tried.on(facts) for _, facts in some))
            for (name, facts), change in zip(some, changes, strict=True):
                report.add(name, facts, change)
    return report


def _first(since: str, now: dt.datetime) -> dt.datetime:
    if days := re.fullmatch(r"(\d{1,4})d", since):
        return now - dt.timedelta(days=int(days.group(1)))
    try:
        return dt.datetime.strptime(since, "%Y-%m-%d").replace(tzinfo=dt.UTC)
    except ValueError:
        raise RequestInvalidError(
            "a time is days, such as 30d, or a day, YYYY-MM-DD", field="since"
        ) from None
