"""Reads a list page by page while it may change, and loses nothing that stays in it.

A list that is read by offsets shifts when an earlier row goes: the next page then begins too far
on. So each page is asked for from the last row of the page before. If none of the rows before is
in it, the list has shifted, and we go back until one is.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from homeroom.errors import ChangedMeanwhileError

_MAX_STEPS_BACK = 200
_MAX_SAME = 12
_SMALLEST = 2


class ListPage(NamedTuple):
    """One page of a list, and how many rows the source says there are in all, if it does."""

    rows: Sequence[Any]
    total: int | None = None


AskPage = Callable[[int, int, bool], ListPage]
IdOf = Callable[[Any], object]


def offset_pages(ask: AskPage, limit: int, id_of: IdOf) -> Iterator[list[Any]]:
    """The rows of a list, each page without those of the page before.

    Args:
        ask: gives the page at an offset, of so many rows at most, and the total if that is wanted.
        limit: how many to ask for; a source may give fewer.
        id_of: by what a row is known.

    Raises:
        ChangedMeanwhileError: if the list shifts all the time, or gives less than it counts.
    """
    size, offset, steps_back, given, same = max(limit, _SMALLEST), 0, 0, 0, 0
    before: frozenset[object] = frozenset()
    total = None
    while True:
        page = ask(offset, size, not given)
        total = page.total if not given else total
        ids = [id_of(row) for row in page.rows]
        if offset and before.isdisjoint(ids):
            steps_back += 1
            if steps_back > _MAX_STEPS_BACK:
                raise ChangedMeanwhileError("the source's list shifts faster than it can be read")
            offset = max(0, offset - max(len(before) - 1, 1))
            continue
        fresh = [row for row, known in zip(page.rows, ids, strict=True) if known not in before]
        if fresh:
            given += len(fresh)
            yield fresh
        same = same + 1 if before == frozenset(ids) else 0
        if not fresh and _is_end(ids, size, same):
            break
        before = frozenset(ids)
        offset += len(ids) - 1
    if total is not None and given < total:
        _check(ask, given)


def _is_end(ids: Sequence[object], size: int, same: int) -> bool:
    """Whether a page without a new row ends the list; it may also be one that we went back to.

    Rows that come before it may move the same page along for a while, but not for ever.
    """
    if len(ids) <= 1:
        return True
    if same < _MAX_SAME:
        return False
    if len(ids) < size:
        return True  # the source knows no offsets and gives all there is each time
    raise ChangedMeanwhileError("the source gives the same page again and again")


def _check(ask: AskPage, given: int) -> None:
    """A source that counts more rows than it gave has kept some back; better none than some."""
    now = ask(0, _SMALLEST, True).total
    if now is not None and given < now:
        raise ChangedMeanwhileError("the source gives fewer rows than it counts")
