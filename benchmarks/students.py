"""Whether a question about 50 students costs the same in a store of millions as in a small one.

The node's own store is asked, on SQLite, as a node asks it: who is covered, by which names, and
then every row. The students are put into the node's own tables by SQL, not by intake.
"""

import asyncio
import datetime as dt
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.bare_node import BareQuestion
from benchmarks.ground import AGREEMENT_ID, ASKER, FIRST_DAY, PURPOSE
from homeroom.vocabulary import Element
from services.node.domain.selection import Selection
from services.node.opening import bring_tables_up_to_date
from services.node.store.answers import AnswerStore
from services.node.store.element_bits import mask_of
from services.node.store.subject_refs import SubjectRefStore
from services.runtime.database import open_database

_FEW = 5_000
_ASKED = 50
_RARE = "rare"
_DAYS = 4
_ROUNDS = 12
_REPEATS = 20

_STUDENTS = """
WITH RECURSIVE made(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM made WHERE n < :students)
INSERT INTO student (student_key, student_id, given_name, family_name, birth_date, school_id)
SELECT n, printf('%08d', n), 'Made', 'Up', '2014-05-06', printf('s%05d', n / 500) FROM made
"""
_SCHOOLS = """
INSERT INTO school (school_id, name, attendance_kind, last_reported_date)
SELECT DISTINCT school_id, 'School', 'every_day', :last_day FROM student
"""
_ATTENDANCE = """
WITH RECURSIVE day(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM day WHERE n < :days)
INSERT INTO attendance (student_key, school_id, event_date, category)
SELECT student_key, school_id, date(:last_day, (n - :days) || ' days'), 'in_attendance'
FROM student CROSS JOIN day
"""
# Two of five students have consented: to one recipient all of them, and 50 to another as well.
_CONSENTED = """
CREATE TEMP VIEW consented AS
SELECT student_key FROM records.student WHERE student_key % 5 < 2
"""
_CONSENTS = """
INSERT INTO consent (consent_key, consent_id, recorder, evidence, taken_at, student_key,
    birth_date, last_date, due, report_due)
SELECT student_key, printf('%032x', student_key), :recipient, zeroblob(200), 0, student_key,
    '2014-05-06', '2099-01-01', 0, 0 FROM consented
"""
_GRANTS = """
INSERT INTO consent_grant (recipient, purpose, student_key, consent_key, elements, named,
    valid_from, valid_to, age_rule, agreement_id)
SELECT :recipient, :purpose, student_key, student_key, :elements, :elements, 0, 1 << 40, 0,
    :agreement
FROM (SELECT student_key FROM consented ORDER BY (student_key * 7919) % 4999 LIMIT :most)
ORDER BY student_key
"""
# Names are scattered over the whole table, as random ones are.
_NAMES = """
INSERT INTO subject_ref (recipient, subject_ref, student_key, in_use)
SELECT recipient, printf('%08x%08x', (student_key * 2654435761) & 4294967295, student_key) AS name,
    student_key, 1
FROM consent_grant ORDER BY recipient, name
"""
_SOME_NAMES = """
SELECT subject_ref FROM subject_ref WHERE recipient = :recipient
ORDER BY (student_key * 7919) % 4999 LIMIT :most
"""


@dataclass(frozen=True, slots=True)
class Question:
    """Asks for 50 students, by their names or as all whom a consent names."""

    store: AnswerStore
    selection: Selection
    refs: Sequence[str]
    seconds: list[float] = field(default_factory=list)

    async def ask(self) -> None:
        """Asks a few times over, and remembers what one took by the clock."""
        began = time.perf_counter()
        for _ in range(_REPEATS):
            rows = await self._rows()
            assert rows == _ASKED * _DAYS, f"{rows} rows for {_ASKED * _DAYS}"
        self.seconds.append((time.perf_counter() - began) / _REPEATS)

    async def _rows(self) -> int:
        begun = await self.store.begin(self.selection, self.refs)
        assert begun.reader is not None
        assert len(begun.coverage.students) == _ASKED
        rows = 0
        while batches := await begun.reader.next_batches():
            rows += sum(batch.num_rows for batch in batches)
        await begun.reader.close()
        return rows

    def scans(self) -> list[str]:
        """The steps by which SQLite would read a table of students from end to end."""
        written = self.store._statements
        databases = self.store._databases
        found: list[str] = []
        for statement, values in (
            written.rows(self.selection, limited=False),
            written.students(self.selection),
            written.limited(self.selection),
        ):
            with databases.lent() as connection:
                plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
            found += [step for *_, step in plan if step.startswith("SCAN ") and _stored(step)]
        return found


