"""A node that dies in the middle of its work: nothing left it unrecorded, and nothing is lost.

These are a few of each kind of death; `make soak` runs ten thousand.
"""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from homeroom.errors import ServiceUnreachableError
from tools.postgres import Cluster
from tools.soak.deaths import cluster_of_a_node
from tools.soak.kills import Killing
from tools.soak.power import Session, cuts, record_session
from tools.soak.premises import Premises, premises
from tools.soak.promises import Promises, broken

pytestmark = pytest.mark.federation

_CUTS = 150
_KILLS = 3
_OUTAGES = 4


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Premises]:
    with premises(tmp_path_factory.mktemp("soak") / "federation") as made:
        yield made


@pytest.fixture(scope="module")
def session(at: Premises) -> Session:
    return asyncio.run(record_session(at, questions=20, imports=2, seed=3))


@pytest.fixture(scope="module")
def kept(session: Session, at: Premises) -> Promises:
    """All that the node promised in its session."""
    promises = Promises()
    for _, promise in session.promises:
        promise(promises)
    return promises


def test_no_power_cut_loses_what_a_node_has_promised(session: Session) -> None:
    """Cut at any point of answering, revoking and importing, whatever was not synced."""
    wrong = [(cut.after, cut.loss, cut.wrong) for cut in cuts(session, _CUTS, seed=3) if cut.wrong]

    assert wrong == []
    assert session.wrong == []
    assert session.answers >= 20


def test_no_kill_loses_what_a_node_has_promised(at: Premises, session: Session) -> None:
    """After the session, for its node has ended."""
    lives = Killing(at, seed=3)
    wrong = list(lives.lives(_KILLS))

    assert wrong == [[]] * _KILLS


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("DELETE FROM disclosed", "a student who is not noted"),
        ("DELETE FROM disclosure_record", "a decision without its record"),
        ("DELETE FROM log_entry WHERE kind = 'released'", "an acknowledged entry is lost"),
        ("DELETE FROM log_entry WHERE kind = 'decided'", "rows left without an entry"),
        ("UPDATE consent SET revoked_at = NULL", "a revocation is forgotten"),
        ("UPDATE consent_progress SET sequence = 0", "known of consents is forgotten"),
    ],
)
def test_a_soak_notices_what_is_lost(
    at: Premises, kept: Promises, tmp_path: Path, lost: str, told: str
) -> None:
    state = _without(at.state_url, tmp_path, lost)

    assert any(told in wrong for wrong in broken(kept, state, at.records_url))


def test_a_soak_notices_an_import_that_is_there_in_part(
    at: Premises, kept: Promises, tmp_path: Path
) -> None:
    part = "DELETE FROM attendance WHERE student_key = 1"
    records = _without(at.records_url, tmp_path, part)

    assert "an import is there in part" in broken(kept, at.state_url, records)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    try:
        with cluster_of_a_node() as made:
            yield made
    except ServiceUnreachableError as failure:
        pytest.skip(failure.message)


def test_a_database_that_dies_under_a_node_loses_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """PostgreSQL dies in the middle of answering, revoking and importing; the node goes on."""
    with premises(tmp_path / "federation", cluster.url("holder")) as at:
        lives = Killing(at, seed=8, cluster=cluster)
        wrong = list(lives.lives(_OUTAGES))

    assert wrong == [[]] * _OUTAGES
    assert lives.answers > 0


def _without(url: str, folder: Path, lost: str) -> str:
    """A copy of a database in which something was lost."""
    copied = folder / "copy.db"
    with (
        closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as found,
        closing(sqlite3.connect(copied)) as copy,
    ):
        found.backup(copy)
        copy.execute(lost)
        copy.commit()
    return f"sqlite:///{copied}"
