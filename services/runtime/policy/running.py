"""A policy that decides now, and may be replaced between two decisions without failing either."""

import asyncio
import time
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from homeroom.clock import Clock
from homeroom.errors import PolicyUnavailableError
from services.runtime.policy.engine import PolicyEngine
from services.runtime.policy.release import Release


@dataclass
class _Turn:
    """An engine's time of deciding.

    Attributes:
        release: what it was published as; None for a folder.
        uses: the decisions that it is making.
        idle: set while it makes none.
        since: when it began to decide, in seconds since 1970.
    """

    engine: PolicyEngine
    release: Release | None
    uses: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    since: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self.idle.set()


class RunningPolicy:
    """Decides by one engine at a time; implements `PolicyEngine`.

    Every decision is made by the engine that decided when it began, from beginning to end.
    """

    def __init__(self, engine: PolicyEngine, release: Release | None, clock: Clock) -> None:
        self._turn = _Turn(engine, release)
        self._clock = clock

    @property
    def name(self) -> str:
        return self._turn.engine.name

    @property
    def revision(self) -> str:
        return self._turn.engine.revision

    @property
    def release(self) -> Release | None:
        """What the policy was published as; None where a folder decides."""
        return self._turn.release

    @property
    def since(self) -> float:
        """When what decides now began to, in seconds since 1970."""
        return self._turn.since

    async def decide(self, entrypoint: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        with self.held() as engine:
            return await engine.decide(entrypoint, facts)

    @contextmanager
    def held(self, *, expired: bool = False) -> Iterator[PolicyEngine]:
        """The engine that decides now; it stays open for as long as it is held.

        Args:
            expired: whether a policy may be held whose time is over; such a one decides nothing.

        Raises:
            PolicyUnavailableError: if the policy has expired.
        """
        turn = self._turn
        over = turn.release is not None and self._clock() >= turn.release.expires
        if over and not expired:
            raise PolicyUnavailableError("the policy has expired")
        turn.uses += 1
        turn.idle.clear()
        try:
            yield turn.engine
        finally:
            turn.uses -= 1
            if not turn.uses:
                turn.idle.set()

    def swap(self, engine: PolicyEngine, release: Release | None) -> Awaitable[None]:
        """Lets another engine decide from now on.

        Returns:
            What waits until the old one has ended what it began, and closes it.
        """
        old, self._turn = self._turn, _Turn(engine, release)
        return _drain(old)

    async def close(self) -> None:
        await self._turn.engine.close()


async def _drain(turn: _Turn) -> None:
    await turn.idle.wait()
    await turn.engine.close()
