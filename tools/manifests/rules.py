"""Holds renderings against the rules of `deploy/policy`, and the rules against broken manifests.

Each rule has manifests that are right but for one thing, which it finds and no other rule does. So
no rule can be deleted, weakened or doubled by another without this check failing.
"""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import yaml

from tools.manifests.rendering import PROJECT, Manifest

POLICY = PROJECT / "deploy" / "policy"

_RULE = re.compile(r'^broken contains tell\(\s*"([a-z_]+)"', re.MULTILINE)


class Rules(AbstractContextManager["Rules"]):
    """The rules, and what evaluates them."""

    def __init__(self, folder: Path = POLICY) -> None:
        # Where the embedded evaluator has no wheel, the caller says what is not checked.
        from opa_bindings import OpaEngine  # noqa: PLC0415 - it may not be installed

        sources = {file.name: file.read_text("utf-8") for file in sorted(folder.glob("*.rego"))}
        self.names = frozenset(
            name for source in sources.values() for name in _RULE.findall(source)
        )
        self._engine = OpaEngine()
        for name, source in sources.items():
            self._engine.add_policy(name, source)

    def broken(self, objects: Sequence[Manifest]) -> list[Mapping[str, str]]:
        """What is wrong with a rendering: rule, where, and what is said of it."""
        found = self._engine.eval_document("homeroom.manifests.broken", {"objects": objects})
        return sorted(found, key=lambda one: (one["rule"], one["where"], one["said"]))

    def __exit__(self, *_: object) -> None:
        self._engine.close()


def read_mutants(folder: Path = POLICY) -> list[Mapping[str, Any]]:
    """The broken manifests: in which rendering, of which rule, and what is broken."""
    read: list[Mapping[str, Any]] = yaml.safe_load((folder / "mutants.yaml").read_text("utf-8"))
    return read


def faults_of_the_rules(
    rules: Rules,
    mutants: Sequence[Mapping[str, Any]],
    renderings: Mapping[str, Sequence[Manifest]],
) -> Iterator[str]:
    """A sentence for each rule that is not shown to find what no other finds."""
    yield from (
        f"no broken manifest shows the rule {name}"
        for name in sorted(rules.names - {mutant["rule"] for mutant in mutants})
    )
    for mutant in mutants:
        found = {one["rule"] for one in rules.broken(mutated(mutant, renderings[mutant["of"]]))}
        if found != {mutant["rule"]}:
            told = ", ".join(sorted(found)) or "nothing"
            yield f"{mutant['rule']}: a manifest that is broken as it says is found by {told}"


def mutated(mutant: Mapping[str, Any], objects: Sequence[Manifest]) -> list[Manifest]:
    """The rendering with one thing broken.

    Raises:
        LookupError: if there is no such thing to break.
    """
    changed = copy.deepcopy(list(objects))
    if "add" in mutant:
        return [*changed, mutant["add"]]
    kind, _, name = mutant["object"].partition("/")
    broken, *_ = (o for o in changed if o["kind"] == kind and o["metadata"]["name"] == name)
    if "at" not in mutant:
        return [one for one in changed if one is not broken]
    *way, last = mutant["at"]
    place: Any = broken
    for step in way:
        place = place[step]
    if "to" in mutant:
        if last == "-":
            place.append(mutant["to"])
        else:
            place[last] = mutant["to"]
    else:
        del place[last]
    return changed
