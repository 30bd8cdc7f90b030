"""Who reads the disclosure record sees what the policy lets them see, and the log tells of it."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from homeroom.audit import AuditKind
from homeroom.catalog import SUBJECT_REF
from homeroom.errors import EvidenceInvalidError, NotPermittedError, PolicyUnavailableError
from homeroom.facts import Facts
from homeroom.users import User
from homeroom.vocabulary import Element
from services.node.domain.consents import Student
from services.node.domain.copies import OpenedCopies
from services.node.domain.disclosing import Disclosing, Reader, Shelves
from services.node.domain.kept_record import Ended, KeptRecord, RecordFilter
from services.node.domain.register import RecordedEvent, Shown
from tests.fakes import FakeLog
from tests.organizations import NOW
from tests.unit.node import federation as small
from tests.unit.node.answering import Node, event

ROSA = User("rosa.lima", "anytown", "registrar", None)
OFFICE, FAMILY = Reader("custodian"), Reader("family", "parent", "Ana Silva", identified=True)
ANA = 7
BATCHES = ((event("ana"), event("ben")), (event("ben"),))


def entry(index: int, **changed: Any) -> KeptRecord:
    """A disclosure to helpers, of Ana's attendance."""
    words = dict.fromkeys(
        (
            *("affiliation", "user_id", "role", "purpose", "interest", "basis", "agreement_id"),
            *("matter_id", "dataset", "released_by", "releaser_role", "releaser_key"),
        ),
        "",
    )
    lists: dict[str, Any] = dict.fromkeys(
        ("regimes", "onward_to", "authorities", "reasons", "obligations"), ()
    )
    fields: dict[str, Any] = {
        "log_index": index,
        "query_digest": small.DIGEST.hex(),
        "at": NOW,
        "event": RecordedEvent.DISCLOSURE,
        "requester": "helpers",
        "agreement_version": 1,
        "onward": {},
        "withheld": {},
        "revisions": ("", ""),
        "first_day": None,
        "last_day": None,
        "elements": (Element.DAILY_ATTENDANCE,),
        "released": (Element.DAILY_ATTENDANCE,),
        "everyone": False,
        "secret": False,
    }
    return KeptRecord(**(words | lists | fields | changed))


@dataclass
class House:
    """What a holder keeps, in memory; implements the ports of `Disclosing`."""

    granted: Any = ("record", "copy")
    entries: Sequence[KeptRecord] = ()
    opened: OpenedCopies | None = None
    student: Student = field(default_factory=lambda: Student(ANA, dt.date(2014, 5, 1)))
    known_as: Collection[str] = ("ana",)
    ended: Mapping[str, Any] | None = None
    log: FakeLog = field(default_factory=FakeLog)
    asked: list[Facts] = field(default_factory=list)
    looks: int = 0

    def now(self) -> dt.datetime:
        """A little later with each look."""
        self.looks += 1
        return NOW + dt.timedelta(microseconds=self.looks)

    async def rule(self, facts: Facts) -> Mapping[str, Any]:
        self.asked.append(facts)
        return {"granted": list(self.granted)} if isinstance(self.granted, tuple) else self.granted

    def page(self, _asked: RecordFilter, after: int, most: int) -> Sequence[KeptRecord]:
        return [one for one in self.entries if one.log_index > after][:most]

    def of_query(self, query_digest: str) -> OpenedCopies | None:
        return self.opened if query_digest == small.DIGEST.hex() else None

    def end_of(self, query_digest: str) -> Mapping[str, Any] | None:
        return self.ended if query_digest == small.DIGEST.hex() else None

    def forget_before(self, _instant: dt.datetime) -> int:
        return 0

    def key_of(self, student_id: str) -> int | None:
        return ANA if student_id == "S-1" else None

    def students(self, student_keys: Collection[int]) -> Mapping[int, Student]:
        return {ANA: self.student} if ANA in student_keys else {}

    def ever(self, _recipient: str, _student_key: int) -> Collection[str]:
        return self.known_as

    @property
    def disclosing(self) -> Disclosing:
        return Disclosing(
            small.holder(), _Rules(self), Shelves(self, self, self, self, self), self.log, self.now
        )


@dataclass
class _Rules:
    house: House

    async def granted(self, facts: Facts) -> Mapping[str, Any]:
        return await self.house.rule(facts)


async def shown(house: House, reader: Reader, student_id: str = "S-1", most: int = 9) -> list[int]:
    page = house.disclosing.page(ROSA, reader, RecordFilter(), student_id, -1, most)
    return [one.log_index for one in await page]


async def test_who_is_not_let_read_sees_nothing_and_the_log_tells_of_it() -> None:
    house = House((), [entry(0)])
    with pytest.raises(NotPermittedError):
        await shown(house, OFFICE)

    told = house.log.content_of(AuditKind.RECORD_SHOWN)
    assert (told["allowed"], told["user"], told["view"]) == (False, "rosa.lima", "custodian")
    assert house.log.notes == [Shown(ANA)]


async def test_what_an_order_hides_is_in_no_familys_view_until_it_ends() -> None:
    """99.32(d)(5): the custodian sees it; an order whose time is over hides nothing."""
    over = NOW - dt.timedelta(seconds=1)
    entries = [entry(0, secret=True), entry(1), entry(2, secret=True, secret_until=over)]

    assert await shown(House(("record",), entries), FAMILY) == [1, 2]
    assert await shown(House(("record", "secret"), entries), OFFICE) == [0, 1, 2]
    assert await shown(House(("record",), entries), FAMILY, most=1) == [1]


