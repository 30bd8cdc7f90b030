"""What the disclosure record promises, on SQLite and on PostgreSQL alike."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from homeroom.audit import AuditKind
from homeroom.errors import QueryReplayedError
from homeroom.vocabulary import Basis, Element, ReasonCode
from services.node.domain.log import Disclosed, Note
from services.node.domain.register import (
    Decided,
    DisclosureRecord,
    Keeping,
    RecordedEvent,
    Regime,
    Requested,
    record_of,
)
from services.node.store.element_bits import mask_of
from services.node.store.log import LogStore
from services.node.store.register import RegisterStore
from services.runtime.database import open_database
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
