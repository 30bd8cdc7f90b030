"""Replicas of one node over one PostgreSQL: one answers, and another when it dies or is cut off."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from homeroom.api.common.v1 import answer_pb2, evidence_pb2
from homeroom.errors import HomeroomError, QueryReplayedError, ServiceUnreachableError
from services.node.store.log import LogStore
from services.runtime.database import open_database, writing
from tests.federation.records import ATTENDANCE_ALLOWED, HARBOR
from tests.federation.replicated import (
    REPLICAS,
    TAKEOVER_SECONDS,
    Asking,
    Replicated,
    asking,
    replicated,
)
from tests.federation.running import ASKER, eventually, refs_in
from tests.federation.wire import Keys, RogueGateway, query_of, user_token
from tools.postgres import Cluster
from tools.soak.deaths import cluster_of_a_node

pytestmark = [pytest.mark.federation, pytest.mark.postgres, pytest.mark.xdist_group("replicas")]

SOON = 10.0
"""Seconds in which another replica answers, on a busy machine, once it is elected."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    try:
        with cluster_of_a_node() as made:
            yield made
    except ServiceUnreachableError as failure:
        pytest.skip(failure.message)


@pytest.fixture(scope="module")
def at(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicated]:
    folder = tmp_path_factory.mktemp("replicas") / "federation"
    with replicated(folder, cluster.url("holder")) as made:
        yield made


def require_sound(at: Replicated) -> None:
    """The log is whole, by the verb that an operator uses."""
    url = at.processes.layout.state_url(HARBOR)
    verb = [sys.executable, "-m", "services.node", "verify-log"]
    told = {"HOMEROOM_NODE_RECORDS_URL": url, "HOMEROOM_NODE_STATE_URL": url}
    found = subprocess.run(verb, env=told, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def require_recorded(at: Replicated, work: Asking) -> None:
    """The log has the entry that each receipt names: nothing left that it does not tell of."""
    receipts = [answer.receipts[HARBOR] for *_, answer in work.answers if answer.receipts]
    named = {
        (said.log_index, said.log_entry_digest)
        for said in (
            answer_pb2.Receipt.FromString(evidence_pb2.SignedStatement.FromString(one).statement)
            for one in receipts
        )
    }
    engine = open_database(at.processes.layout.state_url(HARBOR))
    kept = {(entry.index, entry.leaf()) for entry in LogStore(engine).entries()}
    engine.dispose()
    assert len(named) == len(receipts) > 0
    assert named <= kept


def require_whole(at: Replicated) -> None:
    """Everyone's rows come, and nobody else's."""
    allowed = [child for child in ATTENDANCE_ALLOWED if child.holder == HARBOR]
    answer = eventually(at.federation.attendance, lambda found: found.complete)
    assert refs_in(answer) == at.federation.refs(*allowed)


def test_one_of_those_that_start_serves_and_the_others_are_fit_to(at: Replicated) -> None:
    elected = at.elected()

    assert [name for name in REPLICAS if at.number(name, "homeroom_elected")] == [elected]
    assert all(at.says(name, "fit") and at.says(name, "live") for name in REPLICAS)
    require_whole(at)


def test_another_answers_soon_after_the_one_elected_was_killed(at: Replicated) -> None:
    killed = at.elected()
    layout, token = at.processes.layout, user_token(at.processes.layout)
    query = Keys.of(layout, ASKER).sign(query_of(token))
    RogueGateway(layout, addresses={HARBOR: at.addresses[killed]}).send(HARBOR, query, token)
    with asking(at) as work:
        time.sleep(1)
        at.processes.signal(killed, signal.SIGKILL)
        took = work.until_whole(time.monotonic())
    elected = at.elected()
    new = RogueGateway(layout, addresses={HARBOR: at.addresses[elected]})

    assert took < SOON
    assert elected != killed
    with pytest.raises(QueryReplayedError):
        new.send(HARBOR, query, token)
    at.revive(killed)
    assert at.elected() == elected
    require_sound(at)
    require_recorded(at, work)
    require_whole(at)


def test_who_was_held_still_writes_and_releases_nothing_afterwards(at: Replicated) -> None:
    """SIGSTOP past the takeover, then SIGCONT: it refuses who still asks it, and ends."""
    layout = at.processes.layout
    held = at.elected()
    address = {HARBOR: at.addresses[held]}
    sign, token = Keys.of(layout, ASKER).sign, user_token(layout)
    at.processes.signal(held, signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        elected = eventually(lambda: [n for n in REPLICAS if n != held and at.says(n)], bool)[0]
        took = time.monotonic() - stopped
        size = _entries(at)
    finally:
        at.processes.signal(held, signal.SIGCONT)
    query = sign(query_of(token))
    with pytest.raises(HomeroomError):
        RogueGateway(layout, addresses=address).send(HARBOR, query, token)

    assert took < TAKEOVER_SECONDS + SOON
    eventually(lambda: at.processes.is_running(held), lambda runs: not runs)
    assert "another replica may have been elected" in at.log_of(held)
    assert _entries(at) == size
    at.revive(held)
    assert at.elected() == elected
    require_sound(at)
    require_whole(at)


def test_whose_lock_is_cut_off_stops_answering(at: Replicated) -> None:
    cut = at.elected()
    _run(at, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    eventually(lambda: at.processes.is_running(cut), lambda runs: not runs)

    assert at.elected() != cut
    at.revive(cut)
    require_whole(at)
    require_sound(at)


def test_a_rolling_update_loses_no_question(at: Replicated) -> None:
    """Each replica is ended as Kubernetes does it, one after the other, under questions."""
    with asking(at) as work:
        time.sleep(1)
        for name in sorted(REPLICAS, key=lambda one: one == at.elected()):
            at.processes.stop(name)
            at.processes.launch(name)
            at.until_fit(name)
        time.sleep(1)
    lost = [answer.sources for *_, answer in work.answers if not answer.complete]

    assert not lost
    assert not work.errors
    require_sound(at)
    require_recorded(at, work)


def _entries(at: Replicated) -> int:
    engine = open_database(at.processes.layout.state_url(HARBOR))
    with engine.connect() as connection:
        found = "SELECT count(*) FROM log_entry WHERE kind IN ('decided', 'undecided', 'released')"
        counted = connection.scalar(text(found))
    engine.dispose()
    return int(counted or 0)


def _run(at: Replicated, statement: str) -> None:
    engine = open_database(at.processes.layout.state_url(HARBOR))
    with writing(engine) as connection:
        connection.execute(text(statement))
    engine.dispose()
