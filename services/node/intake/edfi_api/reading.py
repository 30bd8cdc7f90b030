"""Reads an Ed-Fi source into the replica: all of it, or what changed since the last run.

The source goes on changing while it is read. Without a snapshot a row that changes leaves the
window that is read; so each round reads what changed since the round before, until none did.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from homeroom.errors import EvidenceInvalidError, NotPermittedError
from services.node.intake.edfi.items import Item
from services.node.intake.edfi_api.replica import Replica
from services.node.intake.edfi_api.service import (
    NEEDED,
    OdsApi,
    ReadsNoChangesError,
    Window,
    id_of,
    kind_of,
)
from services.node.intake.edfi_json.objects import ItemMaker

_MAX_ROUNDS = 5


class Reading:
    """One reading of a source.

    Attributes:
        offered: the resources that this key may read, in the order in which they depend.
        skipped: those that it may not, or that the source does not have.
    """

    def __init__(self, api: OdsApi, replica: Replica, dropped: Counter[str]) -> None:
        self.offered: list[str] = []
        self.skipped: Counter[str] = Counter()
        self._api = api
        self._replica = replica
        self._maker = ItemMaker(dropped)

    def read(self, resources: Sequence[str], done: int | None, *, may_shrink: bool) -> int | None:
        """Reads, and returns the last change that was read; None for a source that has none.

        Args:
            resources: what to read, each after what it depends on.
            done: the last change that was read before; not used where all is read again.
            may_shrink: whether a whole reading may tell far less than the one before.
        """
        self.offered = list(resources)
        versions = self._api.versions()
        newest = versions.newest if versions else None
        if self._replica.everything:
            self._read_all(Window(None, newest))
            done = newest
        is_settled = True
        if done is not None:
            done, is_settled = self._follow(done)
        if self._replica.everything:
            self._forget_untold(may_shrink=may_shrink, ask_again=not is_settled)
        return done

    def _read_all(self, window: Window) -> None:
        for resource in list(self.offered):
            pages = self._api.pages(resource, window)
            if pages is None:
                self._is_refused(resource)
            else:
                self._take(resource, pages)

    def _is_refused(self, resource: str) -> None:
        """A resource may be kept from this key, but not if it was read before or is needed."""
        kind = kind_of(resource)
        self.offered.remove(resource)
        if any(kind_of(other) == kind for other in self.offered):
            return  # contacts were parents once; a source has one of the two
        if kind in NEEDED or self._replica.has(kind):
            raise NotPermittedError(
                "the source does not let this key read what it needs", resource=resource
            )
        self.skipped[f"ed-fi/{resource}, which the source does not offer"] += 1

    def _follow(self, done: int) -> tuple[int, bool]:
        """Reads what changed since, round by round; whether nothing changed in the last."""
        for _ in range(_MAX_ROUNDS):
            versions = self._api.versions()
            if versions is None or versions.newest <= done:
                return done, True
            try:
                self._read_changes(Window(done, versions.newest))
            except ReadsNoChangesError:
                if self._replica.everything:
                    return done, False  # what is gone meanwhile is asked for one by one
                raise
            done = versions.newest
        return done, False

    def _read_changes(self, window: Window) -> None:
        """Key changes, then what is there now, then deletes from the last resource to the first.

        Who has another key may be asked for by id, for not every source tells it as a change too.
        """
        asked_for: dict[str, set[str]] = {}
        for resource in list(self.offered):
            kind = kind_of(resource)
            pages = self._api.pages(resource, window)
            if pages is None:
                self._is_refused(resource)
                continue
            rekeyed = set()
            for object_id, key in self._api.key_changes(resource, window):
                rekeyed.add(object_id)
                if kind == "Student":
                    self._replica.rename_student(object_id, str(key.get("studentUniqueId", "")))
            asked_for[resource] = rekeyed - self._take(resource, pages)
        for resource in reversed(self.offered):
            deleted = set(self._api.deletes(resource, window))
            self._replica.drop(kind_of(resource), deleted)
            self._ask_for(resource, asked_for[resource] - deleted)

    def _take(self, resource: str, pages: Iterator[list[dict[str, Any]]]) -> set[str]:
        taken: set[str] = set()
        for number, page in enumerate(pages, start=1):
            items = self._items(resource, page)
            self._replica.put(kind_of(resource), number, items)
            if not self._replica.everything:
                taken.update(items)
        return taken

    def _items(self, resource: str, page: Sequence[Mapping[str, Any]]) -> dict[str, Item]:
        kind = kind_of(resource)
        try:
            return {
                id_of(value): self._maker.item(kind, value, index)
                for index, value in enumerate(page, start=1)
            }
        except RecursionError:
            raise EvidenceInvalidError("the source gives an object that is too deep") from None

    def _ask_for(self, resource: str, ids: set[str]) -> None:
        for object_id in sorted(ids):
            value = self._api.one(resource, object_id)
            if value is None:
                self._replica.drop(kind_of(resource), [object_id])
            else:
                self._replica.put(kind_of(resource), 0, self._items(resource, [value]))

    def _forget_untold(self, *, may_shrink: bool, ask_again: bool) -> None:
        for resource in reversed(self.offered):
            kind = kind_of(resource)
            untold = self._replica.untold(kind)
            if ask_again:
                self._ask_for(resource, set(untold))
                untold = self._replica.untold(kind)
            if not may_shrink:
                self._replica.guard(kind, untold)
            self._replica.drop(kind, untold)
