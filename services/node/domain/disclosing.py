"""Shows the disclosure record to those who may read it (34 CFR 99.32(c)); every reading is logged.

The policy says who may: the family by way of the holder's office, those who keep the records, and
who audits how they are kept. A partner never may.
"""

import asyncio
import datetime as dt
import hashlib
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from homeroom.audit import AuditKind, encode_content
from homeroom.catalog import SUBJECT_REF
from homeroom.clock import Clock
from homeroom.errors import EvidenceInvalidError, NotPermittedError, PolicyUnavailableError
from homeroom.facts import SCHEMA, Facts, moment
from homeroom.packing import packed, unpacked
from homeroom.sealing import AnswerContext, frames_digest_of
from homeroom.users import User
from services.node.domain.arrow_stream import END
from services.node.domain.consents import Student, born_by
from services.node.domain.copies import CopyShelf, OpenedCopies
from services.node.domain.kept_record import KeptRecord, RecordFilter
from services.node.domain.log import Log
from services.node.domain.register import Shown
from services.node.domain.ruling import Holder

_FAMILY = "family"
_OLDEST = 120


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom the record is read.

    Attributes:
        view: family, custodian or record_audit.
        relation: how the person of the family stands to the student.
        person: that person's name, to compare with court orders on file.
        identified: whether the office made sure who it is.
    """

    view: str
    relation: str = ""
    person: str = ""
    identified: bool = False
    dependent_for_tax: bool = False


@dataclass(frozen=True, slots=True)
class ReleasedCopy:
    """What left of one student under one entry.

    Attributes:
        proved: whether it gives the digest that log and receipt name; where the node stopped in
            the middle there is none, and more is told than may have left.
    """

    rows: pa.Table
    proved: bool


class ReadingRules(Protocol):
    """The federation's rules about who may read the record."""

    async def granted(self, facts: Facts) -> Mapping[str, Any]:
        """The document on one reading.

        Raises:
            PolicyUnavailableError: if there is no usable document.
        """
        ...


class Register(Protocol):
    """The disclosure record."""

    def page(self, asked: RecordFilter, after: int, most: int) -> Sequence[KeptRecord]:
        """Some entries, oldest first, after the one of that log index."""
        ...


class People(Protocol):
    """The holder's own students, and what is noted of their rights."""

    def key_of(self, student_id: str) -> int | None: ...

    def students(self, student_keys: Collection[int]) -> Mapping[int, Student]: ...


class Names(Protocol):
    """The names by which recipients have known students."""

    def ever(self, recipient: str, student_key: int) -> Collection[str]:
        """Every name that a recipient has or had for a student."""
        ...


class Ends(Protocol):
    """How the log itself says that answers ended."""

    def end_of(self, query_digest: str) -> Mapping[str, Any] | None:
        """What the entry says that was written when an answer ended; None if there is none.

        Raises:
            EvidenceInvalidError: if that entry is not the one whose hash the log's tree has.
        """
        ...


@dataclass(frozen=True, slots=True)
class Shelves:
    """Where the record, the copies, the students and the log's own words are."""

    register: Register
    copies: CopyShelf
    people: People
    names: Names
    ends: Ends


