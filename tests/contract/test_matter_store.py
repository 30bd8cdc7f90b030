"""What is on file for grounds other than consent, on SQLite and on PostgreSQL alike."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from homeroom.errors import AlreadyRecordedError
from homeroom.matters import FACTS_OF_KIND, EmergencyFacts, MatterKind
from homeroom.vocabulary import Element
from services.node.domain.on_file import Looked, Matter
from services.node.store.matters import MatterStore
from services.node.store.records import RecordStore
from services.runtime.database import open_database
from tests.contract.node_stores import Urls, urls
from tests.organizations import NOW

__all__ = ["urls"]

DAY = dt.timedelta(days=1)
SECOND = dt.timedelta(seconds=1)
STUDENTS = ("S-1", "S-2", "S-3")


@dataclass
class Filed:
    """A node's file, with three students in its records."""

    store: MatterStore
    keys: dict[str, int]

    def enter(self, matter_id: str, *students: str, **changed: Any) -> Matter:
        return self.store.enter(matter(matter_id, **changed), [self.keys[one] for one in students])

    def found(self, **changed: Any) -> dict[str, str]:
        """The name of the matter of each kind that bears on a question."""
        found = self.store.find(looked(**changed))
        return {str(kind): one.matter_id for kind, one in found.items()}

    def refs(self, *students: str) -> tuple[str, ...]:
        names = self.store.names("river_ps", [self.keys[one] for one in students])
        return tuple(names[self.keys[one]] for one in students)


@pytest.fixture
def filed(urls: Urls) -> Iterator[Filed]:
    state, records = open_database(urls.state), open_database(urls.records)
    opened = RecordStore(urls.records)
    with opened.intake() as run:
        run.load("student", ("student_id",), [(student,) for student in STUDENTS])
    store = MatterStore(state, records)
    yield Filed(store, dict(store.keys_of(STUDENTS)))
    opened.close()
    records.dispose()
    state.dispose()


def matter(matter_id: str, kind: MatterKind = MatterKind.TRANSFER, **changed: Any) -> Matter:
    made = Matter(
        key=0,
        matter_id=matter_id,
        kind=kind,
        requester="river_ps",
        valid_from=NOW,
        valid_to=NOW + DAY,
        facts=FACTS_OF_KIND[kind](),
        entered_by="s1",
        entered_at=NOW,
        evidence_digest="ab" * 32,
        requester_keys="keys",
    )
    return replace(made, **changed)


def looked(**changed: Any) -> Looked:
    made = Looked(
        requester="river_ps",
        kinds=frozenset({MatterKind.TRANSFER, MatterKind.IDEA}),
        matter_id="",
        requester_keys="keys",
        subject_refs=(),
        agreement_id="",
        purpose="transfer",
        at=NOW,
    )
    return replace(made, **changed)


def test_a_matter_is_read_as_it_was_entered(filed: Filed) -> None:
    facts = EmergencyFacts(threat="tonight", elements_necessary=(Element.PHONE,))
    entered = filed.enter("M-1", "S-1", kind=MatterKind.EMERGENCY, facts=facts)

    assert filed.store.get("M-1") == entered
    assert entered == matter("M-1", MatterKind.EMERGENCY, key=entered.key, facts=facts)
    assert filed.store.student_keys(entered.key) == {filed.keys["S-1"]}
    assert filed.store.counts([entered.key]) == {entered.key: 1}
    assert filed.store.get("M-2") is None


def test_a_name_is_given_to_one_matter(filed: Filed) -> None:
    filed.enter("M-1", "S-1")

    with pytest.raises(AlreadyRecordedError):
        filed.enter("M-1", "S-2")
    assert filed.store.student_keys(1) == {filed.keys["S-1"]}


@pytest.mark.parametrize(
    ("at", "counts"),
    [(-SECOND, False), (dt.timedelta(0), True), (DAY, True), (DAY + SECOND, False)],
)
def test_a_matter_counts_from_its_first_to_its_last_instant(
    filed: Filed, at: dt.timedelta, counts: bool
) -> None:
    filed.enter("M-1", "S-1")

    assert filed.found(at=NOW + at) == ({"transfer": "M-1"} if counts else {})


