"""A download whose connection breaks goes on where it was: over real processes, sockets and TLS."""

import json
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.fault_schedules import ways_to
from benchmarks.ways import WELL, Fault, Ways
from deploy.local.addresses import free_addresses
from homeroom import Answer, Client, Outcome
from homeroom.answer import Source
from homeroom.profile import Profile, load_profile
from tests.federation import midway
from tests.federation.records import ATTENDANCE, HARBOR, LONG_RECORD, MILL_RIVER
from tests.federation.running import AGREEMENT, ASKER, WARNING, Federation
from tests.federation.test_reconciliation import next_second
from tests.federation.wire import question

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]

# In the middle of an answer, whatever was said before it on the same connection.
SOME_BYTES = 120_000


@pytest.fixture
def long(federation: Federation) -> Iterator[int]:
    """The long record is allowed; gives the sequence from which on it is."""
    with federation.allowed(LONG_RECORD, [ATTENDANCE], WARNING) as consent:
        yield consent.sequence


@contextmanager
def a_way(federation: Federation, profile: Profile) -> Iterator[tuple[Ways, Profile]]:
    """A way to the gateway that can be broken, and the profile of an app that takes it."""
    assert profile.gateway is not None
    (address,) = free_addresses(1)
    there = profile.gateway.model_copy(update={"address": address})
    with Ways({"gateway": (address, profile.gateway.address)}) as ways:
        yield ways, profile.model_copy(update={"gateway": there})


@pytest.fixture
def profile(federation: Federation, tmp_path: Path) -> Profile:
    """The requester's, with receipts of its own."""
    own = load_profile(federation.layout.profile(ASKER))
    return own.model_copy(update={"receipts": tmp_path / "receipts"})


def ask(
    client: Client, sequence: int, timeout: float = 30, holders: Sequence[str] = (MILL_RIVER,)
) -> Answer:
    """Asks one district, or more, for the long record."""
    return client.query(
        AGREEMENT,
        WARNING,
        "attendance",
        [ATTENDANCE],
        holders=holders,
        min_consent_sequence=sequence,
        timeout=timeout,
    )


def entries(federation: Federation, kind: str) -> list[dict[str, Any]]:
    """What the district's log says, newest first."""
    chosen = "SELECT content FROM log_entry WHERE kind = ? ORDER BY log_index DESC"
    with closing(sqlite3.connect(federation.state_of(MILL_RIVER))) as state:
        return [json.loads(content) for (content,) in state.execute(chosen, (kind,))]


def run_through(
    federation: Federation, sequence: int, act: Callable[[], object]
) -> tuple[Source, int]:
    """Asks for the long record, acts when it has begun to come, and reads the rest."""
    asked = question(
        purpose=WARNING,
        elements=(ATTENDANCE,),
        holders=(MILL_RIVER,),
        min_consent_sequence=sequence,
    )
    finished = midway.run_through(federation, asked, act)[MILL_RIVER]
    return finished.source, sum(batch.num_rows for batch in finished.batches())


def test_a_download_whose_connection_is_cut_in_the_middle_is_whole(
    federation: Federation, profile: Profile, long: int
) -> None:
    """It has each row once; log, receipt and reconciliation are as if nothing had happened."""
    begun, before = next_second(), len(entries(federation, "resumed"))
    with a_way(federation, profile) as (ways, relayed), Client(relayed) as client:
        unbroken = ask(client, long)
        ways.become("gateway", Fault(cut_after=SOME_BYTES))
        mending = threading.Timer(1.5, ways.become, ("gateway", WELL))
        mending.start()
        broken = ask(client, long)
        mending.join()
        (reconciled,) = client.reconcile([MILL_RIVER], begun).holders

    assert broken.complete
    assert broken.table.equals(unbroken.table)
    assert broken.table.num_rows > 100_000
    resumed = entries(federation, "resumed")
    assert len(resumed) > before
    assert 0 < resumed[0]["from_piece"] <= resumed[0]["pieces_left"]
    released = entries(federation, "released")[0]
    assert (released["cut"], released["rows"]) == (False, broken.table.num_rows)
    assert (reconciled.failure, reconciled.gaps) == ("", ())
    assert reconciled.receipts == reconciled.questions == 2
    assert federation.log_is_whole(MILL_RIVER)


