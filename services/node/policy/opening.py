"""Opens a node's two policies, from folders or from signed bundles that it goes on watching."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from homeroom.clock import Clock
from services.node.domain.decision_record import DecisionRecords
from services.node.policy.deciding import NodePolicies
from services.node.policy.replay import RecordedTrial
from services.node.settings import NodeSettings
from services.runtime.policy import (
    FEDERATION,
    BundleShelf,
    PolicyEngine,
    PolicyFolder,
    PolicyTrust,
    WatchedPolicy,
    open_rules,
)


@dataclass(frozen=True, slots=True)
class PolicyFiles:
    """Where a node's two policies come from."""

    federation: WatchedPolicy
    local: WatchedPolicy

    def on_change(self, noted: Callable[[], None]) -> None:
        """Has something done when another policy decides."""
        self.federation.on_change = self.local.on_change = noted

    def on_refusal(self, noted: Callable[[str, str], None]) -> None:
        """Has something done when a file is not taken: of which scope, and why; also one before."""
        for policy in (self.federation, self.local):
            policy.tell_refusals(noted)

    @property
    def revisions(self) -> tuple[str, str]:
        """Of the federation's policy and of the organization's own."""
        return self.federation.state.revision, self.local.state.revision

    async def watch(self) -> None:
        """Takes up new bundles for as long as the node runs."""
        await asyncio.gather(self.federation.watch(), self.local.watch())


async def open_policies(
    settings: NodeSettings,
    own_key: bytes,
    shelf: BundleShelf,
    records: DecisionRecords,
    clock: Clock,
) -> tuple[NodePolicies, PolicyFiles]:
    """Opens both policies.

    The registry's organization signs the federation's, and the organization itself its own.

    Args:
        settings: where they are, and who must sign one that releases more.
        own_key: the organization's public signing key.
        shelf: keeps the bundles that were taken.
        records: what a new policy is tried on.
        clock: by which a policy expires.

    Raises:
        HomeroomError: if one cannot run, or is a bundle that must not be taken.
    """
    files = PolicyFiles(
        _watched(settings, FEDERATION, bytes.fromhex(settings.registry_key), shelf, clock),
        _watched(settings, settings.organization_id, own_key, shelf, clock),
    )
    await files.federation.begin()
    await files.local.begin()
    policies = NodePolicies(files.federation.running, files.local.running, clock)
    files.federation.trial = RecordedTrial(policies, "federation", records)
    files.local.trial = RecordedTrial(policies, "local", records)
    return policies, files


def _watched(
    settings: NodeSettings, scope: str, key: bytes, shelf: BundleShelf, clock: Clock
) -> WatchedPolicy:
    federal = scope == FEDERATION
    approver = settings.federation_policy_approver if federal else settings.local_policy_approver
    address = settings.federation_policy_address if federal else settings.local_policy_address

    async def opened(rules: PolicyFolder) -> PolicyEngine:
        return await open_rules(settings.policy_engine, rules, address, settings.policy_seconds)

    return WatchedPolicy(
        settings.federation_policy if federal else settings.local_policy,
        PolicyTrust(settings.federation, scope, key, bytes.fromhex(approver) if approver else None),
        opened,
        shelf,
        clock,
    )
