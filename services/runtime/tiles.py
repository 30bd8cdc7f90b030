"""Keeps the hashes of a growing list in tiles, so that a root or a path reads only a few of them.

A tile holds up to 256 hashes of one level; each hash of the next level covers one full tile below.
Appending rewrites one tile of each level that it reaches.
"""

from collections.abc import Sequence
from typing import Protocol

from homeroom.errors import InternalError
from homeroom.merkle import HASH_BYTES, node_hash

TILE = 256
_LEVELS = 8


class TileShelf(Protocol):
    """Where tiles are kept, by level and place."""

    def load(self, level: int, place: int) -> bytes:
        """The hashes of a tile, one after the other; empty if there is none."""
        ...

    def save(self, level: int, place: int, hashes: bytes) -> None: ...


class TiledTree:
    """The tree over a list whose hashes a shelf keeps; implements `Subtrees`.

    One is made for one transaction: it remembers the tiles it has read.
    """

    def __init__(self, shelf: TileShelf) -> None:
        self._shelf = shelf
        self._read: dict[tuple[int, int], bytes] = {}

    def append(self, size: int, leaves: Sequence[bytes]) -> None:
        """Adds leaf hashes after the first `size`."""
        level, first, new = 0, size, list(leaves)
        while new:
            new = self._extend(level, first, new)
            level, first = level + 1, first // TILE

    def tile(self, level: int, place: int) -> bytes:
        """The hashes of one tile; empty if there is none."""
        if (level, place) not in self._read:
            self._read[level, place] = self._shelf.load(level, place)
        return self._read[level, place]

    def subtree(self, level: int, index: int) -> bytes:
        tile_level, within = divmod(level, _LEVELS)
        place, start = divmod(index << within, TILE)
        hashes = self.tile(tile_level, place)
        wanted = hashes[start * HASH_BYTES : (start + (1 << within)) * HASH_BYTES]
        if len(wanted) != HASH_BYTES << within:
            raise InternalError("the log lacks a hash")
        return tile_root(wanted)

    def _extend(self, level: int, first: int, new: Sequence[bytes]) -> list[bytes]:
        """Adds hashes to the tiles of one level; returns the roots of those that became full."""
        full = []
        place, within = divmod(first, TILE)
        hashes = self.tile(level, place)[: within * HASH_BYTES] if within else b""
        if len(hashes) != within * HASH_BYTES:
            raise InternalError("the log lacks a hash")
        start = 0
        while start < len(new):
            more = new[start : start + TILE - within]
            hashes += b"".join(more)
            self._shelf.save(level, place, hashes)
            self._read[level, place] = hashes
            if len(hashes) == TILE * HASH_BYTES:
                full.append(tile_root(hashes))
            start, place, within, hashes = start + len(more), place + 1, 0, b""
        return full


def tile_root(hashes: bytes) -> bytes:
    """The hash over a full tile, or over any whole subtree within one."""
    row = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
    while len(row) > 1:
        row = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
    return row[0]
