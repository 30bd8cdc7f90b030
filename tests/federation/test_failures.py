"""Parts that fail: nothing is released then, the failure has its right name, and it heals."""

import asyncio
import datetime as dt
import resource
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from deploy.local.founding import sign_agreement
from deploy.local.layout import LOCAL_POLICY
from homeroom import Answer, Client, Outcome
from homeroom.clock import utc_now
from homeroom.errors import ClockSkewedError
from tests.federation.midway import run_through
from tests.federation.records import (
    ATTENDANCE,
    ATTENDANCE_ALLOWED,
    HARBOR,
    LONG_RECORD,
    MILL_RIVER,
    SPARE,
)
from tests.federation.running import (
    AGREEMENT,
    ASKER,
    PURPOSE,
    WARNING,
    Federation,
    agreement_text,
    eventually,
    refs_in,
)
from tests.federation.wire import question

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]

# Longer than a busy machine needs to stop a service and ask a question, shorter than the default.
SHORT_SECONDS = 6


def everyone(federation: Federation) -> set[str]:
    return federation.refs(*ATTENDANCE_ALLOWED)


def only(federation: Federation, holder: str) -> set[str]:
    return federation.refs(*(child for child in ATTENDANCE_ALLOWED if child.holder == holder))


def require_undecided(federation: Federation, answer: Answer, reason: str) -> None:
    """One district could not decide, and says why; the other's answer is whole."""
    assert answer.sources[HARBOR].outcome is Outcome.CANNOT_DECIDE
    assert answer.sources[HARBOR].error_reason == reason
    assert refs_in(answer) == only(federation, MILL_RIVER)


def require_healed(federation: Federation) -> None:
    """Both answer again, and the log of the one that failed is whole."""
    answer = eventually(federation.attendance, lambda found: found.complete)
    assert refs_in(answer) == everyone(federation)
    assert federation.log_is_whole(HARBOR)


@pytest.fixture
def impatient(federation: Federation, tmp_path: Path) -> Iterator[Federation]:
    """One district accepts no state older than six seconds, and has a policy with a gap.

    For one test alone: another that restarts the district would take both away again.
    """
    policy = _policy_undefined_for(WARNING, tmp_path / "policy")
    federation.restart(HARBOR, max_state_age_seconds=str(SHORT_SECONDS), local_policy=str(policy))
    eventually(federation.attendance, lambda found: found.complete)
    yield federation
    federation.restart(HARBOR)
    require_healed(federation)


@pytest.mark.parametrize("service", ["consent", "registry"])
def test_a_node_answers_without_a_service_until_its_state_is_stale_and_no_longer(
    impatient: Federation, service: str
) -> None:
    """Registry or consent service down: still answered, then refused once the bound has passed."""
    impatient.processes.stop(service)
    try:
        soon = impatient.attendance()
        time.sleep(SHORT_SECONDS)
        stale = eventually(impatient.attendance, lambda found: not found.complete)
    finally:
        impatient.restart(service)

    assert soon.complete
    require_undecided(impatient, stale, "STATE_STALE")
    require_healed(impatient)


def test_nothing_is_lost_when_the_consent_service_restarts(federation: Federation) -> None:
    """What is recorded and revoked after its restart reaches the nodes, as what was before."""
    with federation.allowed(SPARE, [ATTENDANCE]) as before:
        federation.restart("consent")
        # A node that takes no old state needs a moment.
        kept = refs_in(eventually(federation.attendance, lambda found: found.complete))
        with federation.allowed(SPARE, ["course_grades"]):
            # So does one that is dialling the new service: until it hears of the form, it says so.
            grades = eventually(
                lambda: federation.client.query(
                    AGREEMENT, PURPOSE, "course_grades", ["course_grades"], holders=[HARBOR]
                ),
                lambda found: found.complete,
            )
    after = refs_in(eventually(federation.attendance, lambda found: found.complete))

    assert kept == everyone(federation) | {before.subject_ref}
    assert grades.table.num_rows > 0
    assert after == everyone(federation)


def test_a_client_recovers_when_the_gateway_restarts(federation: Federation) -> None:
    """The same client, with the channel it had, is answered by the new gateway."""
    federation.attendance()
    federation.restart("gateway")

    assert refs_in(federation.attendance()) == everyone(federation)


def test_a_node_that_restarts_keeps_consents_and_revocations(federation: Federation) -> None:
    """After a restart it answers from what it knew: what was allowed, and not what was revoked."""
    with federation.allowed(SPARE, [ATTENDANCE]) as revoked:
        pass
    size = federation.log_size(HARBOR)
    federation.processes.signal(HARBOR, signal.SIGKILL)
    federation.restart(HARBOR)
    answer = federation.attendance()

    assert refs_in(answer) == everyone(federation)
    assert revoked.subject_ref not in refs_in(answer)
    assert federation.log_size(HARBOR) > size
    assert federation.log_is_whole(HARBOR)


def test_a_hung_node_delays_nobody_past_the_deadline(federation: Federation) -> None:
    """It is named as timed out, within the time allowed; the others' rows are there."""
    federation.attendance()
    with federation.held_still(HARBOR):
        began = time.monotonic()
        answer = federation.attendance(timeout=5)
        seconds = time.monotonic() - began

    assert answer.sources[HARBOR].outcome is Outcome.TIMED_OUT
    assert refs_in(answer) == only(federation, MILL_RIVER)
    assert seconds < 10
    require_healed(federation)


