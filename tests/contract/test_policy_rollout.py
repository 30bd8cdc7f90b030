"""Policies change while a real node answers over real sockets: nothing fails, nothing is mixed."""

import asyncio
import datetime as dt
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from homeroom.api.common.v1 import answer_pb2
from homeroom.errors import PolicyUnavailableError, StateStaleError
from homeroom.signing import SigningKey
from services.node.store.consent_tables import CONSENT_RULES
from services.node.store.decision_records import DecisionRecordStore
from services.node.store.log import LogStore
from services.node.store.policy_bundles import PolicyBundleStore
from services.runtime.database import open_database
from services.runtime.policy import watching
from tests.contract.node_federation import CANARY, HOLDER, NodeFederation, node_federation
from tests.contract.node_stores import Urls
from tests.policy_bundles import bundle_of, local_folder
from tests.serving import FEDERATION

APPROVER = SigningKey.generate()
CHANGES = 20


class Rollout:
    """A node whose own policy is a bundle."""

    def __init__(self, federation: NodeFederation, folder: Path) -> None:
        self.federation = federation
        self.folder = folder
        self.bundle = folder / "local-policy.tar.gz"
        self.sequence = 0

    def publish(self, *more: SigningKey, **settings: Any) -> str:
        """The template with some settings, under the next sequence; returns its revision."""
        self.sequence += 1
        rules = local_folder(self.folder / "rules", **settings)
        keys = (self.federation.holder.signing, *more)
        bundle = bundle_of(
            rules, *keys, scope=HOLDER, federation=FEDERATION, sequence=self.sequence
        )
        bundle.write(self.bundle)
        return bundle.rules.revision

    async def until(self, true: Callable[[Any], bool]) -> Any:
        """The node's status, once it says so."""
        async with asyncio.timeout(60):
            while True:
                status = await self.federation.status()
                if true(status):
                    return status
                await asyncio.sleep(0.02)

    async def until_taken(self) -> Any:
        return await self.until(lambda status: status.local_policy.sequence == self.sequence)


async def until_confirmed(federation: NodeFederation) -> None:
    """A node that starts again answers once registry and consent service have confirmed."""
    async with asyncio.timeout(60):
        while True:
            try:
                status = await federation.status()
                if status.HasField("registry_confirm_time") and status.consent_sequence:
                    return
            except StateStaleError:
                pass
            await asyncio.sleep(0.05)


@pytest.fixture
async def rollout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rollout]:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.05)
    async with node_federation(tmp_path) as federation:
        started = Rollout(federation, tmp_path)
        started.publish()
        await federation.restart_node(
            local_policy=started.bundle, local_policy_approver=APPROVER.public.hex()
        )
        await until_confirmed(federation)
        yield started


def _asking(rollout: Rollout, stop: asyncio.Event) -> Callable[[], Awaitable[list[int]]]:
    async def ask() -> list[int]:
        outcomes: list[int] = []
        while not stop.is_set():
            frames = await rollout.federation.ask(rollout.federation.asker.request())
            outcomes.append(frames[-1].outcome)
        return outcomes

    return ask


async def test_no_question_fails_while_policies_change(rollout: Rollout) -> None:
    """Every answer comes, and each is decided by one policy of those that were published."""
    stop = asyncio.Event()
    asking = [asyncio.ensure_future(_asking(rollout, stop)()) for _ in range(3)]
    published = {rollout.publish(APPROVER)}
    for number in range(CHANGES):
        await rollout.until_taken()
        # Narrower and wider by turns; whoever reads sees each of them whole.
        published.add(rollout.publish(APPROVER, min_cell_size=11 + number % 5))
    await rollout.until_taken()
    stop.set()
    outcomes = [outcome for asked in asking for outcome in await asked]

    assert len(outcomes) > CHANGES
    assert set(outcomes) == {answer_pb2.OUTCOME_ANSWERED}
    decided = _decided_by(rollout)
    assert set(decided) <= published
    assert len(set(decided)) > 2, "questions were asked under several policies"
    state = open_database(rollout.federation.settings.state_url)
    assert LogStore(state).first_broken() is None
    state.dispose()


