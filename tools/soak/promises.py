"""What a node has promised to those it answered, and whether its databases still keep it.

A frame promises that the question and its decision were written down before it, with whose records
it may hold; a receipt, that how the answer ended was, and that revocations up to the sequence it
names hold; an import that returned, that its records are there.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, text

from homeroom.api.common.v1 import answer_pb2
from services.node.store.log import LogStore
from services.runtime.database import open_database
from tools.soak.premises import CATEGORIES, DAYS, STUDENTS, Got


@dataclass
class Promises:
    """All that was promised so far.

    Attributes:
        released: the questions of which a frame with rows came.
        receipts: by the digest of the question.
        students: how many students an answer was about, likewise.
        consents_known: the newest state of consents that a receipt names.
        revoked: each consent that was revoked, with its sequence at the consent service.
        version: of the records that were imported last.
    """

    released: set[bytes] = field(default_factory=set)
    receipts: dict[bytes, answer_pb2.Receipt] = field(default_factory=dict)
    students: dict[bytes, int] = field(default_factory=dict)
    consents_known: int = 0
    revoked: dict[str, int] = field(default_factory=dict)
    version: int = 0

    def take(self, got: Got) -> None:
        """Notes what came of a question."""
        if got.frames:
            self.released.add(got.query_digest)
        if got.receipt is not None:
            self.receipts[got.query_digest] = got.receipt
            self.students[got.query_digest] = len(got.refs)
            self.consents_known = max(self.consents_known, got.receipt.consent_sequence)


def broken(promises: Promises, state_url: str, records_url: str) -> list[str]:
    """What a node's databases do not keep of its promises, and what is wrong in them."""
    state, records = open_database(state_url), open_database(records_url)
    try:
        with state.connect() as connection:
            wrong = [*_unsound(connection), *_log(connection, promises)]
            wrong += [*_beside(connection), *_revocations(connection, promises)]
        if (at := LogStore(state).first_broken()) is not None:
            wrong.append(f"the log is broken at entry {at}")
        with records.connect() as connection:
            wrong += [*_unsound(connection), *_records(connection, promises)]
        return wrong
    finally:
        state.dispose()
        records.dispose()


def _unsound(connection: Connection) -> Iterator[str]:
    """What the database itself finds wrong; PostgreSQL refuses to read what it knows is damaged."""
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite and connection.scalar(text("PRAGMA quick_check(1)")) != "ok":
        yield "a database is damaged"


def _log(connection: Connection, promises: Promises) -> Iterator[str]:
    entries: dict[tuple[str, str], Row[Any]] = {}
    for row in connection.execute(text("SELECT * FROM log_entry ORDER BY log_index")):
        if (row.kind, row.query_digest) in entries:
            yield f"entry {row.log_index} is doubled"
        entries[row.kind, row.query_digest] = row
    for digest in promises.released:
        decided = entries.get(("decided", digest.hex()))
        if decided is None or not json.loads(decided.content)["released"]:
            yield "rows left without an entry"
    for digest, receipt in promises.receipts.items():
        yield from _accounted(entries.get(("released", digest.hex())), receipt)
        decided = entries.get(("decided", digest.hex()))
        if decided is None:
            yield "an answer has no decision"
        elif _noted(connection, decided.log_index) < promises.students[digest]:
            yield "records left of a student who is not noted"


def _noted(connection: Connection, log_index: int) -> int:
    """How many students are noted beside an entry."""
    counted = text("SELECT count(*) FROM disclosed WHERE log_index = :log_index")
    return int(connection.scalar(counted, {"log_index": log_index}) or 0)


def _accounted(entry: Row[Any] | None, receipt: answer_pb2.Receipt) -> Iterator[str]:
    """Whether an entry is the one that a receipt names."""
    if entry is None:
        yield "an acknowledged entry is lost"
        return
    told = (entry.log_index, bytes(entry.leaf))
    if told != (receipt.log_index, receipt.log_entry_digest):
        yield f"entry {receipt.log_index} is another than its receipt says"
    content = json.loads(entry.content)
    if (content["rows"], content["frames_digest"]) != (
        receipt.row_count,
        receipt.frames_digest.hex(),
    ):
        yield f"entry {receipt.log_index} is of another answer"


_BESIDE = {
    "a decision without its record": """
        SELECT count(*) FROM log_entry WHERE kind = 'decided' AND (
            log_index NOT IN (SELECT log_index FROM decision_record)
            OR log_index NOT IN (SELECT log_index FROM disclosure_record))""",
    "a record without its entry": """
        SELECT count(*) FROM (
            SELECT log_index FROM decision_record UNION SELECT log_index FROM disclosure_record
            UNION SELECT log_index FROM disclosed UNION SELECT log_index FROM disclosure_refused
        ) AS beside WHERE log_index NOT IN (SELECT log_index FROM log_entry)""",
    "an ending without its decision": """
        SELECT count(*) FROM log_entry AS ended WHERE kind = 'released' AND NOT EXISTS (
            SELECT 1 FROM log_entry AS decided WHERE decided.kind = 'decided'
            AND decided.query_digest = ended.query_digest
            AND decided.log_index < ended.log_index)""",
    "a grant of a revoked consent": """
        SELECT count(*) FROM consent_grant JOIN consent USING (consent_key)
        WHERE revoked_at IS NOT NULL""",
}
"""What must never be found, and how to count it."""


def _beside(connection: Connection) -> Iterator[str]:
    for what, counted in _BESIDE.items():
        if count := connection.scalar(text(counted)):
            yield f"{what}: {count}"


def _revocations(connection: Connection, promises: Promises) -> Iterator[str]:
    known = connection.scalar(text("SELECT sequence FROM consent_progress"))
    if promises.consents_known and (known is None or known < promises.consents_known):
        yield "what was known of consents is forgotten"
    revoked = text("SELECT consent_id FROM consent WHERE revoked_at IS NOT NULL")
    held = set(connection.scalars(revoked))
    for consent_id, sequence in promises.revoked.items():
        if sequence <= promises.consents_known and consent_id not in held:
            yield "a revocation is forgotten"


def version_of(connection: Connection) -> int:
    """Which version of the records was imported last."""
    return int(connection.scalar(text("SELECT max(run) FROM intake_run")) or 0) - 1


def _records(connection: Connection, promises: Promises) -> Iterator[str]:
    """Records are of one import, whole, and not of one before the last that was acknowledged."""
    counted = text("SELECT category, count(*) FROM attendance GROUP BY category")
    said = [tuple(row) for row in connection.execute(counted)]
    version = version_of(connection)
    if said != [(CATEGORIES[version % len(CATEGORIES)], STUDENTS * DAYS)]:
        yield "an import is there in part"
    school = connection.scalar(text("SELECT name FROM school"))
    if school != f"School {version % len(CATEGORIES)}":
        yield "two imports are mixed"
    if version < promises.version:
        yield "an import that was acknowledged is lost"
