"""Trees of hashes by RFC 9162: the published vectors, and what a path can and cannot prove."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.errors import EvidenceInvalidError
from homeroom.merkle import (
    EMPTY_ROOT,
    GrowingTree,
    check_consistency,
    check_inclusion,
    consistency_path,
    extended_root,
    inclusion_path,
    joined_path,
    leaf_hash,
    node_hash,
    root_of,
    tree_of,
    whole_roots,
)

# The reference entries and roots of Certificate Transparency's own tests (google/trillian, ct-go).
ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


class Kept:
    """Entries in memory; implements `Subtrees`, and gives out nothing but whole subtrees."""

    def __init__(self, entries: list[bytes]) -> None:
        self.leaves = [leaf_hash(entry) for entry in entries]

    def subtree(self, level: int, index: int) -> bytes:
        if level == 0:
            return self.leaves[index]
        halves = (self.subtree(level - 1, 2 * index), self.subtree(level - 1, 2 * index + 1))
        return node_hash(*halves)


def joined(hashes: list[str]) -> bytes:
    return b"".join(bytes.fromhex(one) for one in hashes)


def numbered(size: int) -> list[bytes]:
    return [b"%d" % number for number in range(size)]


SIZES = st.integers(1, 70)


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_published_vectors(size: int) -> None:
    root = bytes.fromhex(ROOTS[size - 1])

    assert root_of(Kept(ENTRIES), size) == root
    assert tree_of([leaf_hash(entry) for entry in ENTRIES[:size]])[0] == root


def test_a_tree_that_grows_has_at_each_size_the_root_of_the_published_vectors() -> None:
    tree = GrowingTree()

    assert tree.root() == EMPTY_ROOT
    for size, root in enumerate(ROOTS, 1):
        tree.append(leaf_hash(ENTRIES[size - 1]))
        assert (tree.size, tree.root().hex()) == (size, root)


def test_an_empty_list_has_the_root_of_the_standard() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root_of(Kept([]), 0) == tree_of([])[0] == EMPTY_ROOT


@pytest.mark.parametrize("place", INCLUSION)
def test_inclusion_paths_are_those_of_the_published_vectors(place: tuple[int, int]) -> None:
    index, size = place

    assert inclusion_path(Kept(ENTRIES), index, size) == joined(INCLUSION[place])


@pytest.mark.parametrize("sizes", CONSISTENCY)
def test_consistency_paths_are_those_of_the_published_vectors(sizes: tuple[int, int]) -> None:
    assert consistency_path(Kept(ENTRIES), *sizes) == joined(CONSISTENCY[sizes])


@given(SIZES)
def test_each_entry_is_proved_at_its_place_and_nowhere_else(size: int) -> None:
    kept = Kept(numbered(size))
    root, paths = tree_of(kept.leaves)
    for index, leaf in enumerate(kept.leaves):
        path = inclusion_path(kept, index, size)
        assert path == paths[index]
        check_inclusion(leaf, index, size, path, root)
        for wrong in {(index + 1) % size, index - 1, size} - {index}:
            with pytest.raises(EvidenceInvalidError):
                check_inclusion(leaf, wrong, size, path, root)


@given(SIZES, st.data())
def test_a_changed_path_proves_nothing(size: int, data: st.DataObject) -> None:
    kept = Kept(numbered(size))
    index = data.draw(st.integers(0, size - 1))
    path, root = inclusion_path(kept, index, size), root_of(kept, size)
    wrong = [path + bytes(32), path + b"x", path[:-32] if path else bytes(32)]
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        wrong.append(path[:at] + bytes([path[at] ^ 1]) + path[at + 1 :])
    for changed in wrong:
        with pytest.raises(EvidenceInvalidError):
            check_inclusion(kept.leaves[index], index, size, changed, root)
    with pytest.raises(EvidenceInvalidError):
        check_inclusion(leaf_hash(b"another"), index, size, path, root)


@given(SIZES, st.data())
def test_a_list_that_grew_is_proved_and_one_that_was_rewritten_is_not(
    size: int, data: st.DataObject
) -> None:
    old_size = data.draw(st.integers(0, size))
    kept, entries = Kept(numbered(size)), numbered(size)
    path = consistency_path(kept, old_size, size)
    old_root, root = root_of(kept, old_size), root_of(kept, size)
    check_consistency(old_size, old_root, size, root, path)

    if old_size:
        entries[data.draw(st.integers(0, old_size - 1))] = b"rewritten"
        rewritten = Kept(entries)
        with pytest.raises(EvidenceInvalidError):
            check_consistency(
                old_size,
                old_root,
                size,
                root_of(rewritten, size),
                consistency_path(rewritten, old_size, size),
            )
    for changed in (path + bytes(32), path[:-32] if path else bytes(32), path + b"x"):
        with pytest.raises(EvidenceInvalidError):
            check_consistency(old_size, old_root, size, root, changed)
    with pytest.raises(EvidenceInvalidError):
        check_consistency(size + 1, old_root, size, root, path)


@given(st.integers(0, 70), st.integers(0, 20))
def test_what_is_appended_gives_the_root_without_the_rest(before: int, more: int) -> None:
    """A recorder checks that its consents were logged from the roots before them alone."""
    kept = Kept(numbered(before + more))
    roots = whole_roots(kept, before)

    assert extended_root(before, roots, kept.leaves[before:]) == root_of(kept, before + more)
    with pytest.raises(EvidenceInvalidError):
        extended_root(before, roots + bytes(32), kept.leaves[before:])


@given(st.integers(1, 70), st.integers(0, 70), st.integers(0, 70))
def test_two_proofs_of_growth_make_the_one_over_both(old: int, more: int, yet_more: int) -> None:
    """Exactly the path that whoever has the list would show; nothing else is made of it."""
    sizes = (old, old + more, old + more + yet_more)
    kept = Kept(numbered(sizes[2]))
    first, second = (consistency_path(kept, *pair) for pair in pairwise(sizes))

    joined = joined_path(sizes, root_of(kept, old), first, second)

    assert joined == consistency_path(kept, old, sizes[2])
    if more and yet_more:
        with pytest.raises(EvidenceInvalidError):
            joined_path(sizes, root_of(kept, old), first + bytes(32), second)
