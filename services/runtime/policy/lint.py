"""Finds what a policy folder may not do, in its syntax trees: a gate before anything is published.

A decision is a function of its input, so that it can be played again. Rules reach neither network,
clock, chance nor environment, and neither of the two policies reads the other. A negated call is
refused if an argument may be missing: `not input.age < 12` is no denial where there is no age.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from services.runtime.policy.parsing import Finding, Parser, RegoModule

_CAPABILITIES = Path(__file__).resolve().parents[3] / "policy" / "capabilities.json"
_ENTRYPOINTS: Mapping[str, frozenset[str]] = {
    "homeroom/local": frozenset({"homeroom.local.decision"}),
    "homeroom/federation": frozenset(
        f"homeroom.federation.{name}"
        for name in ("consent_check", "decision", "question", "record_reading")
    ),
}
"""The packages whose `document` is asked for, by the root of the folder."""

_REACHES = {
    "http": "the network",
    "net": "the network",
    "opa": "the environment",
    "time": "a clock",
    "rand": "chance",
    "uuid": "chance",
    "rego": "other rules",
}


def lint_folder(folder: Path, parser: Parser) -> list[Finding]:
    """Everything that a folder's rules may not do, by file and line."""
    try:
        roots = tuple(json.loads((folder / ".manifest").read_text())["roots"])
    except (OSError, ValueError, KeyError, TypeError):
        return [Finding(".manifest", 1, "there is none that names its roots")]
    findings: list[Finding] = []
    modules: list[RegoModule] = []
    for file in sorted(folder.rglob("*.rego")):
        name = str(file.relative_to(folder))
        read = RegoModule.read(name, file.read_text("utf-8"), parser)
        if isinstance(read, RegoModule):
            modules.append(read)
        else:
            findings += read
    findings += lint_modules(modules, roots)
    if not findings:
        findings += _wrong_entrypoints(modules, roots)
    return sorted(set(findings))


def lint_modules(modules: Iterable[RegoModule], roots: tuple[str, ...]) -> Iterator[Finding]:
    """What each module may not do."""
    together = list(modules)
    names: dict[str, set[str]] = {}
    for module in together:
        names.setdefault(module.package, set()).update(_name_of(rule) for rule in module.rules)
    for module in together:
        yield from _misplaced(module, roots)
        gate = _Gate(module, roots, frozenset(names[module.package]))
        yield from gate.findings()


