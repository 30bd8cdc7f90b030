"""Asks the federation's and the organization's own policy, apart, and meets their decisions."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from homeroom.clock import Clock, utc_now
from homeroom.facts import Facts
from services.node.domain.decision import (
    Decision,
    Revisions,
    meet,
    parse_federation,
    parse_local,
    require_enforced,
)
from services.node.policy.remembering import DecisionMemory
from services.runtime.policy import PolicyEngine, RunningPolicy, decide_by_each

CONSENT_CHECK = "homeroom/federation/consent_check/document"
FEDERATION_DECISION = "homeroom/federation/decision/document"
RECORD_READING = "homeroom/federation/record_reading/document"
LOCAL_DECISION = "homeroom/local/decision/document"


class NodePolicies:
    """The two policies of a node, each in an engine of its own: neither can touch the other."""

    def __init__(
        self, federation: PolicyEngine, local: PolicyEngine, clock: Clock = utc_now
    ) -> None:
        self.federation = _running(federation, clock)
        self.local = _running(local, clock)
        self._memory = DecisionMemory()

    async def decide(self, facts: Facts) -> Decision:
        # Both are held before either is asked: a decision is by one policy of each, and says which.
        with self.federation.held() as federation, self.local.held() as local:
            known = self._memory.recall(Revisions(federation.revision, local.revision), facts)
            if known is not None:
                return known
            releases = (self.federation.release, self.local.release)
            ends = [release.expires for release in releases if release is not None]
            decision = require_enforced(await decided(federation, local, facts))
            decision = _until(decision, ends)
            self._memory.keep(facts, decision)
            return decision

    async def close(self) -> None:
        """Closes both engines."""
        await self.federation.close()
        await self.local.close()


async def decided(federation: PolicyEngine, local: PolicyEngine, facts: Facts) -> Decision:
    """What two policies decide on a question, met.

    Raises:
        PolicyUnavailableError: if one of them gave no usable decision.
    """
    asked = [(federation, FEDERATION_DECISION), (local, LOCAL_DECISION)]
    permitted, left = await decide_by_each(asked, facts)
    met = meet(parse_federation(permitted, facts["query"]["elements"]), parse_local(left))
    return replace(met, revisions=Revisions(federation.revision, local.revision))


class ConsentPolicy:
    """The federation's rules about consents; implements `ConsentRules`."""

    def __init__(self, federation: PolicyEngine) -> None:
        self._federation = federation

    @property
    def revision(self) -> str:
        return self._federation.revision

    async def check(self, facts: Facts) -> Mapping[str, Any]:
        return await self._federation.decide(CONSENT_CHECK, facts)


class ReadingPolicy:
    """The federation's rules about reading the disclosure record; implements `ReadingRules`."""

    def __init__(self, federation: PolicyEngine) -> None:
        self._federation = federation

    async def granted(self, facts: Facts) -> Mapping[str, Any]:
        return await self._federation.decide(RECORD_READING, facts)


def _until(decision: Decision, ends: Sequence[dt.datetime]) -> Decision:
    """The same decision, which stands no longer than the policies that made it."""
    if decision.grant is None:
        return decision
    until = min((decision.grant.not_after, *ends))
    return replace(decision, grant=replace(decision.grant, not_after=until))


def _running(engine: PolicyEngine, clock: Clock) -> RunningPolicy:
    return engine if isinstance(engine, RunningPolicy) else RunningPolicy(engine, None, clock)