def test_a_node_that_is_killed_in_the_middle_gives_no_rows(federation: Federation) -> None:
    """The source is unreachable, and what had come of its answer is not used."""
    with federation.allowed(LONG_RECORD, [ATTENDANCE], WARNING) as consent:
        asked = question(
            purpose=WARNING, elements=(ATTENDANCE,), min_consent_sequence=consent.sequence
        )

        def kill() -> None:
            federation.processes.signal(MILL_RIVER, signal.SIGKILL)

        killed = run_through(federation, asked, kill, seconds=20)[MILL_RIVER]
        federation.restart(MILL_RIVER)

    assert killed.source.outcome is Outcome.UNREACHABLE
    assert list(killed.batches()) == []
    assert eventually(federation.attendance, lambda found: found.complete).complete
    assert federation.log_is_whole(MILL_RIVER)


def test_a_node_that_cannot_write_its_log_releases_nothing(federation: Federation) -> None:
    """A full disk: no entry, no answer. When there is room again it answers, its log whole."""
    federation.attendance()
    with _full_disk(federation.processes.process_id(HARBOR)):
        full = federation.attendance()

    require_undecided(federation, full, "LOG_UNAVAILABLE")
    require_healed(federation)


def test_a_node_survives_changes_that_come_while_its_disk_is_full(federation: Federation) -> None:
    """A consent and an agreement that it cannot write down wait: with room, it has them."""
    with ExitStack() as mending:
        with _full_disk(federation.processes.process_id(HARBOR)):
            consent = mending.enter_context(federation.allowed(SPARE, [ATTENDANCE]))
            text = agreement_text("while-the-disk-is-full", ASKER, [HARBOR, MILL_RIVER])
            asyncio.run(sign_agreement(federation.layout, text))
            federation.attendance()
            time.sleep(1)
        answer = eventually(federation.attendance, lambda found: found.complete)

    assert refs_in(answer) == everyone(federation) | {consent.subject_ref}
    require_healed(federation)


def test_a_clock_that_is_off_is_named_by_whoever_sees_it(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that accepts less than the asker's clock is off says so; so does the gateway."""
    federation.restart(HARBOR, max_clock_skew_seconds="2")
    eventually(federation.attendance, lambda found: found.complete)
    try:
        _shift_own_clock(monkeypatch, dt.timedelta(seconds=15))
        a_little_off = federation.attendance()
        _shift_own_clock(monkeypatch, dt.timedelta(minutes=10))
        with pytest.raises(ClockSkewedError):
            federation.attendance()
    finally:
        monkeypatch.undo()
        federation.restart(HARBOR)

    require_undecided(federation, a_little_off, "CLOCK_SKEWED")
    require_healed(federation)


def _shift_own_clock(monkeypatch: pytest.MonkeyPatch, by: dt.timedelta) -> None:
    monkeypatch.setattr("homeroom.asking.utc_now", lambda: utc_now() + by)


def test_a_policy_that_gives_no_decision_releases_nothing(impatient: Federation) -> None:
    """The organization's own policy is undefined for a question: there is no answer to it."""
    undecided = impatient.client.query(AGREEMENT, WARNING, "attendance", [ATTENDANCE])

    assert undecided.sources[HARBOR].outcome is Outcome.CANNOT_DECIDE
    assert undecided.sources[HARBOR].error_reason == "POLICY_UNAVAILABLE"
    assert undecided.sources[MILL_RIVER].outcome is Outcome.ANSWERED
    require_healed(impatient)


def test_what_could_not_be_decided_is_in_the_log(federation: Federation) -> None:
    """Also a question that was not answered has its entry, with the reason."""
    federation.client.query(
        AGREEMENT, PURPOSE, "attendance", [ATTENDANCE], min_consent_sequence=10_000_000
    )
    with closing(sqlite3.connect(federation.state_of(HARBOR))) as log:
        entries = log.execute(
            "SELECT content FROM log_entry WHERE kind = 'undecided' ORDER BY log_index DESC LIMIT 1"
        ).fetchall()

    assert "STATE_BEHIND" in entries[0][0]


def test_many_clients_at_once_are_all_answered(federation: Federation) -> None:
    """Ten people ask at once: each gets the whole answer, and the log has every question."""
    size = federation.log_size(HARBOR)
    answers: list[Answer] = []

    def ask() -> None:
        with Client(federation.layout.profile(ASKER)) as client:
            answers.append(federation.attendance(client=client))

    asking = [threading.Thread(target=ask) for _ in range(10)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()

    assert [refs_in(answer) for answer in answers] == [everyone(federation)] * 10
    assert federation.log_size(HARBOR) == size + 20
    assert federation.log_is_whole(HARBOR)


@contextmanager
def _full_disk(process_id: int) -> Iterator[None]:
    """Lets a process write no byte to any file while the block runs."""
    before = resource.prlimit(process_id, resource.RLIMIT_FSIZE)
    resource.prlimit(process_id, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process_id, resource.RLIMIT_FSIZE, before)


def _policy_undefined_for(purpose: str, folder: Path) -> Path:
    """The local policy, without a decision for one purpose."""
    copy = folder / "local"
    shutil.copytree(LOCAL_POLICY, copy)
    decision = copy / "decision.rego"
    rule = "legible if {\n"
    text = decision.read_text("utf-8")
    assert rule in text
    decision.write_text(
        text.replace(rule, f'{rule}\tinput.query.purpose != "{purpose}"\n'), "utf-8"
    )
    return copy
