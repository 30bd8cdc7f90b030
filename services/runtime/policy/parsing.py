"""Reads Rego by OPA's own parser: syntax trees, where each rule stands, and what METADATA says.

The parser tells no rule's place. It is found by parsing beginnings of the file: where one more rule
is whole, it has ended.
"""

import base64
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import yaml

from homeroom.errors import PolicyUnavailableError

_QUERY = "rego.parse_module(input.name, input.source)"
_FAULT = re.compile(r":(\d+): rego_parse_error: (.+)")
_PARSE_SECONDS = 30


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something that a policy may not do, and where it does."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class Parser(Protocol):
    """OPA's parser, wherever it runs."""

    def parse(self, name: str, source: str) -> dict[str, Any] | str:
        """The module's tree; or what the parser says of it, if it is none."""
        ...


class LibraryParser:
    """The parser of the embedded evaluator."""

    def __init__(self) -> None:
        from opa_bindings import OpaEngine, OpaError  # noqa: PLC0415 - it may not be installed

        self._engine = OpaEngine()
        self._engine.add_policy("parsing.rego", f"package parsing\n\ntree := {_QUERY}\n")
        self._error = OpaError

    def parse(self, name: str, source: str) -> dict[str, Any] | str:
        try:
            tree = self._engine.eval_document("parsing.tree", {"name": name, "source": source})
        except self._error as fault:
            return str(fault)
        return dict(tree)


@dataclass(frozen=True)
class BinaryParser:
    """The parser of an `opa` binary."""

    binary: Path

    def parse(self, name: str, source: str) -> dict[str, Any] | str:
        command = [str(self.binary), "eval", "--format=json", "--stdin-input", f"tree := {_QUERY}"]
        command.append("--strict-builtin-errors")
        given = json.dumps({"name": name, "source": source})
        try:
            ran = subprocess.run(
                command,
                input=given,
                check=False,
                capture_output=True,
                text=True,
                timeout=_PARSE_SECONDS,
            )
            said = json.loads(ran.stdout)
        except (OSError, ValueError, subprocess.TimeoutExpired) as failed:
            raise PolicyUnavailableError("the opa binary does not parse") from failed
        if "result" not in said:
            return "\n".join(str(error.get("message")) for error in said.get("errors", ()))
        return dict(said["result"][0]["bindings"]["tree"])


def open_parser(binary: Path | None) -> Parser:
    """The parser of the embedded evaluator; without that, of a binary.

    Raises:
        PolicyUnavailableError: if there is neither.
    """
    try:
        return LibraryParser()
    except ImportError:
        if binary is None:
            raise PolicyUnavailableError("neither OPA's library nor its binary is here") from None
        return BinaryParser(binary)


@dataclass(frozen=True, slots=True)
class Annotation:
    """What one METADATA block says.

    Attributes:
        line: the line of what it is about.
        about: that line.
    """

    line: int
    about: str
    content: Mapping[str, Any]

    @property
    def of_package(self) -> bool:
        return self.about.startswith("package ")

    @property
    def citation(self) -> str:
        """The law that it cites; empty if none."""
        custom = self.content.get("custom")
        return str(custom.get("citation", "")) if isinstance(custom, Mapping) else ""


@dataclass(frozen=True)
class RegoModule:
    """One file of rules."""

    name: str
    source: str
    tree: Mapping[str, Any]
    parser: Parser

    @classmethod
    def read(cls, name: str, source: str, parser: Parser) -> "RegoModule | list[Finding]":
        """The module; or the places at which it is none."""
        tree = parser.parse(name, source)
        if isinstance(tree, str):
            found = {Finding(name, int(row), what) for row, what in _FAULT.findall(tree)}
            return sorted(found) or [Finding(name, 1, "is no Rego")]
        return cls(name, source, tree, parser)

    @property
    def package(self) -> str:
        """Such as `homeroom.local.rules`."""
        return ".".join(part["value"] for part in self.tree["package"]["path"][1:])

    @property
    def is_test(self) -> bool:
        return self.package.endswith("_test")

    @property
    def imports(self) -> Mapping[str, str]:
        """What is imported, by the name that it has here."""
        found = {}
        for one in self.tree.get("imports", ()):
            path = [str(part["value"]) for part in one["path"]["value"]]
            found[one.get("alias") or path[-1]] = ".".join(path)
        return found

    @property
    def rules(self) -> list[Mapping[str, Any]]:
        return list(self.tree.get("rules", ()))

    @cached_property
    def lines(self) -> list[str]:
        return self.source.splitlines()

    @cached_property
    def places(self) -> list[tuple[int, int]]:
        """The first and the last line of each rule."""
        ends: dict[int, int] = {}
        for end in range(1, len(self.lines) + 1):
            tree = self.parser.parse(self.name, "\n".join(self.lines[:end]) + "\n")
            if not isinstance(tree, str):
                ends[len(tree.get("rules", ()))] = end
        found = []
        for number in range(len(self.rules)):
            before = max((end for count, end in ends.items() if count <= number), default=0)
            last = min(
                (end for count, end in ends.items() if count > number), default=len(self.lines)
            )
            first = next((n for n in range(before + 1, last + 1) if self._is_code(n)), last)
            found.append((first, last))
        return found

    @cached_property
    def annotations(self) -> list[Annotation]:
        """Its METADATA blocks, in order."""
        return list(_annotations(self))

    def annotation_at(self, line: int) -> Annotation | None:
        """What METADATA says of the rule that begins at a line."""
        return next((one for one in self.annotations if one.line == line), None)

    def annotation_of_package(self) -> Annotation | None:
        """What METADATA says of the whole file."""
        return next((one for one in self.annotations if one.of_package), None)

    def line_of(self, pattern: str, first: int = 1, last: int | None = None, nth: int = 0) -> int:
        """The line of some where a pattern is found the nth time; the first if it is not."""
        found = [
            number
            for number in range(first, (last or len(self.lines)) + 1)
            for _ in re.finditer(pattern, self.lines[number - 1].partition("#")[0])
        ]
        return next(iter(found[nth:] or found), first)

    def _is_code(self, line: int) -> bool:
        text = self.lines[line - 1].strip()
        return bool(text) and not text.startswith("#")


def _annotations(module: RegoModule) -> Iterator[Annotation]:
    comments = {
        int(one["Location"]["row"]): base64.b64decode(one["Text"]).decode()
        for one in module.tree.get("comments", ())
        if one["Location"]["col"] == 1
    }
    for row in sorted(row for row, text in comments.items() if text.strip() == "METADATA"):
        end = row + 1
        while end in comments and comments[end].strip() != "METADATA":
            end += 1
        try:
            content = yaml.safe_load("\n".join(comments[n] for n in range(row + 1, end)))
        except yaml.YAMLError:
            content = None
        line = next((n for n in range(end, len(module.lines) + 1) if module.lines[n - 1]), end)
        about = module.lines[line - 1] if line <= len(module.lines) else ""
        yield Annotation(line, about, content if isinstance(content, dict) else {})