@dataclass(frozen=True, slots=True)
class Disclosing:
    """Shows one holder's record."""

    holder: Holder
    rules: ReadingRules
    shelves: Shelves
    log: Log
    clock: Clock

    async def page(
        self,
        user: User,
        reader: Reader,
        asked: RecordFilter,
        student_id: str,
        after: int,
        most: int,
    ) -> Sequence[KeptRecord]:
        """A page of the record, oldest first; `student_id` names the student it is about, if any.

        Raises:
            NotPermittedError: if the policy does not let this reader read it.
            LogUnavailableError: if the reading cannot be written down; then nothing is shown.
        """
        key = await self._key_of(student_id)
        granted = await self._granted(user, reader, key, about_one=bool(student_id))
        if "record" not in granted:
            await self._note(user, reader, {**_said(asked), "allowed": False}, key)
            raise NotPermittedError("the disclosure record may not be read so")
        found: Sequence[KeptRecord] = []
        if key is not None or not student_id:
            chosen = replace(asked, student_key=key)
            found = await self._visible(chosen, after, most, granted)
        said = {**_said(asked), "allowed": True, "entries": len(found)}
        await self._note(user, reader, said, key)
        return found

    async def read_whole(self, user: User, reader: Reader, said: Mapping[str, Any]) -> None:
        """Lets somebody read what stands beside the whole record; `said` is for the log.

        Raises:
            NotPermittedError: if the policy does not let this reader read the record.
            LogUnavailableError: if the reading cannot be written down.
        """
        granted = await self._granted(user, reader, None, about_one=False)
        allowed = "record" in granted
        await self._note(user, reader, {**said, "allowed": allowed}, None)
        if not allowed:
            raise NotPermittedError("the disclosure record may not be read so")

    async def copy(
        self, user: User, reader: Reader, student_id: str, log_index: int
    ) -> ReleasedCopy:
        """What left of one student under one entry.

        Raises:
            NotPermittedError: if the policy does not let this reader have it, or nothing of this
                student left there, or no copy is kept any more.
            EvidenceInvalidError: if the copy is not what the log says has left.
        """
        key = await self._key_of(student_id)
        granted = await self._granted(user, reader, key, about_one=True)
        copied: ReleasedCopy | None = None
        try:
            if key is not None and "copy" in granted:
                copied = await self._copied(key, log_index, granted)
        finally:
            said = {"about": "student", "copy_of": log_index, "allowed": copied is not None}
            await self._note(user, reader, said, key)
        if copied is None:
            raise NotPermittedError("there is no copy to be given")
        return copied

    async def _visible(
        self, asked: RecordFilter, after: int, most: int, granted: Collection[str]
    ) -> Sequence[KeptRecord]:
        """The next entries that are no secret to this reader."""
        found: list[KeptRecord] = []
        now = self.clock()
        while len(found) < most:
            some = await asyncio.to_thread(self.shelves.register.page, asked, after, most)
            found += [one for one in some if "secret" in granted or not one.is_secret(now)]
            if len(some) < most:
                break
            after = some[-1].log_index
        return found[:most]

    async def _copied(
        self, key: int, log_index: int, granted: Collection[str]
    ) -> ReleasedCopy | None:
        asked = RecordFilter(student_key=key)
        (entry,) = await self._visible(asked, log_index - 1, 1, granted) or (None,)
        if entry is None or entry.log_index != log_index or not entry.released:
            return None
        opened = await asyncio.to_thread(self.shelves.copies.of_query, entry.query_digest)
        if opened is None:
            return None
        # The manifest is beside the log, and could be changed there; the entry's hash is not.
        _check_end(entry, await asyncio.to_thread(self.shelves.ends.end_of, entry.query_digest))
        if entry.ended is not None and entry.ended.pieces == 0:
            return None
        names = await asyncio.to_thread(self.shelves.names.ever, entry.requester, key)
        pieces = _proved_pieces(opened, entry, self.holder.organization_id)
        stream = b"".join([*map(unpacked, pieces), END])
        table = pa.ipc.open_stream(io.BytesIO(stream)).read_all()
        own = pc.is_in(table.column(SUBJECT_REF), pa.array(sorted(names), pa.string()))
        return ReleasedCopy(table.filter(own), entry.ended is not None)

    async def _key_of(self, student_id: str) -> int | None:
        if not student_id:
            return None
        return await asyncio.to_thread(self.shelves.people.key_of, student_id)

    async def _granted(
        self, user: User, reader: Reader, key: int | None, *, about_one: bool
    ) -> Collection[str]:
        """What the policy lets this reader have: record, secret, copy.

        Raises:
            PolicyUnavailableError: if it gave no usable document.
        """
        facts: Facts = {
            "schema": SCHEMA,
            "now": moment(self.clock()),
            "holder": {"jurisdiction": self.holder.keeping.jurisdiction},
            "reader": {"view": reader.view, "role": user.role},
            "asked": {"about": "student" if about_one else "everyone"},
        }
        if reader.view == _FAMILY:
            facts["family"] = await self._family(reader, key)
        granted = (await self.rules.granted(facts)).get("granted")
        if not isinstance(granted, list) or not all(isinstance(word, str) for word in granted):
            raise PolicyUnavailableError("the policy gave no usable decision")
        return frozenset(granted)

    async def _family(self, reader: Reader, key: int | None) -> Facts:
        """What is known of the person and the student; what is not known is left out."""
        facts: Facts = {
            "relation": reader.relation,
            "identified": reader.identified,
            "dependent_for_tax": reader.dependent_for_tax,
        }
        if key is None:
            return facts
        student = (await asyncio.to_thread(self.shelves.people.students, [key])).get(key)
        if student is None:
            return facts
        today = self.clock().date()
        begun = student.postsecondary_from
        facts["postsecondary"] = begun is not None and begun <= today
        facts["rights_limited"] = _limited(student, reader.person)
        if student.birth_date is not None:
            facts["age"] = _age(student.birth_date, today)
        return facts

    async def _note(
        self, user: User, reader: Reader, said: Mapping[str, Any], key: int | None
    ) -> None:
        """Writes down that somebody read, or was refused; the student stands beside the log."""
        at = self.clock().isoformat(timespec="microseconds")
        content = {"view": reader.view, "at": at, "user": user.user_id, "role": user.role, **said}
        digest = hashlib.sha256(encode_content(content).encode()).digest()
        notes = [] if key is None else [Shown(key)]
        await self.log.append(AuditKind.RECORD_SHOWN, digest, content, notes)


