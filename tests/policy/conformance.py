"""The conformance vectors, and the order by which one decision is at most another."""

import copy
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from homeroom.errors import PolicyUnavailableError
from services.node.domain.decision import Decision, meet, parse_federation, parse_local
from services.runtime.policy import PolicyEngine
from tools.policy_vectors import FEDERATION, LOCAL, POLICY, QUESTION

__all__ = ["FEDERATION", "GROUPS", "LOCAL", "POLICY", "QUESTION"]

GROUPS = ("permitted", "refused", "pairs", "grounds", "local")


READ_BY_THE_TEMPLATE = ("schema", "now", "query", "approvals")
"""All that the local template reads of an input; `test_only_down` holds it to that."""


class LocalTemplate:
    """The local template's engine, asked once about inputs that are the same to it."""

    def __init__(self, engine: PolicyEngine) -> None:
        self._engine, self.name, self.revision = engine, engine.name, engine.revision
        self._said: dict[bytes, dict[str, Any] | None] = {}

    async def decide(self, entrypoint: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        read = {name: facts[name] for name in READ_BY_THE_TEMPLATE if name in facts}
        asked = canonical([entrypoint, read])
        if asked not in self._said:
            self._said[asked] = None
            with suppress(PolicyUnavailableError):
                self._said[asked] = await self._engine.decide(entrypoint, facts)
        said = self._said[asked]
        if said is None:
            raise PolicyUnavailableError("the local template gave no decision")
        return said

    async def close(self) -> None:
        await self._engine.close()


class Engines(NamedTuple):
    """The two engines of a node; they share nothing."""

    federation: PolicyEngine
    local: PolicyEngine


def read_group(group: str) -> dict[str, Any]:
    """One file of vectors: its local settings, if it has any, and the vectors."""
    content = json.loads((POLICY / "conformance" / "vectors" / f"{group}.json").read_text())
    return {"settings": content.get("settings"), "vectors": content["vectors"]}


def canonical(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


async def decide(engines: Engines, facts: dict[str, Any]) -> Decision | None:
    """The node's decision; None where a policy gave none, which releases nothing either."""
    try:
        permitted = await engines.federation.decide(FEDERATION, facts)
        left = await engines.local.decide(LOCAL, facts)
        # An input without its elements is permitted by no policy, and so asks for none here.
        asked = (facts.get("query") or {}).get("elements") or []
        return meet(parse_federation(permitted, asked), parse_local(left))
    except PolicyUnavailableError:
        return None


def at_most(new: Decision | None, old: Decision | None) -> bool:
    """Whether a decision releases nothing that the other does not."""
    if new is None or new.grant is None:
        return True
    if old is None or old.grant is None:
        return False
    return (
        new.grant.elements <= old.grant.elements
        and all(old.grant.conditions[e] <= words for e, words in new.grant.conditions.items())
        and all(
            new.grant.min_ages.get(e, 0) >= n
            for e, n in old.grant.min_ages.items()
            if e in new.grant.elements
        )
        and new.grant.schools & old.grant.schools == new.grant.schools
        and new.grant.min_cell_size >= old.grant.min_cell_size
        and new.grant.obligations >= old.grant.obligations
        and new.grant.row_obligations >= old.grant.row_obligations
        # What is released of less may rely on less, and so stand longer.
        and (new.grant.not_after <= old.grant.not_after or new.grant.elements < old.grant.elements)
    )


Path = tuple[str | int, ...]


def paths(value: Any, above: Path = ()) -> Iterator[Path]:
    """The place of every member and every array entry of an input."""
    parts: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list):
        parts = list(enumerate(value))
    for name, part in parts:
        yield (*above, name)
        yield from paths(part, (*above, name))


def without(facts: dict[str, Any], path: Path) -> dict[str, Any]:
    """An input without the member or entry at a place; what is beside it is shared."""
    copied = dict(facts)
    holder: Any = copied
    for name in path[:-1]:
        holder[name] = copy.copy(holder[name])
        holder = holder[name]
    del holder[path[-1]]
    return copied
