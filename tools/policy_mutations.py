"""Deletes each line of the policies in turn, and says which no test misses.

`python -m tools.policy_mutations [--every N]`: a rule, a line within one, or the condition of a
rule of one line. What does not compile without it is no mutant. The judges are the tests beside the
rules and then the conformance vectors, through the embedded evaluator; what both let pass survives.
`EQUIVALENT` lists those that no test can tell, and `policy/README.md` says why.
"""

import argparse
import json
import multiprocessing
import os
import re
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from services.runtime.policy.folder import PolicyFolder, is_test
from tools.policy_vectors import CONSENT_CHECK, FEDERATION, LOCAL, POLICY, QUESTION, question_of

FOLDERS = ("federation", "local")

EQUIVALENT = frozenset(
    {
        ("federation/conditions.rego", "some trait in query.occurring"),
        ("federation/conditions.rego", "some element"),
        ("federation/conditions.rego", "some [element, _] in on_element"),
        ("federation/decision.rego", "elements.some_granted"),
        ("federation/derived.rego", 'some [element, "derived"] in query.traits'),
        ("federation/derived.rego", "query.occurring.derived"),
        ("federation/protected.rego", "some trait in query.occurring"),
        ("federation/protected.rego", "some element"),
        ("federation/question.rego", "elements.some_permitted"),
        ("federation/withheld.rego", "if count(codes) > 1"),
    }
)
"""Survivors that answer every question alike: the file and what is deleted."""

_GROUPS = ("permitted", "refused", "grounds", "local")
_PACKAGE = re.compile(r"^package (\S+)$", re.MULTILINE)
_TEST = re.compile(r"^(test_\w+)", re.MULTILINE)


class Mutant(NamedTuple):
    """A policy without one part.

    Attributes:
        folder, file: where the part was.
        line: its first line in the file, from 1.
        part: what was deleted, in one line.
        source: the file without it.
    """

    folder: str
    file: str
    line: int
    part: str
    source: str

    def __str__(self) -> str:
        return f"{self.folder}/{self.file}:{self.line}: {self.part}"


@dataclass(frozen=True)
class _Judge:
    """An evaluator with one folder's rules and tests, and what they answer when they are whole."""

    engine: Any
    sources: Mapping[str, str]
    tests: Mapping[str, frozenset[str]]
    vectors: tuple[tuple[str, dict[str, Any], bytes], ...]

    def misses(self, mutant: Mutant) -> bool | None:
        """Whether every judge lets the mutant pass; None if it does not compile."""
        try:
            if not self._compiles(mutant):
                return None
            own = _package(mutant.source) + "_test"
            packages = sorted(self.tests, key=lambda package: package != own)
            return all(map(self._passes, packages)) and self._answers()
        finally:
            self.engine.add_policy(mutant.file, self.sources[mutant.file])

    def _compiles(self, mutant: Mutant) -> bool:
        from opa_bindings import OpaError  # noqa: PLC0415 - it may not be installed

        try:
            self.engine.add_policy(mutant.file, mutant.source)
            self.engine.eval_query("true")
        except OpaError:
            return False
        return True

    def _passes(self, package: str) -> bool:
        held = _document(self.engine, package, None)
        return isinstance(held, dict) and all(
            held.get(test) is True for test in self.tests[package]
        )

    def _answers(self) -> bool:
        return all(
            _canonical(_document(self.engine, entrypoint, facts)) == answer
            for entrypoint, facts, answer in self.vectors
        )


def mutants(folder: str) -> Iterator[Mutant]:
    """Every mutant of a folder, in the order of its files and lines."""
    for file, source in PolicyFolder.read(POLICY / folder).modules.items():
        lines = source.splitlines()
        for first, last in _rules(lines):
            block = lines[first:last]
            yield _without(folder, file, lines, first, last)
            if len(block) == 1 and " if " in block[0] and not block[0].endswith("{"):
                head, _, condition = block[0].partition(" if ")
                changed = "\n".join([*lines[:first], head, *lines[last:]]) + "\n"
                yield Mutant(folder, file, first + 1, f"if {condition}", changed)
            for line in range(first + 1, last):
                if lines[line].strip() not in ("}", "])", "]", ")", ""):
                    yield _without(folder, file, lines, line, line + 1)