def test_a_broken_download_is_whole_before_a_silent_holder_is_given_up(
    federation: Federation, long: int
) -> None:
    """A node keeps an answer open for half a minute; the others' time may be longer than that."""
    whole = ask(federation.client, long).table.num_rows
    with ways_to(federation.processes, [MILL_RIVER]) as ways:
        assert ask(federation.client, long).complete  # by the new way
        ways.become(MILL_RIVER, Fault(cut_after=SOME_BYTES))
        mending = threading.Timer(1.5, ways.become, (MILL_RIVER, WELL))
        mending.start()
        with federation.held_still(HARBOR):
            sources = ask(federation.client, long, 20, holders=[HARBOR, MILL_RIVER]).sources
        mending.join()

    assert sources[HARBOR].outcome in {Outcome.TIMED_OUT, Outcome.UNREACHABLE}
    assert sources[MILL_RIVER].outcome is Outcome.ANSWERED
    assert sources[MILL_RIVER].row_count == whole
    assert sources[MILL_RIVER].seconds < sources[HARBOR].seconds
    assert entries(federation, "resumed")[0]["from_piece"] > 0


def test_an_app_goes_on_later_with_a_download_that_did_not_come_in_time(
    federation: Federation, profile: Profile, long: int
) -> None:
    """What came is kept: only the rest is sent, and every row is told once."""
    whole = ask(federation.client, long).table.num_rows
    with a_way(federation, profile) as (ways, relayed), Client(relayed) as client:
        ask(client, long)
        ways.become("gateway", Fault(stop_after=SOME_BYTES))
        with client.stream(
            AGREEMENT,
            WARNING,
            "attendance",
            [ATTENDANCE],
            holders=[MILL_RIVER],
            min_consent_sequence=long,
            timeout=4,
        ) as answer:
            assert list(answer) == []
            late = answer.sources[MILL_RIVER].outcome, answer.broken
            ways.become("gateway", WELL)
            rows = sum(batch.num_rows for batch in answer.resume(timeout=30))
            then = answer.complete, answer.broken

    assert late == (Outcome.TIMED_OUT, (MILL_RIVER,))
    assert then == (True, ())
    assert rows == whole
    assert entries(federation, "resumed")[0]["from_piece"] > 0


def test_a_download_survives_a_gateway_that_is_killed_and_started_again(
    federation: Federation, long: int
) -> None:
    whole = ask(federation.client, long).table.num_rows

    def kill() -> None:
        federation.processes.signal("gateway", signal.SIGKILL)
        federation.restart("gateway")

    source, rows = run_through(federation, long, kill)

    assert source.outcome is Outcome.ANSWERED
    assert rows == source.row_count == whole
    assert federation.log_is_whole(MILL_RIVER)


def test_what_a_family_took_back_while_the_gateway_was_away_does_not_come(
    federation: Federation,
) -> None:
    """Neither in what had not left nor, a second time, in what had."""
    form = federation.form(LONG_RECORD, [ATTENDANCE], WARNING)
    consent = federation.client.consents.record(**form)
    whole = ask(federation.client, consent.sequence).table.num_rows

    def kill_and_revoke() -> None:
        federation.processes.signal("gateway", signal.SIGKILL)
        sequence = federation.client.consents.revoke(consent.consent_id)
        federation.restart("gateway")
        # Once it is answered, the district knows.
        assert ask(federation.client, sequence).table.num_rows < whole

    source, rows = run_through(federation, consent.sequence, kill_and_revoke)
    cut = [said["rows"] for said in entries(federation, "released") if said["rows"] > 0]

    assert source.outcome in {Outcome.ANSWERED, Outcome.NO_PERMITTED_ANSWER}
    assert source.row_count < whole
    assert rows in {0, source.row_count}
    assert cut[0] == source.row_count
    assert federation.log_is_whole(MILL_RIVER)
