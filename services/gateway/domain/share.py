"""Gives the places of one question back while its holders answer, one after the other.

A holder whose part has ended takes none. Nor does one that says nothing for as long as the others
took: the gateway only waits for it, and a member that hangs must not hold up what others ask. Time
is the running event loop's.
"""

import asyncio
from typing import Protocol

_LEAST_SILENCE_SECONDS = 1.0


class Places(Protocol):
    """The places that one question holds."""

    @property
    def held(self) -> int:
        """How many there are."""
        ...

    def give(self, places: int) -> None:
        """Gives some back before the end; the last one stays."""

    def answered(self, batches: float, ended: float) -> None:
        """Learns how many batches one source had, and when the last had answered."""


class Share:
    """What one question holds of the gateway."""

    def __init__(self, places: Places, holders: int, *, learns: bool = True) -> None:
        """Begins with the places that it was given.

        Args:
            places: those.
            holders: how many are asked.
            learns: whether what it takes says something of others; of the rest of an answer, no.
        """
        self._places = places
        self._learns = learns
        self._each = places.held // max(holders, 1)
        self._loop = asyncio.get_running_loop()
        self._began = self._heard = self._loop.time()
        self._running = holders
        self._passed = self._whole = 0
        self._answered = self._began
        self._looking: asyncio.TimerHandle | None = None

    def passed(self) -> None:
        """A frame was passed on."""
        self._passed += 1
        self._heard = self._loop.time()

    def ended(self, *, answered: bool) -> None:
        """One holder's part is over."""
        self._running -= 1
        self._heard = self._loop.time()
        if answered:
            self._whole += 1
            self._answered = self._heard
        self._places.give(self._each)
        if self._looking is None and self._running:
            self._look_later()

    def over(self) -> None:
        """The question is over; the gateway knows now what its answer took."""
        if self._looking is not None:
            self._looking.cancel()
        if self._learns and self._whole and not self._running:
            # The receipt is no batch; and a member that hung says nothing of the others' time.
            self._places.answered(self._passed / self._whole - 1, self._answered)

    def _look_later(self) -> None:
        silence = max(_LEAST_SILENCE_SECONDS, self._heard - self._began)
        self._looking = self._loop.call_at(self._heard + silence, self._look)

    def _look(self) -> None:
        silence = max(_LEAST_SILENCE_SECONDS, self._heard - self._began)
        if self._loop.time() < self._heard + silence:
            self._look_later()
        else:
            self._places.give(self._places.held)