def test_a_matter_that_was_ended_counts_no_longer(filed: Filed) -> None:
    filed.enter("M-1", "S-1")
    filed.store.end("M-1", NOW + SECOND)
    filed.store.end("M-1", NOW + DAY)

    assert filed.found() == {"transfer": "M-1"}
    assert filed.found(at=NOW + SECOND) == {}
    ended = filed.store.get("M-1")
    assert ended is not None
    assert ended.ended_at == NOW + SECOND


@pytest.mark.parametrize(
    "changed",
    [
        {"requester": "other_ps"},
        {"requester_keys": "other"},
        {"kinds": frozenset({MatterKind.ORDER})},
        {"kinds": frozenset[MatterKind]()},
        {"matter_id": "M-2"},
    ],
)
def test_a_matter_of_another_use_is_not_found(filed: Filed, changed: dict[str, Any]) -> None:
    """Of another requester, of one with other keys, of another kind, of another name."""
    filed.enter("M-1", "S-1")

    assert filed.found(**changed) == {}


def test_a_matter_of_someone_without_keys_is_a_stewards_to_ask_by(filed: Filed) -> None:
    filed.enter("M-1", "S-1", requester_keys=None)

    assert filed.found() == {}
    assert filed.found(requester_keys=None) == {"transfer": "M-1"}


def test_of_several_the_one_that_names_the_students_is_found(filed: Filed) -> None:
    filed.enter("M-1", "S-1", "S-2")
    filed.enter("M-2", "S-2")
    filed.enter("M-3", "S-3")
    ana, ben, mai = filed.refs(*STUDENTS)

    assert filed.found(subject_refs=(ana,)) == {"transfer": "M-1"}
    assert filed.found(subject_refs=(ana, ben)) == {"transfer": "M-1"}
    assert filed.found(subject_refs=(ben,)) == {"transfer": "M-2"}
    assert filed.found(subject_refs=(mai, "of-nobody")) == {"transfer": "M-3"}
    assert filed.found() == {"transfer": "M-3"}
    assert filed.found(matter_id="M-1", subject_refs=(mai,)) == {"transfer": "M-1"}


def test_what_is_stated_about_idea_stands_beside_the_ground(filed: Filed) -> None:
    filed.enter("M-1", "S-1")
    filed.enter("I-1", kind=MatterKind.IDEA)

    assert filed.found(matter_id="M-1") == {"transfer": "M-1", "idea": "I-1"}


def test_the_file_is_listed_newest_first_page_by_page(filed: Filed) -> None:
    for number in range(1, 6):
        filed.enter(f"M-{number}", requester="river_ps" if number % 2 else "lake_ps")
    filed.store.end("M-4", NOW)

    def names(*asked: Any) -> list[str]:
        return [one.matter_id for one in filed.store.page(*asked)]

    assert names("", None, 0, 2) == ["M-5", "M-4"]
    assert names("", None, 4, 9) == ["M-3", "M-2", "M-1"]
    assert names("lake_ps", None, 0, 9) == ["M-4", "M-2"]
    assert names("lake_ps", NOW, 0, 9) == ["M-2"]
    assert names("", NOW + DAY + SECOND, 0, 9) == []


def test_each_student_has_one_name_for_the_requester(filed: Filed) -> None:
    once, again = filed.refs("S-1", "S-2"), filed.refs("S-2", "S-1")

    assert once == again[::-1]
    assert len(set(once)) == len(once)
    assert filed.store.names("lake_ps", [filed.keys["S-1"]])[filed.keys["S-1"]] not in once


def test_an_id_that_the_records_do_not_have_is_left_out(filed: Filed) -> None:
    assert filed.store.keys_of(["S-1", "S-9"]) == {"S-1": filed.keys["S-1"]}
    assert filed.store.ids_of([filed.keys["S-1"], 999]) == {filed.keys["S-1"]: "S-1"}
