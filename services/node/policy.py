"""Asks the federation's and the organization's own policy, apart, and meets their decisions."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from homeroom.facts import Facts
from services.node.domain.decision import (
    Decision,
    Revisions,
    meet,
    parse_federation,
    parse_local,
    require_enforced,
)
from services.node.settings import NodeSettings
from services.runtime.policy import PolicyEngine, open_engine

CONSENT_CHECK = "homeroom/federation/consent_check/document"
FEDERATION_DECISION = "homeroom/federation/decision/document"
LOCAL_DECISION = "homeroom/local/decision/document"


class NodePolicies:
    """The two policies of a node, each in an engine of its own: neither can touch the other."""

    def __init__(self, federation: PolicyEngine, local: PolicyEngine) -> None:
        self.federation = federation
        self.local = local

    @classmethod
    async def open(cls, settings: NodeSettings) -> "NodePolicies":
        """Opens both engines.

        Raises:
            PolicyUnavailableError: if one cannot run or has no usable policy.
        """
        kind, seconds = settings.policy_engine, settings.policy_seconds
        federation, local = settings.federation_policy_address, settings.local_policy_address
        return cls(
            await open_engine(kind, settings.federation_policy, federation, seconds),
            await open_engine(kind, settings.local_policy, local, seconds),
        )

    async def decide(self, facts: Facts) -> Decision:
        federation, local = await asyncio.gather(
            self.federation.decide(FEDERATION_DECISION, facts),
            self.local.decide(LOCAL_DECISION, facts),
        )
        met = meet(parse_federation(federation, facts["query"]["elements"]), parse_local(local))
        revisions = Revisions(self.federation.revision, self.local.revision)
        return replace(require_enforced(met), revisions=revisions)

    async def close(self) -> None:
        """Closes both engines."""
        await self.federation.close()
        await self.local.close()


class ConsentPolicy:
    """The federation's rules about consents; implements `ConsentRules`."""

    def __init__(self, federation: PolicyEngine) -> None:
        self._federation = federation

    @property
    def revision(self) -> str:
        return self._federation.revision

    async def check(self, facts: Facts) -> Mapping[str, Any]:
        return await self._federation.decide(CONSENT_CHECK, facts)
