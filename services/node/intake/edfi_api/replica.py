"""What an Ed-Fi source has said so far, object by object, and what of it is new in this run.

Ed-Fi says what changed by ids of its own. The objects are kept by them, each with the keys of the
rows that it was made into; so a delete finds its rows, whatever their keys are by now.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from homeroom.errors import RequestInvalidError
from services.node.domain.intake import Renaming, SourceMemory
from services.node.domain.record_tables import RECORD_TABLES, STUDENT_ID
from services.node.intake.edfi.items import Item
from services.node.intake.edfi_api.kept import Content, content_of, item_of, renamed

RowKey = tuple[str, ...]
"""A table, and the texts of a row's natural key."""

_SHRINKS_BY = 5
_BATCH = 500
_STUDENT, _UNIQUE_ID = "Student", "StudentUniqueId"
_WAITING = "waiting"


class Known(NamedTuple):
    """One object: its item, where it was read, and the rows that it was made into."""

    object_id: str
    item: Item
    page: int
    rows: frozenset[RowKey]
    kept: dict[str, Any]


class Replica:
    """The objects of one source.

    Attributes:
        gone: the keys of rows that were made of objects that are no more.
        everything: whether all objects are to be read again, not only what changed.
    """

    def __init__(self, memory: SourceMemory, *, everything: bool) -> None:
        self.gone: set[RowKey] = set()
        self.everything = everything
        self._memory = memory
        self._changed: defaultdict[str, set[str]] = defaultdict(set)
        self._told: defaultdict[str, set[str]] = defaultdict(set)
        self._touched: set[str] = set()
        self._made: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        self._renames_of: dict[str, tuple[str, str]] = {}
        for kind, kept in memory.recall(_WAITING).items():
            self._changed[kind].update(kept["ids"])

    def put(self, kind: str, page: int, items: Mapping[str, Item]) -> None:
        """Takes over objects as they are now."""
        before = self._memory.some(kind, items.keys())
        new: dict[str, dict[str, Any]] = {}
        for object_id, item in items.items():
            content, known = content_of(item), before.get(object_id)
            if known is None or known["of"] != content:
                rows = known["rows"] if known else []
                new[object_id] = {"of": content, "at": [page, item.line], "rows": rows}
            if known and kind == _STUDENT:
                self._note_rename(object_id, known["of"], content)
        self._memory.keep(kind, new)
        self._changed[kind].update(new)
        if new:
            self._touched.add(kind)
        self._told[kind].update(items)

    def rename_student(self, object_id: str, new_id: str) -> None:
        """Notes that a student has another id; the student's object may be gone meanwhile."""
        known = self._memory.some(_STUDENT, [object_id]).get(object_id)
        if known and new_id:
            self._note_rename(object_id, known["of"], {_UNIQUE_ID: [new_id]})

    def drop(self, kind: str, ids: Collection[str]) -> None:
        """Forgets objects that are no more."""
        for object_id, known in self._memory.some(kind, ids).items():
            self.gone.update(tuple(key) for key in known["rows"])
            self._changed[kind].discard(object_id)
            self._touched.add(kind)
        self._memory.keep(kind, dict.fromkeys(ids))

    def has(self, kind: str) -> bool:
        """Whether anything of a kind is kept."""
        return next(self._memory.each(kind), None) is not None

    def untold(self, kind: str) -> list[str]:
        """The ids that are kept, and that a whole reading did not tell."""
        told = self._told[kind]
        return [object_id for object_id, _ in self._memory.each(kind) if object_id not in told]

    def guard(self, kind: str, untold: Collection[str]) -> None:
        """Stops for a person where a whole reading tells far less than the one before.

        Raises:
            RequestInvalidError: if more than a fifth would go.
        """
        held = sum(1 for _ in self._memory.each(kind)) if untold else 0
        if len(untold) * _SHRINKS_BY > held:
            raise RequestInvalidError(
                "a resource would shrink by more than 20 %: look at the source, then allow it",
                resource=kind,
                held=str(held),
                gone=str(len(untold)),
            )

    def carry_renames(self, kinds: Collection[str], source: str) -> Iterator[Renaming]:
        """Says who has another id, and gives whatever names them the new one.

        A source need not tell anew of what names a student whose id changed.
        """
        renames = {old: new for old, new in self._renames_of.values() if old != new}
        if not renames:
            return
        for old, new in in_order(renames):
            yield Renaming(source, 0, old, new)
        for kind in kinds:
            for object_id, known in self._memory.each(kind):
                # What was told in this run has the new id already, or an old one that is another's.
                is_told = object_id in self._told[kind]
                content = known["of"] if is_told else renamed(known["of"], renames)
                rows = [list(_rekeyed(tuple(key), renames)) for key in known["rows"]]
                carried = known | {"of": content, "rows": rows}
                if carried != known:
                    self._memory.keep(kind, {object_id: carried})
        self.gone = {_rekeyed(key, renames) for key in self.gone}

    def changed(self, kind: str) -> bool:
        """Whether anything of a kind changed."""
        return self.everything or kind in self._touched

    @property
    def is_as_before(self) -> bool:
        """Whether nothing at all changed."""
        return not self.everything and not self._touched

    def to_read(self, kind: str, *, whole: bool) -> Iterator[Known]:
        """What changed of a kind, or all of it."""
        if whole or self.everything:
            yield from self.all(kind)
            return
        ids = sorted(self._changed[kind])
        for start in range(0, len(ids), _BATCH):
            found = self._memory.some(kind, ids[start : start + _BATCH])
            for object_id in sorted(found):
                yield _known(kind, object_id, found[object_id])

    def all(self, kind: str) -> Iterator[Known]:
        """All of a kind."""
        for object_id, kept in self._memory.each(kind):
            yield _known(kind, object_id, kept)

    def made_into(self, kind: str, known: Known, rows: frozenset[RowKey]) -> None:
        """Notes which rows an object was made into; those that it was before may be gone."""
        if rows == known.rows:
            return
        self.gone |= known.rows - rows
        told = [list(key) for key in sorted(rows)]
        self._made[kind][known.object_id] = known.kept | {"rows": told}
        if len(self._made[kind]) >= _BATCH:
            self.keep_made(kind)

    def keep_made(self, kind: str) -> None:
        """Keeps what was noted of a kind and is not kept yet."""
        self._memory.keep(kind, self._made.pop(kind, {}))

    def wait(self, waiting: Mapping[str, Collection[str]]) -> None:
        """Keeps what names a student whom the source has not told of yet, for the next run."""
        kept: dict[str, Mapping[str, Any] | None] = dict.fromkeys(self._memory.recall(_WAITING))
        kept.update({kind: {"ids": sorted(ids)} for kind, ids in waiting.items()})
        self._memory.keep(_WAITING, kept)

    def _note_rename(self, object_id: str, before: Content, now: Content) -> None:
        [old], [new] = (content.get(_UNIQUE_ID, [""])[:1] for content in (before, now))
        if old and new and old != new:
            # Renamed twice, a student is renamed from the first id to the last.
            first, _ = self._renames_of.get(object_id, (old, new))
            self._renames_of[object_id] = (first, new)


def _rekeyed(key: RowKey, renames: Mapping[str, str]) -> RowKey:
    """The key of a row about a student who has another id."""
    columns = RECORD_TABLES[key[0]].key
    texts = zip(columns, key[1:], strict=True)
    return (key[0], *(renames.get(t, t) if name == STUDENT_ID else t for name, t in texts))


def in_order(renames: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Renames one after the other, so that none takes an id that another still has."""
    left = dict(renames)
    while left:
        free = next((old for old, new in left.items() if new not in left), None)
        if free is None:
            # They change places: one steps aside first.
            first = next(iter(left))
            left[f"{first} aside"] = left.pop(first)
            yield first, f"{first} aside"
            continue
        yield free, left.pop(free)


def _known(kind: str, object_id: str, kept: Mapping[str, Any]) -> Known:
    page, index = kept["at"]
    rows = frozenset(tuple(key) for key in kept["rows"])
    return Known(object_id, item_of(kind, kept["of"], index), page, rows, dict(kept))
