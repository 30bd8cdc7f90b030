"""Carries packets between places, later than they were sent, and not all of them.

Linux has netem for that; where the kernel was built without it, this does the same outside. Packets
of one place to another keep their order: a network that exchanged them would be a rare one.
"""

import heapq
import os
import random
import select
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

PREFIX = (10, 77)
"""The first two bytes of every place's IPv4 address; the third is its number."""

_MOST_BYTES = 65_536
_IDLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad a network is, in each direction.

    Attributes:
        delay, jitter: seconds; a packet takes the delay, and up to the jitter more or less.
        loss: how many of all packets are lost, from 0 to 1.
    """

    delay: float
    jitter: float
    loss: float


@dataclass(slots=True)
class Links:
    """What is under way between places, by their numbers.

    Attributes:
        cut: the pairs between which nothing passes.
    """

    weather: Weather
    chance: random.Random
    cut: set[frozenset[int]] = field(default_factory=set)
    lost: int = 0
    _under_way: list[tuple[float, int, int, bytes]] = field(default_factory=list)
    _last: dict[tuple[int, int], float] = field(default_factory=dict)
    _count: int = 0

    def send(self, of: int, packet: bytes, now: float) -> None:
        """Takes one packet; whatever is no IPv4 of ours goes nowhere."""
        to = destination(packet)
        if to is None or frozenset((of, to)) in self.cut:
            return
        if self.chance.random() < self.weather.loss:
            self.lost += 1
            return
        swing = self.weather.jitter * (2 * self.chance.random() - 1)
        due = max(now + self.weather.delay + swing, self._last.get((of, to), 0.0))
        self._last[of, to] = due
        self._count += 1
        heapq.heappush(self._under_way, (due, self._count, to, packet))

    def due(self, now: float) -> Sequence[tuple[int, bytes]]:
        """The packets that arrive by now, with where."""
        arrived = []
        while self._under_way and self._under_way[0][0] <= now:
            _, _, to, packet = heapq.heappop(self._under_way)
            arrived.append((to, packet))
        return arrived

    def next_due(self) -> float | None:
        """When the next one arrives; None if none is under way."""
        return self._under_way[0][0] if self._under_way else None


def destination(packet: bytes) -> int | None:
    """The number of the place that an IPv4 packet is for."""
    if len(packet) < 20 or packet[0] >> 4 != 4 or tuple(packet[16:18]) != PREFIX:  # noqa: PLR2004  # RFC 791
        return None
    return packet[18]


def forward(ends: Mapping[int, int], links: Links, orders: int) -> None:
    """Carries packets until the orders end.

    Args:
        ends: for each place the file of its TUN device.
        links: what lies between them.
        orders: a file of lines `cut A B` and `heal A B`.
    """
    poll = select.poll()
    places = {end: place for place, end in ends.items()}
    for end in (*places, orders):
        poll.register(end, select.POLLIN)
    while True:
        next_due = links.next_due()
        wait = _IDLE_SECONDS if next_due is None else max(next_due - monotonic(), 0)
        for ready, _ in poll.poll(wait * 1000):
            if ready == orders:
                told = os.read(orders, _MOST_BYTES)
                if not told:
                    return
                obey(links, told.decode())
            else:
                links.send(places[ready], os.read(ready, _MOST_BYTES), monotonic())
        for to, packet in links.due(monotonic()):
            if to in ends:
                os.write(ends[to], packet)


def obey(links: Links, told: str) -> None:
    """Cuts and heals as lines say."""
    for line in told.splitlines():
        verb, *pair = line.split()
        link = frozenset(map(int, pair))
        (links.cut.add if verb == "cut" else links.cut.discard)(link)


def main() -> None:
    """Forwards between the TUN devices whose places and files the arguments name: `1:7 2:8`."""
    delay, jitter, loss, seed, *ends = sys.argv[1:]
    chance = random.Random(int(seed))  # noqa: S311  # to be repeated
    links = Links(Weather(float(delay), float(jitter), float(loss)), chance)
    pairs = (end.split(":") for end in ends)
    forward({int(place): int(file) for place, file in pairs}, links, sys.stdin.fileno())


if __name__ == "__main__":
    main()
