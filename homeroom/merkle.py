"""Trees of hashes by RFC 9162: one root commits to a list, and short paths prove what is in it.

A list is a sequence of entries; the hash of an entry and that of two subtrees begin with different
bytes, so that neither passes for the other. Paths and roots are hashes of 32 bytes, one after the
other.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Protocol

from homeroom.errors import EvidenceInvalidError

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
_LEAF, _NODE = b"\x00", b"\x01"
_WRONG = "a hash path does not lead to the root"


class Subtrees(Protocol):
    """Where the hashes of a list's whole subtrees are kept."""

    def subtree(self, level: int, index: int) -> bytes:
        """The hash over the entries from `index << level` on, `1 << level` of them."""
        ...


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry."""
    return hashlib.sha256(_LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side."""
    return hashlib.sha256(_NODE + left + right).digest()


def tree_of(leaves: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """The root over leaf hashes, and each leaf's inclusion path."""
    paths = [bytearray() for _ in leaves]
    root = _fill(leaves, paths, 0, len(leaves)) if leaves else EMPTY_ROOT
    return root, [bytes(path) for path in paths]


def root_of(subtrees: Subtrees, size: int) -> bytes:
    """The root over the first entries of a list."""
    return _range_hash(subtrees, 0, size) if size else EMPTY_ROOT


def whole_roots(subtrees: Subtrees, size: int) -> bytes:
    """The roots of the largest whole trees over the first entries, from left to right.

    With them and what was appended since, anyone computes the root of the longer list.
    """
    return b"".join(subtrees.subtree(level, index) for level, index in _whole_trees(size))


def inclusion_path(subtrees: Subtrees, index: int, size: int) -> bytes:
    """What proves that an entry stands at an index of the first `size`."""
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_hash(subtrees, middle, end))
            end = middle
        else:
            path.append(_range_hash(subtrees, start, middle))
            start = middle
    return b"".join(reversed(path))


def consistency_path(subtrees: Subtrees, old_size: int, size: int) -> bytes:
    """What proves that the first `old_size` entries are the beginning of the first `size`."""
    return b"".join(_range_hash(subtrees, *one) for one in _grown_ranges(old_size, size))


def joined_path(sizes: tuple[int, int, int], root: bytes, first: bytes, second: bytes) -> bytes:
    """What proves a growth by two steps at once, made of what proves each step.

    Args:
        sizes: before, between and after.
        root: of the first entries, before.
        first: the path from the first size to the second, which was checked.
        second: the path from the second size to the third, likewise.

    Raises:
        EvidenceInvalidError: if these are not paths between these sizes.
    """
    old, middle, size = sizes
    if not 0 < old < middle < size:
        return second if old == middle else (first if middle == size else b"")
    known = {(0, old): root}
    for ranges, path in (
        (_grown_ranges(old, middle), first),
        (_grown_ranges(middle, size), second),
    ):
        hashes = _hashes(path)
        if len(hashes) != len(ranges):
            raise EvidenceInvalidError(_WRONG)
        known.update(zip(ranges, hashes, strict=True))
    return b"".join(_combined(known, *one) for one in _grown_ranges(old, size))


def root_by_path(leaf: bytes, index: int, size: int, path: bytes) -> bytes:
    """The root that an inclusion path leads to (RFC 9162, 2.1.3.2).

    Raises:
        EvidenceInvalidError: if no path of this length belongs to that place.
    """
    place, last, found = index, size - 1, leaf
    if not 0 <= index < size:
        raise EvidenceInvalidError(_WRONG)
    for step in _hashes(path):
        if last == 0:
            raise EvidenceInvalidError(_WRONG)
        if place & 1 or place == last:
            found = node_hash(step, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, step)
        place, last = place >> 1, last >> 1
    if last:
        raise EvidenceInvalidError(_WRONG)
    return found


def check_inclusion(leaf: bytes, index: int, size: int, path: bytes, root: bytes) -> None:
    """Checks that an entry stands at an index of a list of that size and root.

    Raises:
        EvidenceInvalidError: if the path does not prove it.
    """
    if root_by_path(leaf, index, size, path) != root:
        raise EvidenceInvalidError(_WRONG)


