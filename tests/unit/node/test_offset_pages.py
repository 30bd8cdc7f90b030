"""Lists that are read by offsets while they change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.errors import ChangedMeanwhileError
from services.node.intake.rest.paging import ListPage, offset_pages


@given(
    count=st.integers(0, 30),
    limit=st.integers(2, 7),
    changes=st.lists(st.tuples(st.integers(0, 29), st.booleans()), max_size=8),
    most=st.integers(2, 7),
)
def test_whatever_stays_in_a_list_is_read(
    count: int, limit: int, changes: list[tuple[int, bool]], most: int
) -> None:
    """Rows go, and new ones come, between any two pages; a source may give smaller pages."""
    rows: list[object] = list(range(count))
    lasting, left = set(rows), list(changes)

    def ask(offset: int, size: int, _counted: bool) -> ListPage:
        page = rows[offset : offset + min(size, most)]
        if left:
            place, comes = left.pop(0)
            if comes:
                rows.insert(min(place, len(rows)), object())
            elif place < len(rows):
                lasting.discard(rows.pop(place))
        return ListPage(page)

    read = {row for page in offset_pages(ask, limit, lambda row: row) for row in page}

    assert lasting <= read


def test_a_source_that_knows_no_offsets_gives_all_at_once() -> None:
    rows = [1, 2, 3]

    assert list(offset_pages(lambda _o, _n, _c: ListPage(rows), 10, lambda row: row)) == [rows]


def test_a_source_that_gives_one_page_again_and_again_is_refused() -> None:
    with pytest.raises(ChangedMeanwhileError):
        list(offset_pages(lambda _o, _n, _c: ListPage([1, 2]), 2, lambda row: row))


def test_a_source_that_counts_more_than_it_gives_is_refused() -> None:
    rows = [1, 2, 3, 4]

    def ask(offset: int, size: int, _counted: bool) -> ListPage:
        return ListPage(rows[offset : offset + size], 5)

    with pytest.raises(ChangedMeanwhileError, match="fewer"):
        list(offset_pages(ask, 3, lambda row: row))
