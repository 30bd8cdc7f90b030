"""What the witness's store promises, on SQLite and on PostgreSQL alike."""

import datetime as dt
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from homeroom.audit.checkpoint import Checkpoint
from homeroom.audit.growth import Contradiction, contradiction_between
from homeroom.errors import TooMuchAskedError
from homeroom.federation import Standing
from homeroom.signing import SigningKey
from services.registry.domain.ledger import ChangeRequest, Decision
from services.registry.domain.organizations import RegisteredOrganization
from services.registry.domain.statements import Signature, Statement
from services.registry.domain.witness import (
    MAX_COSIGNATURES,
    FoundContradiction,
    TakenCheckpoint,
    Verdict,
)
from services.registry.migrations import REGISTRY, VERSION_TABLE
from services.registry.store import SqlRegistryStore, SqlWitnessStore
from services.runtime.database import upgrade
from tests.growing_logs import GrowingLog
from tests.organizations import NOW
from tests.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]

Rule = Callable[[RegisteredOrganization | None, TakenCheckpoint | None], Verdict]
SECOND = NOW.replace(microsecond=0)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlWitnessStore]:
    if request.param == "postgresql":
        made = str(request.getfixturevalue("postgres_url"))
    else:
        made = f"sqlite:///{tmp_path}/registry.db"
    upgrade(made, REGISTRY, version_table=VERSION_TABLE)
    _register(made, "anytown")
    opened = SqlWitnessStore(made)
    yield opened
    opened.close()


def _register(url: str, name: str) -> None:
    registered = RegisteredOrganization(
        organization_id=name,
        record=Statement(b"record", (Signature(name, "key", b"signed"),)),
        record_version=1,
        kind="district",
        signing_key=b"\x01" * 32,
        sealing_key=b"\x02" * 32,
        checkpoint_key=b"\x03" * 32,
        standing=Standing.PENDING,
        standing_time=NOW,
    )
    registry = SqlRegistryStore(url)
    request = ChangeRequest(name, "r", b"digest")
    registry.change(request, lambda _: Decision(registered, (registered,)), lambda *_: b"")
    registry.close()


def checkpoint(position: int, name: str = "anytown") -> TakenCheckpoint:
    return TakenCheckpoint(
        organization_id=name,
        position=position,
        checkpoint=Checkpoint(f"homeroom/test/{name}/log", 2**40 + position, b"\x00" * 32),
        note=f"note {position}\n",
        path=b"\x00\xff" * 32,
        taken_at=SECOND,
        previous=position - 1,
    )


def contradiction(refused: str) -> FoundContradiction:
    return FoundContradiction("anytown", Contradiction.FORKED, "known", refused, SECOND)


def giving(verdict: Verdict) -> Rule:
    return lambda _organization, _newest: verdict


def test_what_was_taken_comes_back_in_its_order(store: SqlWitnessStore) -> None:
    begun = Statement(b"\x00said", (Signature("anytown", "key", b"\x00signed"),))
    first, second = checkpoint(1), replace(checkpoint(2), beginning=begun)
    for one in (first, second, checkpoint(1, "riverton")):
        store.decide(one.organization_id, giving(one))

    assert store.taken("anytown", 0, 9) == [first, second]
    assert store.taken("anytown", 1, 9) == [second]
    assert store.taken("anytown", 0, 1) == [first]
    assert store.newest("anytown") == second
    assert store.newest("nobody") is None


def test_a_rule_that_takes_nothing_new_writes_nothing(store: SqlWitnessStore) -> None:
    store.decide("anytown", giving(checkpoint(1)))
    store.decide("anytown", giving(checkpoint(1)))

    assert store.taken("anytown", 0, 9) == [checkpoint(1)]


def test_evidence_is_kept_once_and_takes_nothing(store: SqlWitnessStore) -> None:
    store.decide("anytown", giving(checkpoint(1)))
    for refused in ("a", "b", "a"):
        store.decide("anytown", giving(contradiction(refused)))

    assert store.contradictions("anytown", 0, 9) == [
        replace(contradiction("a"), position=1),
        replace(contradiction("b"), position=2),
    ]
    assert store.contradictions("anytown", 1, 9) == [replace(contradiction("b"), position=2)]
    assert store.taken("anytown", 0, 9) == [checkpoint(1)]


def test_old_checkpoints_are_thinned_and_every_step_still_checks(store: SqlWitnessStore) -> None:
    """What a witness cosigned last stays, and of another log everything."""
    log = GrowingLog("test", "anytown", SigningKey.generate())
    for position in range(1, 9):
        log.grow(b"one", b"more")
        grown = replace(
            checkpoint(position),
            checkpoint=log.checkpoint(),
            path=log.path(2 * position - 2),
            taken_at=SECOND if position < 8 else SECOND + dt.timedelta(hours=1),
        )
        store.decide("anytown", giving(grown))
        store.decide("riverton", giving(checkpoint(position, "riverton")))
        store.add_cosignature("anytown", position, lambda _taken, n=position: (f"w{n // 4}", "l\n"))  # type: ignore[misc]  # bound now

    assert store.thin("anytown", SECOND) == 0
    assert store.thin("anytown", SECOND + dt.timedelta(seconds=1)) == 4
    assert store.thin("anytown", SECOND + dt.timedelta(seconds=1)) == 0

    left = store.taken("anytown", 0, 99)
    assert [(one.position, one.previous) for one in left] == [(1, 0), (3, 1), (7, 3), (8, 7)]
    for before, one in pairwise(left):
        assert contradiction_between(before.checkpoint, one.checkpoint, one.path) is None
    assert store.taken("anytown", 3, 1) == left[2:3]
    assert store.newest("anytown") == left[-1]
    assert len(store.taken("riverton", 0, 99)) == 8
    assert store.logs() == ["anytown", "riverton"]


def test_each_witness_has_one_line(store: SqlWitnessStore) -> None:
    """A line that comes again stands in place of the one before."""
    store.decide("anytown", giving(checkpoint(1)))
    for witness, line in (("riverton", "r\n"), ("harbor", "h\n"), ("riverton", "r2\n")):
        store.add_cosignature("anytown", 1, lambda _taken, w=witness, x=line: (w, x))  # type: ignore[misc]  # bound now

    (found,) = store.taken("anytown", 0, 9)
    assert found.cosignatures == ("h\n", "r2\n")
    assert found.whole_note == "note 1\nh\nr2\n"


def test_a_note_has_no_more_lines_than_anyone_reads(store: SqlWitnessStore) -> None:
    store.decide("anytown", giving(checkpoint(1)))
    for number in range(MAX_COSIGNATURES):
        store.add_cosignature("anytown", 1, lambda _taken, n=number: (f"w{n}", "line\n"))  # type: ignore[misc]  # bound now

    with pytest.raises(TooMuchAskedError):
        store.add_cosignature("anytown", 1, lambda _taken: ("one_more", "line\n"))
    store.add_cosignature("anytown", 1, lambda _taken: ("w0", "again\n"))
    newest = store.newest("anytown")
    assert newest is not None
    assert len(newest.cosignatures) == MAX_COSIGNATURES


def test_of_several_at_once_each_sees_the_one_before(store: SqlWitnessStore) -> None:
    """Whoever decides meanwhile waits, so that no two take the same place."""

    def next_one(_organization: object, newest: TakenCheckpoint | None) -> Verdict:
        return checkpoint(newest.position + 1 if newest else 1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: store.decide("anytown", next_one), range(8)))

    assert [one.position for one in store.taken("anytown", 0, 99)] == list(range(1, 9))
