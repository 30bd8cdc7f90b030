"""Tells in words what two policies decide on a question, and by which rule and law."""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Any

from homeroom.answer import reason_text
from homeroom.checks import CONDITION_TEXT
from homeroom.facts import Facts
from services.node.domain.decision import Decision, Grant
from services.node.policy.deciding import FEDERATION_DECISION, LOCAL_DECISION, decided
from services.runtime.policy import PolicyFolder, RuleCited, Trace, open_rules

_AMPLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision, and the rules behind each part of it."""

    facts: Facts
    decision: Decision
    federation: Trace
    local: Trace

    @classmethod
    async def of(cls, federation: PolicyFolder, local: PolicyFolder, facts: Facts) -> "Explanation":
        """Decides, and notes which rules held.

        Raises:
            PolicyUnavailableError: if a policy gives no decision.
        """
        async with AsyncExitStack() as stack:
            engines = []
            for rules in (federation, local):
                engine = await open_rules("embedded", rules, decision_seconds=_AMPLE_SECONDS)
                stack.push_async_callback(engine.close)
                engines.append(engine)
            decision = await decided(engines[0], engines[1], facts)
        return cls(
            facts,
            decision,
            Trace.of(federation, FEDERATION_DECISION, facts),
            Trace.of(local, LOCAL_DECISION, facts),
        )

    def document(self) -> dict[str, Any]:
        """The explanation as JSON."""
        grant = self.decision.grant
        return {
            "asked": self.facts["query"],
            "now": self.facts["now"],
            "allow": self.decision.allow,
            "reasons": [self._reason(code) for code in sorted(self.decision.reasons)],
            "withheld": [
                {"element": str(entry.element), **self._reason(entry.reason, entry.element)}
                for entry in sorted(self.decision.withheld)
            ],
            "released": list(self._released(grant)) if grant else [],
            "limits": _limits(grant) if grant else {},
        }

    def lines(self) -> Iterator[str]:
        """The explanation as a person reads it."""
        told = self.document()
        asked = told["asked"]
        yield (
            f"{asked['requester']} asks for {', '.join(asked['elements'])}, for {asked['purpose']}"
            f" on the ground {asked['basis']}, at {told['now']}"
        )
        yield "the question is answered" if told["allow"] else "the question is refused"
        for reason in told["reasons"]:
            yield from _told("because", reason)
        for entry in told["withheld"]:
            yield from _told(f"{entry['element']} is withheld", entry)
        for entry in told["released"]:
            yield f"{entry['element']} is released of a student only if:"
            for condition in entry["conditions"]:
                yield f"  - {condition['text']}"
                yield from (f"      {_cited(rule)}" for rule in condition["rules"])
        for what, value in told["limits"].items():
            yield f"{what}: {value}"

    def _reason(self, code: str, element: str | None = None) -> dict[str, Any]:
        return {"code": str(code), "text": reason_text(code), "rules": self._rules(code, element)}

    def _rules(self, word: str, element: str | None) -> list[dict[str, Any]]:
        return [
            {"policy": policy, **asdict(rule)}
            for policy, trace in (("federation", self.federation), ("local", self.local))
            for rule in trace.cited(word, element)
        ]

    def _released(self, grant: Grant) -> Iterator[dict[str, Any]]:
        for element in sorted(grant.conditions):
            conditions = [
                {
                    "word": str(word),
                    "text": CONDITION_TEXT[word],
                    "rules": self._rules(word, element),
                }
                for word in sorted(grant.conditions[element])
            ]
            if age := grant.min_ages.get(element):
                rules = _of_local(self.local.named("min_ages", element))
                text = f"the student is at least {age} years old"
                conditions.append({"word": "min_age", "text": text, "rules": rules})
            yield {"element": str(element), "conditions": conditions}


def _of_local(rules: list[RuleCited]) -> list[dict[str, Any]]:
    return [{"policy": "local", **asdict(rule)} for rule in rules]


def _limits(grant: Grant) -> dict[str, Any]:
    schools = grant.schools.only
    return {
        "schools": "all" if schools is None else ", ".join(sorted(schools)),
        "smallest count": grant.min_cell_size,
        "obligations": ", ".join(sorted(grant.obligations | grant.row_obligations)) or "none",
        "until": grant.not_after.isoformat(),
    }


def _told(what: str, reason: dict[str, Any]) -> Iterator[str]:
    yield f"{what}: {reason['text']} ({reason['code']})"
    yield from (f"    {_cited(rule)}" for rule in reason["rules"])


def _cited(rule: dict[str, Any]) -> str:
    law = f": {rule['citation']}" if rule["citation"] else ""
    return f"{rule['title']}, {rule['policy']}/{rule['file']}:{rule['line']}{law}"