def _decided_by(rollout: Rollout) -> list[str]:
    """The organization's policy behind each decision; its cells say that it was that one."""
    state = open_database(rollout.federation.settings.state_url)
    kept = [one.record for one in DecisionRecordStore(state).since(None)]
    state.dispose()
    cells: dict[str, set[int]] = {}
    for record in kept:
        cells.setdefault(record.revisions.local, set()).add(record.document["min_cell_size"])
    assert all(len(sizes) == 1 for sizes in cells.values())
    return [record.revisions.local for record in kept]


async def test_a_policy_that_would_have_released_more_is_not_taken_alone(rollout: Rollout) -> None:
    """Its statement says it is narrower; the node tries it on what was asked here, and is told."""
    rollout.publish(min_cell_size=12)
    await rollout.until_taken()
    await rollout.federation.ask(rollout.federation.asker.request())

    rollout.publish(min_cell_size=10)
    status = await rollout.until(lambda status: bool(status.local_policy.problem))
    assert "released more" in status.local_policy.problem
    assert status.local_policy.sequence == rollout.sequence - 1

    rollout.publish(APPROVER, min_cell_size=10)
    status = await rollout.until_taken()
    assert status.local_policy.problem == ""


async def test_a_stricter_policy_counts_at_once(rollout: Rollout) -> None:
    rows = (await rollout.federation.answered(rollout.federation.asker.request()))[1]
    rollout.publish(never_share=["daily_attendance"])
    await rollout.until_taken()
    frames = await rollout.federation.ask(rollout.federation.asker.request())

    assert len(rows) == 1
    assert frames[-1].outcome == answer_pb2.OUTCOME_NO_PERMITTED_ANSWER
    assert CANARY not in str(await rollout.federation.status())


async def test_a_node_goes_on_with_its_policy_over_a_restart(rollout: Rollout) -> None:
    """Also when the file has gone bad meanwhile; an older sequence never comes back."""
    older = rollout.bundle.read_bytes()
    rollout.publish(min_cell_size=12)
    before = await rollout.until_taken()
    rollout.bundle.write_bytes(older)
    await rollout.federation.restart_node()
    after = await rollout.until(lambda status: bool(status.local_policy.problem))

    assert after.local_policy.revision == before.local_policy.revision
    assert after.local_policy.sequence == before.local_policy.sequence == 2


async def test_an_expired_policy_answers_nothing(rollout: Rollout) -> None:
    """Nobody is refused by it: there is no decision. The next bundle decides again."""
    rules = local_folder(rollout.folder / "rules")
    over = bundle_of(
        rules,
        rollout.federation.holder.signing,
        scope=HOLDER,
        federation=FEDERATION,
        sequence=2,
        expires=dt.datetime.now(dt.UTC),
    )
    await rollout.federation.stop_node()
    state = open_database(rollout.federation.settings.state_url)
    PolicyBundleStore(state).take(HOLDER, 2, over.pack())
    state.dispose()
    await rollout.federation.start_node()
    await until_confirmed(rollout.federation)

    with pytest.raises(PolicyUnavailableError):
        await rollout.federation.ask(rollout.federation.asker.request())
    rollout.sequence = 2
    rollout.publish()
    await rollout.until_taken()
    assert len((await rollout.federation.answered(rollout.federation.asker.request()))[1]) == 1


async def test_consents_are_settled_again_by_other_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new federation policy is the one by which consents count, without a restart."""
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.05)
    async with node_federation(tmp_path) as federation:
        bundle = tmp_path / "federation-policy.tar.gz"
        key = federation.at.registry_key
        fields = {"scope": "federation", "federation": FEDERATION}
        rules = tmp_path / "federal"
        shutil.copytree("policy/federation", rules)
        bundle_of(rules, key, **fields).write(bundle)
        await federation.restart_node(federation_policy=bundle)
        await until_confirmed(federation)
        with (rules / "clock.rego").open("a") as more:
            more.write("\nanother_revision := true\n")
        changed = bundle_of(rules, key, sequence=2, **fields)
        changed.write(bundle)

        state = Urls(federation.settings.records_url, federation.settings.state_url)
        async with asyncio.timeout(60):
            while True:
                (row,) = state.rows(CONSENT_RULES)
                if row["revision"] == changed.rules.revision:
                    break
                await asyncio.sleep(0.1)
        assert (await federation.status()).federation_policy.sequence == 2
        assert len((await federation.answered(federation.asker.request()))[1]) == 1