def run(students: int = 5_000_000) -> dict[str, Any]:
    """What a question takes among so many students, against one among 5,000; medians.

    Args:
        students: in the large store; 5 million take 5 GB of a temporary folder.
    """
    with tempfile.TemporaryDirectory(prefix="homeroom-") as folder:
        sizes = {"few": _FEW, "many": students}
        stores = {name: _store(Path(folder) / name, count) for name, count in sizes.items()}
        named, everyone = ([make(stores[name]) for name in sizes] for make in (_named, _everyone))
        asyncio.run(_measure([*named, *everyone]))
        scans = sorted({step for asked in (*named, *everyone) for step in asked.scans()})
    print(f"load {os.getloadavg()[0]:.1f}; read from end to end: {', '.join(scans) or 'nothing'}")
    return {
        "students": students,
        **_told("named", *named),
        **_told("everyone", *everyone),
        "scans": len(scans),
    }


async def _measure(questions: Sequence[Question]) -> None:
    for number in range(_ROUNDS + 1):
        for asked in questions[:: 1 if number % 2 else -1]:
            await asked.ask()
    for asked in questions:
        # The first round fills the caches.
        del asked.seconds[0]


def _told(kind: str, few: Question, many: Question) -> dict[str, float]:
    took = [statistics.median(asked.seconds) * 1000 for asked in (few, many)]
    print(f"{kind}: {took[0]:.2f} ms among few, {took[1]:.2f} ms among many", flush=True)
    return {
        f"{kind}_few_ms": round(took[0], 2),
        f"{kind}_many_ms": round(took[1], 2),
        f"{kind}_ratio": round(took[1] / took[0], 2),
    }


def _store(folder: Path, students: int) -> Path:
    """Fills the two databases of a node."""
    folder.mkdir()
    began = time.monotonic()
    bring_tables_up_to_date(*_urls(folder))
    with closing(_opened(folder / "records.db")) as records, records:
        last_day = (FIRST_DAY + dt.timedelta(days=_DAYS - 1)).isoformat()
        records.execute(_STUDENTS, {"students": students})
        records.execute(_SCHOOLS, {"last_day": last_day})
        records.execute(_ATTENDANCE, {"last_day": last_day, "days": _DAYS})
    with closing(_opened(folder / "state.db")) as state:
        state.execute("ATTACH DATABASE ? AS records", (str(folder / "records.db"),))
        state.execute(_CONSENTED)
        with state:
            _consent(state)
    megabytes = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    print(
        f"{students:,} students: {time.monotonic() - began:.0f} s, {megabytes:,.0f} MB", flush=True
    )
    return folder


def _consent(state: sqlite3.Connection) -> None:
    state.execute(_CONSENTS, {"recipient": ASKER})
    for recipient, most in ((ASKER, -1), (_RARE, _ASKED)):
        values = {
            "recipient": recipient,
            "purpose": PURPOSE,
            "elements": mask_of({Element.DAILY_ATTENDANCE}),
            "agreement": AGREEMENT_ID,
            "most": most,
        }
        state.execute(_GRANTS, values)
    state.execute(_NAMES)


def _opened(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _named(folder: Path) -> Question:
    """A question that names 50 of all who consented, from all over the store."""
    with closing(sqlite3.connect(folder / "state.db")) as state:
        chosen = state.execute(_SOME_NAMES, {"recipient": ASKER, "most": _ASKED})
        refs = [ref for (ref,) in chosen]
    return _question(folder, ASKER, refs)


def _everyone(folder: Path) -> Question:
    """A question that names nobody, of a recipient whom 50 consents name."""
    return _question(folder, _RARE, None)


def _question(folder: Path, recipient: str, refs: Sequence[str] | None) -> Question:
    urls = _urls(folder)
    store = AnswerStore(*urls, SubjectRefStore(open_database(urls[1])))
    asked = BareQuestion(recipient, AGREEMENT_ID, PURPOSE, refs).selection()
    return Question(store, replace(asked, caseload=None), refs or ())


def _stored(step: str) -> bool:
    tables = ("student", "attendance", "school", "consent", "subject_ref", "names")
    return step.split()[1].startswith(tables)


def _urls(folder: Path) -> tuple[str, str]:
    return f"sqlite:///{folder / 'records.db'}", f"sqlite:///{folder / 'state.db'}"