class _Gate:
    """Looks at every expression of one module."""

    def __init__(self, module: RegoModule, roots: tuple[str, ...], own: frozenset[str]) -> None:
        self._module = module
        self._roots = tuple(root.split("/") for root in roots)
        self._own = own
        self._imported = module.imports

    def findings(self) -> Iterator[Finding]:
        for path in self._imported.values():
            if path.partition(".")[0] == "data" and not self._within(path.split(".")):
                message = f"imports {path}, which is not its own"
                yield self._finding(message, rf"\bimport\s+{path}\b")
        for number, rule in enumerate(self._module.rules):
            nth: Counter[str] = Counter()
            for pattern, message in self._looked_at(rule):
                if message:
                    yield self._finding(message, pattern, number, nth[pattern])
                nth[pattern] += 1

    def _looked_at(self, rule: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """The text of each call, reference and negation of a rule, and what is wrong with it."""
        for node in _nodes([rule["head"], rule]):
            if isinstance(node.get("terms"), list):
                yield self._called(node["terms"][0])
            if node.get("type") == "call":
                yield self._called(node["value"][0])
            if node.get("type") == "ref" and node["value"][0].get("value") == "data":
                yield r"\bdata\b", self._wrong_reference(node["value"])
            if node.get("with") and not self._module.is_test:
                yield r"\bwith\b", "replaces its input; only tests may"
            if node.get("negated") and not self._module.is_test:
                yield r"\bnot\b", self._wrong_negation(node["terms"])

    def _called(self, operator: Mapping[str, Any]) -> tuple[str, str]:
        name = _dotted(operator)
        head = name.partition(".")[0]
        pattern = rf"\b{name}\("
        if name in self._own or head in self._imported or head == "data" or name in allowed():
            return pattern, ""
        reached = _REACHES.get(head)
        what = f"reaches {reached}" if reached else "is not on the list"
        return pattern, f"calls {name}, which {what}"

    def _wrong_reference(self, value: list[Mapping[str, Any]]) -> str:
        path = [str(p["value"]) if p["type"] in ("var", "string") else "…" for p in value]
        fixed = all(part["type"] == "string" for part in value[1:3])
        if fixed and self._within(path):
            return ""
        return f"reads {'.'.join(path[:4])}, which is not its own"

    def _wrong_negation(self, terms: Any) -> str:
        if isinstance(terms, list) or terms.get("type") == "call":
            called = terms if isinstance(terms, list) else terms["value"]
            if any(self._may_be_missing(argument) for argument in called[1:]):
                return "negates a call whose argument may be missing; name a fact and negate it"
        elif terms.get("type") == "ref" and terms["value"][0].get("value") == "input":
            return "negates the input itself; name a fact and negate that"
        return ""

    def _may_be_missing(self, term: Mapping[str, Any]) -> bool:
        kind, value = term.get("type"), term.get("value")
        if kind == "var":
            return value in self._own or value in self._imported or value == "input"
        if kind == "call" and isinstance(value, list):
            return any(self._may_be_missing(argument) for argument in value[1:])
        return kind == "ref" or any(
            node.get("type") == "ref" or (node.get("type") == "var" and node["value"] in self._own)
            for node in _nodes(value)
        )

    def _within(self, path: list[str]) -> bool:
        """Whether a path, `data` first, is in the folder's own roots."""
        return any(path[1 : 1 + len(root)] == root for root in self._roots)

    def _finding(
        self, message: str, pattern: str, rule: int | None = None, nth: int = 0
    ) -> Finding:
        first, last = (1, None) if rule is None else self._module.places[rule]
        line = self._module.line_of(pattern, first, last, nth)
        return Finding(self._module.name, line, message)


@cache
def allowed() -> frozenset[str]:
    """The built-ins that a rule may call."""
    capabilities = json.loads(_CAPABILITIES.read_text("utf-8"))
    return frozenset(built_in["name"] for built_in in capabilities["builtins"])


def _misplaced(module: RegoModule, roots: tuple[str, ...]) -> Iterator[Finding]:
    path = module.package.replace(".", "/")
    line = module.line_of(r"^package\b")
    if not any(path.startswith(f"{root}/") for root in roots):
        yield Finding(module.name, line, f"the package {module.package} is not in the roots")
    if module.is_test is not module.name.endswith("_test.rego"):
        yield Finding(
            module.name, line, "a test's file and its package both end in _test, and no other's do"
        )


def _wrong_entrypoints(modules: Iterable[RegoModule], roots: tuple[str, ...]) -> Iterator[Finding]:
    """A folder has its entrypoints and no other: whatever else is asked for is no decision."""
    wanted = next((_ENTRYPOINTS[root] for root in roots if root in _ENTRYPOINTS), frozenset())
    marked = set()
    for module in modules:
        for annotation in module.annotations:
            if annotation.content.get("entrypoint") is not True:
                continue
            marked.add(module.package)
            if module.package not in wanted or not annotation.about.startswith("document "):
                yield Finding(module.name, annotation.line, "is no entrypoint of such a folder")
    for package in sorted(wanted - marked):
        yield Finding(".manifest", 1, f"no rule `document` of {package} is marked as entrypoint")


def _name_of(rule: Mapping[str, Any]) -> str:
    head = rule["head"]
    return str(head.get("name") or head["ref"][0]["value"])


def _dotted(operator: Mapping[str, Any]) -> str:
    value = operator["value"]
    return ".".join(str(part["value"]) for part in value) if isinstance(value, list) else str(value)


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    """Every object of a tree once, in its order."""
    waiting, seen = [tree], set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping) and id(node) not in seen:
            seen.add(id(node))
            yield node
            waiting += reversed(list(node.values()))
        elif isinstance(node, list):
            waiting += reversed(node)
