"""What the disclosure record promises, on SQLite and on PostgreSQL alike."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import insert, update

from homeroom.audit import AuditKind
from homeroom.errors import EvidenceInvalidError, QueryReplayedError
from homeroom.vocabulary import Basis, Element, ReasonCode
from services.node.domain.kept_record import RecordFilter
from services.node.domain.log import Disclosed, Note
from services.node.domain.register import (
    Decided,
    DisclosureRecord,
    Interest,
    Keeping,
    Manifest,
    RecordedEvent,
    Regime,
    Releaser,
    Requested,
    record_of,
)
from services.node.store.consent_tables import CONSENT
from services.node.store.element_bits import mask_of
from services.node.store.log import LogStore
from services.node.store.register import RegisterStore
from services.node.store.state_tables import LOG_ENTRY
from services.runtime.database import open_database, writing
from tests.contract.node_stores import Urls, urls

__all__ = ["urls"]

ANA, BEN = 1, 2
ATTENDANCE = Element.DAILY_ATTENDANCE


@dataclass
class Kept:
    """A log, and the disclosure record that is written with it."""

    log: LogStore
    register: RegisterStore
    written: int = 0

    async def write(self, *notes: Note) -> None:
        self.written += 1
        await self.log.append(AuditKind.DECIDED, self.written.to_bytes(32), {}, notes)


@pytest.fixture
def kept(urls: Urls) -> Iterator[Kept]:
    engine = open_database(urls.state)
    yield Kept(LogStore(engine), RegisterStore(engine))
    engine.dispose()


def record(
    *released: Element, refused: dict[int, ReasonCode] | None = None, **changed: object
) -> DisclosureRecord:
    """What helpers asked for: attendance and grades, by consent."""
    fields: dict[str, object] = {
        "requester": "helpers",
        "user_id": "u1",
        "role": "case_manager",
        "purpose": "direct_service",
        "ground": Basis.CONSENT,
        "elements": (ATTENDANCE, Element.COURSE_GRADES),
        "onward_to": ("shelter", "league"),
    } | changed
    decided = Decided(frozenset(released), whole=False, reasons=(ReasonCode.CONSENT_MISSING,))
    requested = Requested(**fields)  # type: ignore[arg-type]  # varied by tests
    return record_of(Keeping(jurisdiction="MA"), requested, decided, refused)


async def test_the_log_tells_an_answers_end_only_as_its_tree_has_it(kept: Kept, urls: Urls) -> None:
    """Who rewrites the entry's row has not rewritten its hash."""
    query = b"q" * 32
    assert kept.log.end_of(query.hex()) is None
    await kept.write()
    await kept.log.append(AuditKind.RELEASED, query, {"rows": 2})
    assert kept.log.end_of(query.hex()) == {"rows": 2}

    engine = open_database(urls.state)
    with writing(engine) as connection:
        changed = update(LOG_ENTRY).where(LOG_ENTRY.c.kind == str(AuditKind.RELEASED))
        connection.execute(changed.values(content='{"rows":1}'))
    engine.dispose()
    with pytest.raises(EvidenceInvalidError):
        kept.log.end_of(query.hex())


async def test_an_entry_reads_back_as_it_was_written(kept: Kept) -> None:
    await kept.write(record(ATTENDANCE))
    (entry,) = kept.register.entries()

    assert entry.event is RecordedEvent.DISCLOSURE
    assert set(entry.regimes) == {Regime.FERPA, Regime.MASSACHUSETTS}
    assert (entry.requester, entry.user_id, entry.role) == ("helpers", "u1", "case_manager")
    assert (entry.purpose, entry.basis) == ("direct_service", "consent")
    assert set(entry.elements) == {ATTENDANCE, Element.COURSE_GRADES}
    assert entry.released == (ATTENDANCE,)
    assert entry.reasons == ("consent_missing",)
    assert entry.onward_to == ("league", "shelter")
    assert dt.datetime.now(dt.UTC) - entry.at < dt.timedelta(minutes=5)
    assert not entry.secret


async def test_a_student_sees_the_entries_that_concern_them_and_no_other(kept: Kept) -> None:
    """Whoever was named is concerned, released or refused (34 CFR 99.32(a)(1))."""
    await kept.write(
        Disclosed([(ANA, mask_of([ATTENDANCE]))]),
        record(ATTENDANCE, refused={BEN: ReasonCode.CONSENT_REVOKED}),
    )
    await kept.write(record(refused={ANA: ReasonCode.CONSENT_MISSING}, requester="league"))

    ana, ben = kept.register.of_student(ANA), kept.register.of_student(BEN)
    assert [(one.requester, one.released) for one in ana] == [
        ("helpers", (ATTENDANCE,)),
        ("league", ()),
    ]
    # Why a student was refused stands in that student's own record, and in nobody else's.
    assert "consent_revoked" not in {reason for one in ana for reason in one.reasons}
    assert "consent_revoked" in ben[0].reasons
    assert [(one.requester, one.released) for one in ben] == [("helpers", ())]
    assert kept.register.of_student(3) == []


