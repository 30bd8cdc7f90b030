"""A tree kept in tiles is the tree of the standard, however it grew, and reads little of itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeroom.errors import InternalError
from homeroom.merkle import check_inclusion, inclusion_path, leaf_hash, root_of, tree_of
from services.runtime.tiles import TILE, TiledTree


class Shelf:
    """Tiles in memory, which counts how often it is read and written."""

    def __init__(self) -> None:
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.loads = self.saves = 0

    def load(self, level: int, place: int) -> bytes:
        self.loads += 1
        return self.tiles.get((level, place), b"")

    def save(self, level: int, place: int, hashes: bytes) -> None:
        self.saves += 1
        self.tiles[level, place] = hashes


LEAVES = [leaf_hash(b"%d" % number) for number in range(70_000)]


def grown(shelf: Shelf, *sizes: int) -> int:
    """A tree that grew by these sizes, each in its own transaction."""
    size = 0
    for more in sizes:
        TiledTree(shelf).append(size, LEAVES[size : size + more])
        size += more
    return size


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([1, 2, 3, 7, 100, 255, 256, 257, 1_000]), max_size=12), st.data())
def test_however_it_grew_each_earlier_size_has_its_root(
    sizes: list[int], data: st.DataObject
) -> None:
    shelf = Shelf()
    size = grown(shelf, *sizes)
    earlier = data.draw(st.integers(0, size))

    assert root_of(TiledTree(shelf), earlier) == tree_of(LEAVES[:earlier])[0]


def test_a_large_tree_is_read_in_a_few_tiles() -> None:
    """70,000 entries: a path reads some tiles, not some thousand hashes."""
    shelf = Shelf()
    size = grown(shelf, *[1_000] * 70)
    shelf.loads = 0
    tree = TiledTree(shelf)
    root = root_of(tree, size)
    path = inclusion_path(tree, 12_345, size)

    check_inclusion(LEAVES[12_345], 12_345, size, path, root)
    assert shelf.loads <= 6


def test_appending_writes_what_it_reaches_and_no_more() -> None:
    shelf = Shelf()
    grown(shelf, 60_000)
    shelf.saves = 0

    TiledTree(shelf).append(60_000, LEAVES[60_000:60_001])
    assert shelf.saves == 1
    TiledTree(shelf).append(60_001, LEAVES[60_001:61_001])
    assert shelf.saves <= 1 + 1_000 // TILE + 3


def test_what_was_appended_twice_after_a_crash_stands_once() -> None:
    """Tiles that are longer than the list says are cut to it."""
    shelf = Shelf()
    grown(shelf, 300)
    TiledTree(shelf).append(290, LEAVES[290:310])

    assert root_of(TiledTree(shelf), 310) == tree_of(LEAVES[:310])[0]


def test_a_missing_tile_is_noticed() -> None:
    shelf = Shelf()
    size = grown(shelf, 600)
    del shelf.tiles[0, 1]

    with pytest.raises(InternalError):
        root_of(TiledTree(shelf), size - 1 - 256)
    with pytest.raises(InternalError):
        TiledTree(Shelf()).append(5, LEAVES[:1])
