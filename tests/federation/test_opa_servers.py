"""The same promises with OPA as servers beside the node and the gateway."""

import os
from collections.abc import Iterator

import pytest

from homeroom import NotPermittedError, Outcome
from services.runtime.policy import find_opa
from tests.federation.records import ATTENDANCE, ATTENDANCE_ALLOWED, DAYS, HARBOR
from tests.federation.running import (
    AGREEMENT,
    PURPOSE,
    Federation,
    eventually,
    refs_in,
    start_federation,
)

pytestmark = [
    pytest.mark.federation,
    pytest.mark.xdist_group("federation"),
    pytest.mark.skipif(not find_opa(os.environ), reason="no opa binary here: make opa"),
]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """One district and the organization that asks."""
    started = start_federation(
        tmp_path_factory.mktemp("opa_servers"), districts=(HARBOR,), engine="server"
    )
    try:
        yield started
    finally:
        started.close()


def test_opa_servers_permit_exactly_the_same(small: Federation) -> None:
    """The answer has the students whose families allowed it, and refusals have their codes."""
    expected = {child for child in ATTENDANCE_ALLOWED if child.holder == HARBOR}
    answer = small.attendance()
    with pytest.raises(NotPermittedError) as refused:
        small.client.query(AGREEMENT, "grant_reporting", "attendance", [ATTENDANCE])

    assert refs_in(answer) == small.refs(*expected)
    assert answer.table.num_rows == len(expected) * len(DAYS)
    assert "agreement_purpose_mismatch" in refused.value.codes


def test_a_node_whose_opa_is_gone_releases_nothing(small: Federation) -> None:
    """No decision, no answer: POLICY_UNAVAILABLE. With OPA again it answers, its log whole."""
    small.attendance()
    small.processes.stop_policies(HARBOR)
    gone = small.client.query(AGREEMENT, PURPOSE, "attendance", [ATTENDANCE])
    small.restart(HARBOR)
    healed = eventually(small.attendance, lambda found: found.complete)

    assert gone.sources[HARBOR].outcome is Outcome.CANNOT_DECIDE
    assert gone.sources[HARBOR].error_reason == "POLICY_UNAVAILABLE"
    assert gone.table.num_rows == 0
    assert refs_in(healed)
    assert small.log_is_whole(HARBOR)