async def test_an_entry_is_written_with_the_log_or_not_at_all(kept: Kept) -> None:
    """The same query a second time leaves no second entry."""
    await kept.write(record(ATTENDANCE))
    kept.written -= 1

    with pytest.raises(QueryReplayedError):
        await kept.write(Disclosed([(ANA, 1)]), record(ATTENDANCE))
    assert len(list(kept.register.entries())) == 1
    assert kept.register.of_student(ANA) == []


INTEREST = Interest(
    affiliation="Harbor Helpers",
    agreement_version=2,
    purpose="To tutor the students who ask for it.",
    onward={"league": "coaches some of them"},
    authorities=("state_education",),
)


async def test_the_fields_of_the_law_read_back(kept: Kept) -> None:
    """34 CFR 99.32(a)(3) and (b)(1), 603 CMR 23.07(1): who, why, what, when, by whom, to whom."""
    day = dt.date(2026, 9, 1)
    entry = record(
        ATTENDANCE, agreement_id="a-1", dataset="attendance", first_day=day, interest=INTEREST
    )
    decided = replace(
        entry.decided,
        withheld={Element.COURSE_GRADES: ReasonCode.CONSENT_MISSING},
        revisions=("f" * 64, "l" * 64),
        released_by=Releaser("rosa.lima", "registrar", "k" * 64),
        secret=True,
        secret_until=dt.datetime(2026, 12, 1, tzinfo=dt.UTC),
    )
    await kept.write(replace(entry, decided=decided))
    (read,) = kept.register.entries()

    assert (read.affiliation, read.interest) == ("Harbor Helpers", INTEREST.purpose)
    assert (read.agreement_id, read.agreement_version) == ("a-1", 2)
    assert (read.onward, read.authorities) == (
        {"league": "coaches some of them"},
        INTEREST.authorities,
    )
    assert (read.dataset, read.first_day, read.last_day) == ("attendance", day, None)
    assert read.withheld == {"course_grades": "consent_missing"}
    assert read.revisions == ("f" * 64, "l" * 64)
    assert (read.released_by, read.releaser_role) == ("rosa.lima", "registrar")
    assert read.query_digest == (1).to_bytes(32).hex()
    assert read.is_secret(dt.datetime(2026, 11, 30, 23, tzinfo=dt.UTC))
    assert not read.is_secret(dt.datetime(2026, 12, 1, tzinfo=dt.UTC))


async def test_how_an_answer_ended_and_its_consents_stand_with_its_entry(
    kept: Kept, urls: Urls
) -> None:
    engine = open_database(urls.state)
    with writing(engine) as connection:
        connection.execute(
            insert(CONSENT).values(
                consent_key=5,
                consent_id="c-5",
                recorder="r",
                evidence=b"",
                taken_at=0,
                due=False,
                report_due=False,
            )
        )
    engine.dispose()
    await kept.write(Disclosed([(ANA, mask_of([ATTENDANCE]))], [(ANA, 5)]), record(ATTENDANCE))
    await kept.log.append(
        AuditKind.RELEASED, b"r" * 32, {}, [Manifest(0, 1, 12, "d" * 64, cut=True)]
    )

    (mine,) = kept.register.of_student(ANA)
    assert mine.consent_ids == ("c-5",)
    assert mine.ended is not None
    assert (mine.ended.pieces, mine.ended.rows, mine.ended.cut) == (1, 12, True)


async def test_entries_are_found_by_partner_agreement_element_person_and_time(kept: Kept) -> None:
    await kept.write(Disclosed([(ANA, 1), (BEN, 1)]), record(ATTENDANCE, agreement_id="a-1"))
    await kept.write(
        record(refused={ANA: ReasonCode.CONSENT_MISSING}, requester="league", user_id="u2")
    )
    now, hour = dt.datetime.now(dt.UTC), dt.timedelta(hours=1)

    def found(**asked: object) -> list[int]:
        some = kept.register.page(RecordFilter(**asked), -1, 9)  # type: ignore[arg-type]  # varied
        return [one.log_index for one in some]

    assert found() == [0, 1]
    assert found(requester="league") == found(user_id="u2") == [1]
    assert found(agreement_id="a-1") == [0]
    assert found(element=ATTENDANCE) == [0, 1]
    assert found(element=Element.GRADE_LEVEL) == []
    assert found(student_key=BEN) == [0]
    assert found(since=now - hour, until=now + hour) == [0, 1]
    assert found(until=now - hour) == found(since=now + hour) == []
    assert [one.student_count for one in kept.register.page(RecordFilter(), -1, 9)] == [2, 1]
    assert [one.log_index for one in kept.register.page(RecordFilter(), 0, 9)] == [1]
