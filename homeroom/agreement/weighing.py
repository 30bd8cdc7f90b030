"""Weighs one field of a document against another: which way it goes, and in what words.

Each rule takes the old and the new value of a field and yields what changed. Where nothing more can
be said, a value that is higher by its rank widens; equal ranks are neutral.
"""

import datetime as dt
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeAlias

from homeroom.agreement.clauses import OnwardParty
from homeroom.agreement.fields import ALL_SCHOOLS, Period, Schools


class Direction(StrEnum):
    """What a change does to what may be shared."""

    WIDENS = "widens"
    NARROWS = "narrows"
    NEUTRAL = "neutral"


Found: TypeAlias = Iterator[tuple[Direction, str]]
Rule: TypeAlias = Callable[[Any, Any, Callable[[Any], str]], Found]
"""Weighs an old value against a new one; the last argument puts a value in words."""

Rank: TypeAlias = Callable[[Any], float]


def reversed_direction(direction: Direction) -> Direction:
    """What a change is when the documents change places."""
    return {
        Direction.WIDENS: Direction.NARROWS,
        Direction.NARROWS: Direction.WIDENS,
        Direction.NEUTRAL: Direction.NEUTRAL,
    }[direction]


def neutral(old: Any, new: Any, words: Callable[[Any], str]) -> Found:
    """For people to weigh."""
    yield Direction.NEUTRAL, _becomes(old, new, words, "nothing")


def ranked(rank: Rank) -> Rule:
    """A value of a higher rank lets more be shared."""

    def weigh(old: Any, new: Any, words: Callable[[Any], str]) -> Found:
        before, after = rank(old), rank(new)
        # Not by their difference: two that are without limit have none.
        yield _direction((after > before) - (after < before)), _becomes(old, new, words)

    return weigh


def members(old: Any, new: Any, words: Callable[[Any], str]) -> Found:
    """A set: each member lets more be shared; None is everything."""
    if old is None or new is None:
        yield Direction.WIDENS if new is None else Direction.NARROWS, _becomes(old, new, words)
        return
    yield from _gained_and_lost(_less(new, old), _less(old, new), words)


def onward(
    old: tuple[OnwardParty, ...], new: tuple[OnwardParty, ...], words: Callable[[Any], str]
) -> Found:
    """Those to whom data may be passed on; why they get it is for people to weigh."""
    before = {party.organization_id: party for party in old}
    after = {party.organization_id: party for party in new}
    yield from _gained_and_lost(_less(after, before), _less(before, after), words)
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            yield (
                Direction.NEUTRAL,
                f"{name}: {before[name].interest} becomes {after[name].interest}",
            )


def schools(
    old: Mapping[str, Schools], new: Mapping[str, Schools], words: Callable[[Any], str]
) -> Found:
    """Schools of each holder: a holder without an entry has none."""
    for holder in sorted({*old, *new}):
        before, after = old.get(holder, ()), new.get(holder, ())
        if before == after:
            continue
        if ALL_SCHOOLS in (before, after):
            wider = Direction.WIDENS if after == ALL_SCHOOLS else Direction.NARROWS
            yield wider, f"{holder}: {_becomes(before, after, words)}"
            continue
        for direction, what in _gained_and_lost(_less(after, before), _less(before, after), words):
            yield direction, f"{holder}: {what}"


def named_users(
    old: Mapping[str, tuple[str, ...]],
    new: Mapping[str, tuple[str, ...]],
    words: Callable[[Any], str],
) -> Found:
    """Users by name: a recipient without an entry has no such limit."""
    for recipient in sorted({*old, *new}):
        for direction, what in members(old.get(recipient), new.get(recipient), words):
            if old.get(recipient) != new.get(recipient):
                yield direction, f"{recipient}: {what}"


def period(old: Period | None, new: Period | None, words: Callable[[Any], str]) -> Found:
    """Days: each that is added lets more be shared; None is every day."""
    for which, before, after in (
        ("first", _first(old), _first(new)),
        ("last", _last(old), _last(new)),
    ):
        if before == after:
            continue
        later = Direction.NARROWS if which == "first" else Direction.WIDENS
        direction = later if before < after else reversed_direction(later)
        yield direction, f"the {which} day {_day(before, words)} becomes {_day(after, words)}"


def _first(days: Period | None) -> dt.date:
    return days.first_day if days else dt.date.min


def _last(days: Period | None) -> dt.date:
    return days.last_day if days else dt.date.max


def _day(day: dt.date, words: Callable[[Any], str]) -> str:
    return "without limit" if day in (dt.date.min, dt.date.max) else words(day)


def yes_widens(value: bool) -> float:
    """A permission that is given."""
    return float(value)


def yes_narrows(value: bool) -> float:
    """A promise that is given."""
    return -float(value)


def later_widens(day: dt.date | None) -> float:
    """A last day; None is without end."""
    return math.inf if day is None else day.toordinal()


def earlier_widens(day: dt.date) -> float:
    """A first day."""
    return -day.toordinal()


def more_widens(number: int | None) -> float:
    """A number that lets more; None is without limit."""
    return math.inf if number is None else number


def fewer_widens(number: int | None) -> float:
    """None sets no limit to how small a number may be."""
    return math.inf if number is None else -number


def rarer_widens(number: int | None) -> float:
    """None sets no limit to how often."""
    return -math.inf if number is None else -number


def in_order(*narrow_to_wide: Any) -> Rank:
    """Words by how much they let be shared; those of one tuple weigh the same."""
    places = {
        word: float(place)
        for place, words in enumerate(narrow_to_wide)
        for word in (words if isinstance(words, tuple) else (words,))
    }
    return lambda value: places[value]


def _gained_and_lost(
    gained: Iterable[Any], lost: Iterable[Any], words: Callable[[Any], str]
) -> Found:
    added, gone = sorted(gained), sorted(lost)
    if added:
        yield Direction.WIDENS, f"adds {words(tuple(added))}"
    if gone:
        yield Direction.NARROWS, f"takes away {words(tuple(gone))}"


def _less(one: Iterable[Any], other: Iterable[Any]) -> set[Any]:
    return set(one) - set(other)


def _direction(weight: float) -> Direction:
    if weight == 0:
        return Direction.NEUTRAL
    return Direction.WIDENS if weight > 0 else Direction.NARROWS


def _becomes(old: Any, new: Any, words: Callable[[Any], str], none: str = "no limit") -> str:
    before, after = (none if value is None else words(value) for value in (old, new))
    return f"{before} becomes {after}"
