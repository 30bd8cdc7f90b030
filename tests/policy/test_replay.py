"""A replay asks the real policies, and tells for each side what a candidate would change."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.node.domain.decision_diff import ChangeKind, ReplayReport
from services.node.policy import NodePolicies, Replay
from services.node.policy.recorded import read_rules, replay
from services.node.policy.replay import Pair
from services.runtime.policy import PolicyEngine, PolicyFolder, Release, RunningPolicy, open_rules
from tests.fakes import FakeClock
from tests.policy.conformance import POLICY, read_group
from tests.policy_bundles import local_folder
from tools.policy_vectors import AMPLE_SECONDS

FACTS: dict[str, Any] = read_group("permitted")["vectors"][0]["input"]


@pytest.fixture
async def current() -> AsyncIterator[Pair]:
    engines = [
        await open_rules("embedded", PolicyFolder.read(POLICY / name), "", AMPLE_SECONDS)
        for name in ("federation", "local")
    ]
    yield Pair(*engines)
    for engine in engines:
        await engine.close()


async def opened(folder: Path) -> PolicyEngine:
    return await open_rules("embedded", PolicyFolder.read(folder), "", AMPLE_SECONDS)


async def test_a_stricter_local_policy_narrows_and_its_undoing_widens(
    current: Pair, tmp_path: Path
) -> None:
    asked = FACTS["query"]["elements"][0]
    stricter = await opened(local_folder(tmp_path / "own", min_ages={asked: 12}))
    forward = await Replay.instead(current, "local", stricter).on(FACTS)
    back = await Replay.instead(Pair(current.federation, stricter), "local", current.local).on(
        FACTS
    )
    await stricter.close()

    assert (forward.kind, back.kind) == (ChangeKind.NARROWED, ChangeKind.WIDENED)
    assert {difference.part for difference in forward.differences} == {"min_ages"}


async def test_a_policy_that_decides_nothing_denies(current: Pair, tmp_path: Path) -> None:
    """Settings that lack a part give no decision; that is less, and never the same."""
    silent = await opened(local_folder(tmp_path / "own", schools="all"))
    change = await Replay.instead(current, "local", silent).on(FACTS)
    await silent.close()

    assert change.kind is ChangeKind.NEWLY_DENIED
    assert change.differences[0].what == "no decision"


async def test_the_side_is_known_by_the_rules(tmp_path: Path) -> None:
    """The federation's own folder tried on itself changes nothing; nor does the template."""
    federation, local = (read_rules(str(POLICY / name)) for name in ("federation", "local"))
    asked = [("q", FACTS), *((str(n), FACTS) for n in range(9))]
    for candidate in (federation, local):
        report: ReplayReport = await replay(candidate, federation, local, asked)
        assert report.document()["counts"]["same"] == 10


async def test_a_decision_stands_no_longer_than_its_policies(current: Pair) -> None:
    """Whoever relies on it until then relies on no policy that is over."""
    now = dt.datetime(2026, 3, 10, 14, tzinfo=dt.UTC)
    soon = now + dt.timedelta(seconds=5)
    running = RunningPolicy(
        current.local, Release("demo", "harbor_ps", "", 1, soon), FakeClock(now)
    )
    usual = await NodePolicies(current.federation, current.local).decide(FACTS)
    ending = await NodePolicies(current.federation, running).decide(FACTS)

    assert usual.grant is not None
    assert ending.grant is not None
    assert usual.grant.not_after > ending.grant.not_after == soon
    assert ending.revisions == usual.revisions
