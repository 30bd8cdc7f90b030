"""A requester holds the logs of real nodes to its receipts, through the gateway."""

import datetime as dt
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from homeroom import Client
from homeroom.audit.reconciling import GapKind
from homeroom.clock import utc_now
from homeroom.profile import load_profile
from homeroom.reconciliation import Reconciled
from tests.federation.leaks import found_in, secrets_of
from tests.federation.records import GRADE_LEVEL, HARBOR, MILL_RIVER
from tests.federation.running import AGREEMENT, ASKER, PURPOSE, STRANGER, Federation

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]


@contextmanager
def keeping_in(federation: Federation, folder: Path) -> Iterator[Client]:
    """The requester, with receipts of its own for this test."""
    profile = load_profile(federation.layout.profile(ASKER))
    with Client(profile.model_copy(update={"receipts": folder})) as client:
        yield client


def next_second() -> dt.datetime:
    """The second that has just begun: in it nobody has asked anything yet."""
    now = utc_now()
    time.sleep(1 - now.microsecond / 1_000_000)
    return utc_now()


def by_holder(client: Client, since: object = None) -> dict[str, Reconciled]:
    found = client.reconcile(since=since)  # type: ignore[arg-type]  # an instant or None
    return {one.holder: one for one in found.holders}


def test_receipts_agree_with_the_logs_until_one_is_lost(
    federation: Federation, tmp_path: Path
) -> None:
    """Answers reconcile; a lost receipt, then a lost question, is named."""
    begun = next_second()
    with keeping_in(federation, tmp_path) as client:
        federation.attendance(client=client)
        client.query(AGREEMENT, PURPOSE, "students", [GRADE_LEVEL])
        whole = by_holder(client, begun)
        (file,) = tmp_path.glob("*.jsonl")
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        lost = [one for one in lines if one["kind"] != "receipt" or one["holder"] != HARBOR]
        file.write_text("".join(json.dumps(one) + "\n" for one in lost))
        without_receipts = by_holder(client, begun)
        file.write_text("")
        without_anything = by_holder(client, begun)

    assert {HARBOR, MILL_RIVER} <= whole.keys()
    for holder in (HARBOR, MILL_RIVER):
        assert (whole[holder].failure, whole[holder].gaps) == ("", ())
        assert whole[holder].witness_failure == ""
        assert 0 < whole[holder].witnessed_size <= whole[holder].size
        assert whole[holder].receipts == whole[holder].questions == 2
    gaps = [gap.kind for gap in without_receipts[HARBOR].gaps]
    assert gaps == [GapKind.ENTRY_WITHOUT_RECEIPT] * 2
    assert without_receipts[MILL_RIVER].gaps == ()
    asked = {gap.kind for one in without_anything.values() for gap in one.gaps}
    assert asked == {GapKind.ENTRY_WITHOUT_QUESTION}


def test_an_organization_is_told_of_its_own_questions_alone(federation: Federation) -> None:
    """Another one's are neither shown nor counted; the log's size alone is known to both."""
    begun = next_second()
    federation.attendance()
    with Client(federation.layout.profile(STRANGER)) as stranger:
        found = by_holder(stranger, begun)

    assert found[HARBOR].failure == ""
    assert found[HARBOR].questions == 0
    assert found[HARBOR].size > 0


def test_a_node_that_is_down_is_told_apart_from_one_that_agrees(
    federation: Federation, tmp_path: Path
) -> None:
    """Its log is unknown; the others are reconciled all the same."""
    begun = next_second()
    with keeping_in(federation, tmp_path) as client:
        federation.attendance(client=client)
        federation.processes.stop(MILL_RIVER)
        try:
            found = by_holder(client, begun)
        finally:
            federation.restart(MILL_RIVER)

    assert found[MILL_RIVER].failure in {"SERVICE_UNREACHABLE", "DEADLINE_PASSED"}
    assert found[MILL_RIVER].gaps == ()
    assert (found[HARBOR].failure, found[HARBOR].gaps) == ("", ())


def test_receipts_hold_no_student(federation: Federation, tmp_path: Path) -> None:
    """Named in the question, released in the answer: in the files they do not stand."""
    with keeping_in(federation, tmp_path) as client:
        refs = sorted(consent.subject_ref for consent in federation.consents.values())
        client.query(AGREEMENT, PURPOSE, "attendance", ["daily_attendance"], subject_refs=refs)
        client.reconcile()

    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b'"kind": "receipt"' in content
    assert found_in(content, secrets_of(federation)) == []