def _rules(lines: list[str]) -> Iterator[tuple[int, int]]:
    """Where each rule begins and ends; what is before the first one is no rule."""
    first = None
    for number, line in enumerate([*lines, ""]):
        indented = line[:1] in ("\t", "}", "]", ")", " ")
        if first is not None and not indented:
            yield first, number
            first = None
        if line and not indented and not line.startswith(("#", "package ", "import ")):
            first = number


def _without(folder: str, file: str, lines: list[str], first: int, last: int) -> Mutant:
    """The file without some lines, and without the METADATA of a rule that goes."""
    begin = first
    while not lines[first].startswith("\t") and begin and lines[begin - 1].startswith("#"):
        begin -= 1
    left = [*lines[:begin], *lines[last:]]
    return Mutant(folder, file, first + 1, lines[first].strip(), "\n".join(left) + "\n")


@cache
def _judge(folder: str) -> _Judge:
    """The judge of a folder, made once in each process."""
    from opa_bindings import OpaEngine  # noqa: PLC0415 - never before a fork

    path = POLICY / folder
    sources = {file.name: file.read_text() for file in sorted(path.rglob("*.rego"))}
    engine = OpaEngine()
    for name, source in sources.items():
        engine.add_policy(name, source)
    engine.add_data(json.loads((path / "data.json").read_text()))
    tests = {
        _package(source): frozenset(_TEST.findall(source))
        for source in sources.values()
        if is_test(source)
    }
    vectors = tuple(
        (entrypoint, facts, _canonical(_document(engine, entrypoint, facts)))
        for entrypoint, facts in _asked(folder)
    )
    return _Judge(engine, sources, tests, vectors)


def _asked(folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the vectors ask of a folder's entrypoints."""
    for group in _GROUPS:
        for vector in _vectors(group):
            if folder == "local":
                yield LOCAL, vector["input"]
            else:
                yield FEDERATION, vector["input"]
                yield QUESTION, question_of(vector["input"])
    if folder == "federation":
        yield from ((CONSENT_CHECK, vector["input"]) for vector in _vectors("consents"))


def _vectors(group: str) -> list[dict[str, Any]]:
    written = (POLICY / "conformance" / "vectors" / f"{group}.json").read_text()
    vectors: list[dict[str, Any]] = json.loads(written)["vectors"]
    return vectors


def _document(engine: Any, path: str, facts: dict[str, Any] | None) -> Any:
    """A document of the policy; None where it has none."""
    from opa_bindings import OpaError  # noqa: PLC0415 - it may not be installed

    try:
        return engine.eval_document(path.replace("/", ".").removeprefix("data."), facts)
    except OpaError:
        return None


def _canonical(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True).encode()


def _package(source: str) -> str:
    package = _PACKAGE.search(source)
    return package.group(1) if package else ""


def judged(mutant: Mutant) -> bool | None:
    """Whether a mutant passes every judge; None if it does not compile."""
    return _judge(mutant.folder).misses(mutant)


def survivors(chosen: list[Mutant], processes: int) -> tuple[int, list[Mutant]]:
    """How many of the chosen compile, and those of them that pass every judge."""
    if processes == 1:
        found = list(map(judged, chosen))
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context) as pool:
            found = list(pool.map(judged, chosen, chunksize=8))
    passed = [mutant for mutant, misses in zip(chosen, found, strict=True) if misses]
    return sum(misses is not None for misses in found), passed


def main() -> int:
    """Judges every mutant, or every Nth one, and names those that survive unexpectedly."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--every", type=int, default=1, metavar="N")
    every = parser.parse_args().every
    chosen = [mutant for folder in FOLDERS for mutant in mutants(folder)][::every]
    judged_count, passed = survivors(chosen, os.cpu_count() or 1)
    unexpected = [m for m in passed if (f"{m.folder}/{m.file}", m.part) not in EQUIVALENT]
    for mutant in unexpected:
        sys.stderr.write(f"policy mutations: survives: {mutant}\n")
    sys.stdout.write(
        f"policy mutations: {judged_count} of {len(chosen)} compile, {len(passed)} survive,"
        f" {len(passed) - len(unexpected)} of them because nothing can tell\n"
    )
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
