"""The wide network of `make wan`: packets keep their order, and few are lost."""

import random

from hypothesis import given
from hypothesis import strategies as st

from tools.wan.forwarding import PREFIX, Links, Weather, destination, obey

FINE = Weather(delay=0.04, jitter=0.0, loss=0.0)


def packet(to: int, mark: int = 0) -> bytes:
    """An IPv4 header of 20 bytes, and one byte more."""
    address = bytes([*PREFIX, to, 1])
    return bytes([0x45]) + bytes(15) + address + bytes([mark])


def links(weather: Weather = FINE, seed: int = 1) -> Links:
    return Links(weather, random.Random(seed))  # noqa: S311  # to be repeated


def test_a_packet_arrives_after_the_delay_and_not_before() -> None:
    wide = links()
    wide.send(1, packet(2), now=10.0)

    assert wide.next_due() == 10.04
    assert wide.due(10.0399) == []
    assert wide.due(10.04) == [(2, packet(2))]
    assert wide.next_due() is None


@given(st.lists(st.floats(0, 0.5), min_size=2, max_size=40), st.integers())
def test_packets_of_one_place_to_another_keep_their_order(gaps: list[float], seed: int) -> None:
    """However they swing."""
    wide, now = links(Weather(0.04, 0.03, 0.0), seed), 0.0
    for mark, gap in enumerate(gaps):
        now += gap
        wide.send(1, packet(2, mark), now)

    arrived = [one[-1] for _, one in wide.due(now + 1)]
    assert arrived == list(range(len(gaps)))


def test_about_as_many_are_lost_as_told() -> None:
    wide = links(Weather(0.04, 0.0, 0.02))
    for _ in range(10_000):
        wide.send(1, packet(2), 0.0)

    assert 150 < wide.lost < 250
    assert len(wide.due(1.0)) == 10_000 - wide.lost


def test_nothing_passes_a_link_that_is_cut_in_either_direction_until_it_is_healed() -> None:
    wide = links()
    obey(wide, "cut 1 2\n")
    wide.send(1, packet(2), 0.0)
    wide.send(2, packet(1), 0.0)
    wide.send(1, packet(3), 0.0)
    assert [to for to, _ in wide.due(1.0)] == [3]

    obey(wide, "heal 2 1\n")
    wide.send(1, packet(2), 1.0)
    assert [to for to, _ in wide.due(2.0)] == [2]


def test_what_is_no_packet_of_ours_goes_nowhere() -> None:
    version_6 = bytes([0x60]) + packet(2)[1:]
    foreign = bytes([0x45]) + bytes(15) + bytes([192, 0, 2, 1])

    assert [destination(one) for one in (b"", b"\x45", version_6, foreign)] == [None] * 4
    assert destination(packet(7)) == 7