def check_consistency(old_size: int, old_root: bytes, size: int, root: bytes, path: bytes) -> None:
    """Checks that a list only grew (RFC 9162, 2.1.4.2).

    Raises:
        EvidenceInvalidError: if the path does not prove it.
    """
    steps = _hashes(path)
    if old_size in {0, size}:
        expected = EMPTY_ROOT if old_size == 0 else root
        if steps or old_root != expected:
            raise EvidenceInvalidError(_WRONG)
        return
    if old_size & (old_size - 1) == 0:
        steps.insert(0, old_root)
    if not 0 < old_size < size or not steps:
        raise EvidenceInvalidError(_WRONG)
    if _grown(old_size, size, steps) != (old_root, root):
        raise EvidenceInvalidError(_WRONG)


def extended_root(size_before: int, roots_before: bytes, leaves: Sequence[bytes]) -> bytes:
    """The root after leaves were appended to a list that is known by its largest whole trees.

    Raises:
        EvidenceInvalidError: if a list of that size has another number of whole trees.
    """
    roots = _hashes(roots_before)
    places = _whole_trees(size_before)
    if len(roots) != len(places):
        raise EvidenceInvalidError(_WRONG)
    stack = [(level, root) for (level, _), root in zip(places, roots, strict=True)]
    for leaf in leaves:
        level, found = 0, leaf
        while stack and stack[-1][0] == level:
            found = node_hash(stack.pop()[1], found)
            level += 1
        stack.append((level, found))
    if not stack:
        return EMPTY_ROOT
    found = stack.pop()[1]
    while stack:
        found = node_hash(stack.pop()[1], found)
    return found


class GrowingTree:
    """The root of a list that grows, kept as the roots of its largest whole trees alone."""

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Adds the hash of the next entry."""
        found, left = leaf, self.size
        while left & 1:
            found, left = node_hash(self._roots.pop(), found), left >> 1
        self._roots.append(found)
        self.size += 1

    def root(self) -> bytes:
        """The root over all entries so far."""
        if not self._roots:
            return EMPTY_ROOT
        found = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            found = node_hash(left, found)
        return found


def _grown(old_size: int, size: int, steps: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    place, last = old_size - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old_found = found = steps[0]
    for step in steps[1:]:
        if last == 0:
            return None
        if place & 1 or place == last:
            old_found, found = node_hash(step, old_found), node_hash(step, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, step)
        place, last = place >> 1, last >> 1
    return None if last else (old_found, found)


def _fill(leaves: Sequence[bytes], paths: Sequence[bytearray], start: int, end: int) -> bytes:
    if end - start == 1:
        return leaves[start]
    middle = start + _split(end - start)
    left, right = _fill(leaves, paths, start, middle), _fill(leaves, paths, middle, end)
    for place in range(start, middle):
        paths[place] += right
    for place in range(middle, end):
        paths[place] += left
    return node_hash(left, right)


def _grown_ranges(old_size: int, size: int) -> list[tuple[int, int]]:
    """The entries under each hash of a path of consistency, in its order."""
    ranges: list[tuple[int, int]] = []
    start, end, whole = 0, size, True
    while 0 < old_size < end:
        middle = start + _split(end - start)
        if old_size <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start, whole = middle, False
    if not whole:
        ranges.append((start, end))
    return ranges[::-1]


def _combined(known: Mapping[tuple[int, int], bytes], start: int, end: int) -> bytes:
    """The hash over some entries, of those that are known over parts of them."""
    found = known.get((start, end))
    if found is not None:
        return found
    if end - start <= 1:
        raise EvidenceInvalidError(_WRONG)
    middle = start + _split(end - start)
    return node_hash(_combined(known, start, middle), _combined(known, middle, end))


def _range_hash(subtrees: Subtrees, start: int, end: int) -> bytes:
    # Every tree but the last is whole, so that this walks down one edge only.
    found, size = [], end - start
    while size:
        level = size.bit_length() - 1
        found.append(subtrees.subtree(level, start >> level))
        start += 1 << level
        size -= 1 << level
    root = found.pop()
    while found:
        root = node_hash(found.pop(), root)
    return root


def _whole_trees(size: int) -> list[tuple[int, int]]:
    start, places = 0, []
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            places.append((level, start >> level))
            start += 1 << level
    return places


def _split(size: int) -> int:
    """The largest power of two below a size: where a tree of that size divides."""
    return 1 << (size - 1).bit_length() - 1


def _hashes(path: bytes) -> list[bytes]:
    if len(path) % HASH_BYTES:
        raise EvidenceInvalidError(_WRONG)
    return [path[at : at + HASH_BYTES] for at in range(0, len(path), HASH_BYTES)]