async def test_no_reading_names_a_student_in_the_log() -> None:
    house = House(("record",), [entry(0)])
    await shown(house, FAMILY)
    told = str(house.log.entries)

    assert house.log.content_of(AuditKind.RECORD_SHOWN)["entries"] == 1
    assert not any(value in told for value in ("S-1", "Silva", "parent"))


async def test_the_policy_hears_what_is_known_and_nothing_else() -> None:
    house = House(("record",))
    await shown(house, FAMILY)
    house.student = replace(house.student, birth_date=None, limited=("ana silva",))
    await shown(house, FAMILY)
    await shown(house, FAMILY, student_id="nobody")
    known, unknown, nobody = (facts["family"] for facts in house.asked)

    assert (known["age"], known["postsecondary"], known["rights_limited"]) == (12, False, False)
    assert "age" not in unknown
    assert unknown["rights_limited"] is True
    assert not {"age", "postsecondary", "rights_limited"} & nobody.keys()
    assert not any("S-1" in str(facts) or "Silva" in str(facts) for facts in house.asked)


@pytest.mark.parametrize("document", [{}, {"granted": "record"}, {"granted": [1]}])
async def test_a_policy_that_gives_no_document_lets_nobody_read(document: Any) -> None:
    with pytest.raises(PolicyUnavailableError):
        await shown(House(document), OFFICE)


async def copied_answer(**changed: Any) -> tuple[House, Node]:
    """A house with the copies of one answer, as the node of fakes kept them."""
    node = Node(BATCHES)
    await node.answer()
    pieces = [one.sealed for one in (*node.log.copies, *node.copies.kept.values())]
    (manifest,) = node.log.manifests
    ended = Ended(NOW, manifest.rows, manifest.pieces, manifest.frames_digest, manifest.cut)
    opened = OpenedCopies(node.copies.content_key, pieces)
    told = node.log.content_of(AuditKind.RELEASED)
    return House(entries=[entry(4, ended=ended, **changed)], opened=opened, ended=told), node


async def test_a_copy_is_what_left_of_the_one_student_and_proves_it() -> None:
    house, node = await copied_answer()
    copied = await house.disclosing.copy(ROSA, FAMILY, "S-1", 4)

    left = [row for row in node.told.table().to_pylist() if row[SUBJECT_REF] == "ana"]
    assert copied.rows.to_pylist() == left
    assert copied.proved
    house.known_as = ("ben", "before-rotation")
    assert len((await house.disclosing.copy(ROSA, FAMILY, "S-1", 4)).rows) == 2


async def test_a_copy_that_is_not_what_left_is_given_to_nobody() -> None:
    """A piece changed, left out, or of another key: the log's digest does not come; it is noted."""
    house, _ = await copied_answer()
    assert house.opened is not None
    first, second = house.opened.pieces
    for pieces in ([second, first], [first], [first, second[:-8] + bytes(8)]):
        house.opened = replace(house.opened, pieces=pieces)
        with pytest.raises(EvidenceInvalidError):
            await house.disclosing.copy(ROSA, FAMILY, "S-1", 4)

    assert [entry[2]["allowed"] for entry in house.log.entries[-3:]] == [False] * 3


async def test_a_copy_is_held_to_the_log_and_not_to_what_stands_beside_it() -> None:
    """A manifest changed, taken away, or put there for an answer that the log knows no end of."""
    house, _ = await copied_answer()
    kept, told = house.entries[0], house.ended
    assert kept.ended is not None
    less = replace(kept.ended, pieces=0)
    changed = [less, replace(kept.ended, frames_digest="00" * 32), replace(kept.ended, cut=True)]
    for ended in (*changed, None):
        house.entries = [replace(kept, ended=ended)]
        with pytest.raises(EvidenceInvalidError):
            await house.disclosing.copy(ROSA, FAMILY, "S-1", 4)

    house.entries, house.ended = [kept], None
    with pytest.raises(EvidenceInvalidError):
        await house.disclosing.copy(ROSA, FAMILY, "S-1", 4)
    house.ended = told
    assert (await house.disclosing.copy(ROSA, FAMILY, "S-1", 4)).proved


async def test_of_an_answer_that_never_ended_the_copy_is_not_called_proved() -> None:
    house, _ = await copied_answer()
    house.entries, house.ended = [replace(house.entries[0], ended=None)], None
    assert not (await house.disclosing.copy(ROSA, FAMILY, "S-1", 4)).proved


async def test_no_copy_is_given_of_what_is_secret_refused_forgotten_or_not_allowed() -> None:
    secret, _ = await copied_answer(secret=True)
    nothing, _ = await copied_answer(released=())
    forgotten, _ = await copied_answer()
    forgotten.opened = None
    unallowed, _ = await copied_answer()
    unallowed.granted = ("record",)

    for house, index in ((secret, 4), (nothing, 4), (forgotten, 4), (unallowed, 4), (secret, 3)):
        with pytest.raises(NotPermittedError):
            await house.disclosing.copy(ROSA, FAMILY, "S-1", index)
        assert house.log.entries[-1][2]["allowed"] is False
