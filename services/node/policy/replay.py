"""Tries a candidate policy on recorded questions, beside the policies that decide now."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from homeroom.errors import PolicyUnavailableError
from homeroom.facts import Facts
from services.node.domain.decision import Decision, meet, parse_federation, parse_local
from services.node.domain.decision_diff import DecisionChange, compare
from services.node.domain.decision_record import DecisionRecords
from services.node.policy.deciding import FEDERATION_DECISION, LOCAL_DECISION, NodePolicies
from services.runtime.policy import PolicyEngine

Side: TypeAlias = Literal["federation", "local"]
"""Which of the two policies another is tried in place of."""

_VECTORS = Path(__file__).resolve().parents[3] / "policy" / "conformance" / "vectors"
_GROUPS = ("permitted", "refused", "pairs", "grounds", "local")
_TRIED = 500
"""How many questions a node tries a new policy on before it decides by it."""


Asked: TypeAlias = tuple[str, Facts]
"""A name for a question, and its facts."""


class Pair(NamedTuple):
    """The two policies of a node."""

    federation: PolicyEngine
    local: PolicyEngine


@dataclass(frozen=True, slots=True)
class Replay:
    """Puts the same question to the policies that decide, and to those with the candidate."""

    current: Pair
    candidate: Pair

    @classmethod
    def instead(cls, current: Pair, side: Side, candidate: PolicyEngine) -> "Replay":
        """The candidate in place of one of the two."""
        return cls(current, current._replace(**{side: candidate}))

    async def on(self, facts: Facts) -> DecisionChange:
        """How the candidate would answer instead."""
        pairs = (self.current, self.candidate)
        # One of the two policies is the same in both pairs: it is asked once.
        said = {
            engine: await _said(engine, entrypoint, facts)
            for entrypoint, engines in (
                (FEDERATION_DECISION, {pair.federation for pair in pairs}),
                (LOCAL_DECISION, {pair.local for pair in pairs}),
            )
            for engine in engines
        }
        current, candidate = (_met(said[p.federation], said[p.local], facts) for p in pairs)
        return compare(current, candidate)


class RecordedTrial:
    """Tries a candidate on the newest questions that were asked here; implements `Trial`."""

    def __init__(self, policies: NodePolicies, side: Side, records: DecisionRecords) -> None:
        self._policies = policies
        self._side: Side = side
        self._records = records

    async def widens(self, candidate: PolicyEngine) -> bool:
        newest = await asyncio.to_thread(self._questions)
        policies = self._policies
        # A policy whose time is over is still what the next one is compared with.
        with (
            policies.federation.held(expired=True) as federation,
            policies.local.held(expired=True) as local,
        ):
            replay = Replay.instead(Pair(federation, local), self._side, candidate)
            for facts in newest:
                # On a busy machine one of both may have been late: what counts is seen twice.
                if (await replay.on(facts)).kind.releases_more and (
                    await replay.on(facts)
                ).kind.releases_more:
                    return True
        return False

    def _questions(self) -> list[Facts]:
        """The newest that were asked here, and those of the conformance vectors."""
        asked = [kept.record.facts for kept in self._records.since(None, _TRIED)]
        return asked + [facts for _, facts in conformance()]


def conformance() -> Iterator[Asked]:
    """The questions of the conformance vectors, each with its name; none where they are not."""
    for group in _GROUPS if _VECTORS.is_dir() else ():
        content = json.loads((_VECTORS / f"{group}.json").read_text("utf-8"))
        for vector in content["vectors"]:
            yield f"{group}: {vector['name']}", vector["input"]


async def _said(engine: PolicyEngine, entrypoint: str, facts: Facts) -> dict[str, Any] | None:
    try:
        return await engine.decide(entrypoint, facts)
    except PolicyUnavailableError:
        return None


def _met(
    permitted: dict[str, Any] | None, left: dict[str, Any] | None, facts: Facts
) -> Decision | None:
    """What two policies decide; None where one gave no decision, which releases nothing."""
    if permitted is None or left is None:
        return None
    asked = (facts.get("query") or {}).get("elements") or []
    try:
        return meet(parse_federation(permitted, asked), parse_local(left))
    except PolicyUnavailableError:
        return None