def _said(asked: RecordFilter) -> dict[str, Any]:
    """What was asked for, as the log tells it; no student."""
    filters = {
        "of_requester": asked.requester,
        "of_agreement": asked.agreement_id,
        "of_element": str(asked.element or ""),
        "of_user": asked.user_id,
    }
    return {name: value for name, value in filters.items() if value}


def _limited(student: Student, person: str) -> bool:
    """Whether a court's order may be about this person: any order is, unless staff noted not."""
    named = person.strip().casefold()
    cleared = named in {one.casefold() for one in student.entitled}
    return bool(student.limited) and not cleared


def _age(born: dt.date, today: dt.date) -> int:
    """Whole years."""
    return next((years for years in range(_OLDEST, 0, -1) if born <= born_by(today, years)), 0)


def _check_end(entry: KeptRecord, told: Mapping[str, Any] | None) -> None:
    """Holds what stands beside the log about an answer's end to what the log says.

    Raises:
        EvidenceInvalidError: if they differ, or only one of them knows of an end.
    """
    ended = entry.ended
    if ended is None and told is None:
        return
    kept = None if ended is None else (ended.rows, ended.cut, ended.frames_digest)
    logged = None if told is None else tuple(map(told.get, ("rows", "cut", "frames_digest")))
    if kept != logged or (ended is not None and ended.rows and not ended.pieces):
        raise EvidenceInvalidError("the record does not say of the answer's end what the log says")


def _proved_pieces(opened: OpenedCopies, entry: KeptRecord, holder: str) -> Sequence[bytes]:
    """The pieces that left; of an answer that never ended, all that may have.

    Raises:
        EvidenceInvalidError: if they do not give the digest that the log has.
    """
    ended = entry.ended
    if ended is None:
        return opened.pieces
    pieces = opened.pieces[: ended.pieces]
    frames = [*pieces] if ended.cut else [*pieces, packed(END)]
    context = AnswerContext(bytes.fromhex(entry.query_digest), holder)
    found = frames_digest_of(opened.content_key, context, frames)
    if len(pieces) != ended.pieces or found.hex() != ended.frames_digest:
        raise EvidenceInvalidError("the copy is not what the log says has left")
    return pieces
