"""Lets stewards of the holder put matters on file, and end them.

Each is in the log with its user before it takes effect. No entry says whom a matter names.
"""

import asyncio
import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from homeroom.audit import AuditKind, encode_content
from homeroom.clock import Clock
from homeroom.errors import (
    AlreadyRecordedError,
    NotPermittedError,
    QueryReplayedError,
    RequestInvalidError,
)
from homeroom.facts import moment
from homeroom.matters import NAMES_STUDENTS
from homeroom.users import User
from services.node.domain.log import Log
from services.node.domain.on_file import Matter
from services.node.domain.reviewing import Act, Notified


@dataclass(frozen=True, slots=True)
class Filed:
    """A matter on file, with its students.

    Attributes:
        students: each by the holder's own id, and by the name that the requester has for it.
    """

    matter: Matter
    students: tuple[tuple[str, str], ...]


class MatterShelf(Protocol):
    """Where matters are kept."""

    def enter(self, matter: Matter, student_keys: Iterable[int]) -> Matter:
        """Keeps a matter with its students."""
        ...

    def end(self, matter_id: str, now: dt.datetime) -> None:
        """Ends a matter."""
        ...

    def get(self, matter_id: str) -> Matter | None:
        """The matter of that name."""
        ...

    def page(
        self, requester: str, now: dt.datetime | None, before: int, most: int
    ) -> Sequence[Matter]:
        """Some matters, the newest first."""
        ...

    def counts(self, matter_keys: Iterable[int]) -> Mapping[int, int]:
        """How many students each of some matters names."""
        ...

    def keys_of(self, student_ids: Iterable[str]) -> Mapping[str, int]:
        """The students of those ids; unknown ones left out."""
        ...

    def student_keys(self, matter_key: int) -> frozenset[int]:
        """The students whom a matter names."""
        ...

    def ids_of(self, student_keys: Iterable[int]) -> Mapping[int, str]:
        """The ids of some students."""
        ...

    def names(self, requester: str, student_keys: Sequence[int]) -> Mapping[int, str]:
        """The names by which a requester knows some students; given where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Filing:
    """Keeps one holder's file."""

    shelf: MatterShelf
    log: Log
    feed: Notified
    clock: Clock

    async def enter(self, act: Act, matter: Matter, student_ids: Sequence[str]) -> Filed:
        """Puts a matter on file, and gives its students names for the requester.

        Raises:
            RequestInvalidError: if it names a student who is not there, or nobody where it has to.
            AlreadyRecordedError: if another matter has the name.
        """
        if not student_ids and matter.kind in NAMES_STUDENTS:
            raise RequestInvalidError("this kind of matter names its students", field="student_ids")
        keys = await self.keys_of(student_ids)
        known = await asyncio.to_thread(self.shelf.get, matter.matter_id)
        if known is None:
            await self._note(AuditKind.MATTER_ENTERED, act, _entered(matter, len(keys)))
            known = await asyncio.to_thread(self.shelf.enter, matter, keys)
        elif not await self._is_same(known, matter, keys):
            raise AlreadyRecordedError("a matter of this name is on file", field="matter_id")
        self.feed.note_change()
        return await self._filed(known, keys)

    async def end(self, act: Act, matter_id: str) -> Matter:
        """Ends a matter at once; running answers look again.

        Raises:
            NotPermittedError: if there is none of that name.
        """
        known = await self._known(matter_id)
        if known.ended_at is None:
            await self._note(AuditKind.MATTER_ENDED, act, {"matter": matter_id})
            await asyncio.to_thread(self.shelf.end, matter_id, self.clock())
            self.feed.note_change()
        return await self._known(matter_id)

    async def show(self, user: User, matter_id: str) -> Filed:
        """One matter with its students; the log tells who was shown them.

        Raises:
            NotPermittedError: if there is none of that name.
        """
        known = await self._known(matter_id)
        keys = sorted(await asyncio.to_thread(self.shelf.student_keys, known.key))
        at = self.clock().isoformat(timespec="microseconds")
        content = {"matter": matter_id, "at": at, **_who(user)}
        digest = hashlib.sha256(encode_content(content).encode()).digest()
        await self.log.append(AuditKind.MATTER_SHOWN, digest, content)
        return await self._filed(known, keys)

    async def page(
        self, requester: str, before: int, most: int, *, every: bool
    ) -> Sequence[tuple[Matter, int]]:
        """Some matters, the newest first, each with the number of its students."""
        now = None if every else self.clock()
        found = await asyncio.to_thread(self.shelf.page, requester, now, before, most)
        counts = await asyncio.to_thread(self.shelf.counts, [one.key for one in found])
        return [(one, counts.get(one.key, 0)) for one in found]

    async def keys_of(self, student_ids: Sequence[str]) -> list[int]:
        """The students of those ids, in their order.

        Raises:
            RequestInvalidError: if the records do not have one of them; not which.
        """
        known = await asyncio.to_thread(self.shelf.keys_of, student_ids)
        missing = len(set(student_ids) - known.keys())
        if missing:
            raise RequestInvalidError(
                f"the records have no student of {missing} of the ids", field="student_ids"
            )
        return [known[student_id] for student_id in dict.fromkeys(student_ids)]

    async def named(self, requester: str, keys: Sequence[int]) -> tuple[tuple[str, str], ...]:
        """Some students, each by the holder's own id and by its name for a requester."""
        ids = await asyncio.to_thread(self.shelf.ids_of, keys)
        names = await asyncio.to_thread(self.shelf.names, requester, keys)
        return tuple((ids[key], names[key]) for key in keys if key in ids)

    async def _filed(self, matter: Matter, keys: Sequence[int]) -> Filed:
        return Filed(matter, await self.named(matter.requester, keys))

    async def _known(self, matter_id: str) -> Matter:
        known = await asyncio.to_thread(self.shelf.get, matter_id)
        if known is None:
            raise NotPermittedError("there is no such matter here")
        return known

    async def _is_same(self, known: Matter, matter: Matter, keys: Sequence[int]) -> bool:
        named = await asyncio.to_thread(self.shelf.student_keys, known.key)
        return _said(known) == _said(matter) and named == frozenset(keys)

    async def _note(self, kind: AuditKind, act: Act, said: Mapping[str, Any]) -> None:
        # Noted before and then not done: it is done now.
        with suppress(QueryReplayedError):
            await self.log.append(kind, act.digest, {**said, **_who(act.user)})


def _said(matter: Matter) -> tuple[object, ...]:
    """What whoever enters a matter says of it."""
    between = (matter.valid_from, matter.valid_to)
    return (matter.kind, matter.requester, *between, matter.facts, matter.evidence_digest)


def _entered(matter: Matter, student_count: int) -> Mapping[str, Any]:
    return {
        "matter": matter.matter_id,
        "kind": matter.kind,
        "requester": matter.requester,
        "requester_keys": matter.requester_keys or "",
        "valid_from": moment(matter.valid_from),
        "valid_to": moment(matter.valid_to),
        "facts_digest": hashlib.sha256(matter.facts.written().encode()).hexdigest(),
        "evidence_digest": matter.evidence_digest,
        "students": student_count,
    }


def _who(user: User) -> Mapping[str, str]:
    return {"user": user.user_id, "role": user.role}
