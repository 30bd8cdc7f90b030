"""How soon a revocation is in force: from its acknowledgement to the last row released.

A race is a revocation in the middle of a stream of queries about the student. A row is stale if it
comes in answer to a query that was asked after the acknowledgement and names its sequence.
"""

import asyncio
import random
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.ground import AGREEMENT_ID, PURPOSE, ground
from homeroom import Answer, AsyncClient
from homeroom.api.common.v1 import answer_pb2, evidence_pb2
from homeroom.consents import RecordedConsent

RACES = 1_000
_AT_ONCE = 4
_DAYS = 20


@dataclass(slots=True)
class Tally:
    """What the races have shown.

    Attributes:
        lags: for each race the seconds from the acknowledgement to the last row released; 0 if
            none was released after it.
    """

    lags: list[float] = field(default_factory=list)
    stale: int = 0
    answers: int = 0


def run() -> dict[str, Any]:
    """Runs every race; milliseconds, and how many rows were stale."""
    with ground(holders=1, students=RACES, days=_DAYS) as made:
        began = time.monotonic()
        tally = asyncio.run(_race_all(made.profile, list(made.consents)))
        seconds = time.monotonic() - began
    lags = sorted(tally.lags)
    print(
        f"{len(lags):,} races in {seconds:.0f} s, {tally.answers:,} answers; after the"
        f" acknowledgement the last row left within {lags[-1] * 1000:.1f} ms at most"
    )
    return {
        "p50_ms": round(statistics.median(lags) * 1000, 2),
        "p99_ms": round(lags[int(len(lags) * 0.99) - 1] * 1000, 2),
        "races": len(lags),
        "stale": tally.stale,
    }


async def _race_all(profile: Any, consents: list[RecordedConsent]) -> Tally:
    tally = Tally()
    waiting = iter(consents)
    async with AsyncClient(profile) as families, AsyncClient(profile) as asker:
        await _settle(asker, consents)

        async def runner() -> None:
            for consent in waiting:
                await _race(families, asker, consent, tally)

        await asyncio.gather(*(runner() for _ in range(_AT_ONCE)))
    return tally


async def _settle(asker: AsyncClient, consents: list[RecordedConsent]) -> None:
    """Waits until the holder has taken every consent."""
    while True:
        answer = await _ask(asker, consents[-1].subject_ref, consents[-1].sequence)
        if answer.table.num_rows:
            return


async def _race(
    families: AsyncClient, asker: AsyncClient, consent: RecordedConsent, tally: Tally
) -> None:
    seen: list[Answer] = []
    revoked = asyncio.Event()

    async def ask_on() -> None:
        while not revoked.is_set():
            seen.append(await _ask(asker, consent.subject_ref, 0))
        # One more, asked in the instant after.
        seen.append(await _ask(asker, consent.subject_ref, 0))

    asking = asyncio.ensure_future(ask_on())
    await asyncio.sleep(random.uniform(0.0, 0.06))  # noqa: S311  # any moment of the stream
    sequence = await families.consents.revoke(consent.consent_id)
    acknowledged = time.time()
    revoked.set()
    after = await _ask(asker, consent.subject_ref, sequence)
    tally.stale += after.table.num_rows
    await asking
    released = [_released_at(answer) for answer in seen if answer.table.num_rows]
    tally.lags.append(max([0.0, *(at - acknowledged for at in released)]))
    tally.answers += len(seen) + 1


async def _ask(asker: AsyncClient, subject_ref: str, sequence: int) -> Answer:
    answer = await asker.query(
        AGREEMENT_ID,
        PURPOSE,
        "attendance",
        ["daily_attendance"],
        subject_refs=[subject_ref],
        min_consent_sequence=sequence,
    )
    assert answer.complete, answer.sources
    return answer


def _released_at(answer: Answer) -> float:
    """When the holder released the last rows, by its clock: it is this machine's."""
    (signed,) = answer.receipts.values()
    statement = evidence_pb2.SignedStatement.FromString(signed).statement
    return answer_pb2.Receipt.FromString(statement).answer_time.ToNanoseconds() / 1e9
