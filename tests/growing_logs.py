"""Logs for a test: they grow, sign checkpoints, and show how they grew."""

from collections.abc import Sequence

from homeroom.audit.checkpoint import Checkpoint, log_origin, sign_checkpoint
from homeroom.merkle import consistency_path, leaf_hash, node_hash, root_of
from homeroom.signing import SigningKey


class GrowingLog:
    """The log of one organization, as its leaves."""

    def __init__(
        self, federation: str, organization_id: str, key: SigningKey, leaves: Sequence[bytes] = ()
    ) -> None:
        self.federation = federation
        self.organization_id = organization_id
        self.origin = log_origin(federation, organization_id)
        self.key = key
        self.leaves = list(leaves)

    def grow(self, *entries: bytes) -> None:
        """Adds entries."""
        self.leaves += map(leaf_hash, entries)

    def copy(self, size: int) -> "GrowingLog":
        """The same log as it was when it had so many entries: an older copy of it."""
        kept = self.leaves[:size]
        return GrowingLog(self.federation, self.organization_id, self.key, kept)

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        """What it was at a size; by default now."""
        counted = len(self.leaves) if size is None else size
        return Checkpoint(self.origin, counted, root_of(self, counted))

    def note(self, size: int | None = None) -> str:
        """Its signed checkpoint."""
        return sign_checkpoint(self.checkpoint(size), self.origin, self.key)

    def path(self, known_size: int, size: int | None = None) -> bytes:
        """How it grew from one size to another."""
        return consistency_path(self, known_size, len(self.leaves) if size is None else size)

    def subtree(self, level: int, index: int) -> bytes:
        row = self.leaves[index << level : (index + 1) << level]
        while len(row) > 1:
            row = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
        return row[0]
