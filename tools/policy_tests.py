"""Checks the policies and runs their tests: `python -m tools.policy_tests [folder ...]`.

With an `opa` binary at hand its formatter, compiler and test runner are used. Without one the tests
run through the embedded evaluator, which finds no fault of form; the output says so.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from homeroom.errors import PolicyUnavailableError
from services.runtime.policy import PolicyFolder, find_opa

POLICY = Path(__file__).resolve().parent.parent / "policy"
EXAMPLES = tuple(sorted((POLICY / "examples").iterdir()))
FOLDERS = (POLICY / "federation", POLICY / "local", *EXAMPLES)

ABOUT_CONSENTS = ("consent_check", "consent_paper", "consent_scope", "consent_signer")
"""The packages whose input is a batch of consents, not a question."""


def run_with_binary(opa: Path, folder: Path) -> list[str]:
    """Formats, compiles and tests one folder; returns what is wrong."""
    compiled = ["--bundle", str(folder)]
    limits = [f"--capabilities={POLICY / 'capabilities.json'}"]
    steps = {
        "not formatted": ["fmt", "--diff", "--fail", str(folder)],
        "does not compile": ["check", "--strict", *limits, *compiled],
        **_schema_checks(folder),
        "a test fails": ["test", "--fail-on-empty", *compiled],
        "not covered by tests": ["test", "--coverage", "--threshold=100", *compiled],
    }
    wrong = []
    for what, arguments in steps.items():
        ran = subprocess.run([opa, *arguments], check=False, capture_output=True, text=True)
        if ran.returncode:
            wrong.append(f"{folder.name}: {what}\n{_shortened(ran.stdout + ran.stderr)}")
        if what == "a test fails" and not ran.returncode:
            sys.stdout.write(f"policy tests: {folder.name}: {ran.stdout.strip()}\n")
    return wrong


def _schema_checks(folder: Path) -> dict[str, list[str]]:
    """How each package is compared with what it is asked: a question, or a batch of consents."""
    asked, batches = (str(POLICY / "schema" / name) for name in ("input.json", "consents.json"))
    ignored = [f"--ignore={name}*" for name in (*ABOUT_CONSENTS, "consent_example")]
    checks = {"does not fit the schema": ["check", "-s", asked, *ignored, "--bundle", str(folder)]}
    about = [str(file) for name in ABOUT_CONSENTS for file in folder.glob(f"{name}.rego")]
    if about:
        shared = [str(folder / name) for name in ("clock.rego", "data.json")]
        checks["does not fit the schema of consents"] = ["check", "-s", batches, *about, *shared]
    return checks


def run_embedded(folder: Path) -> list[str]:
    """Evaluates every `test_` rule of one folder; returns those that are not true."""
    try:
        PolicyFolder.read(folder)
    except PolicyUnavailableError as unreadable:
        return [f"{folder.name}: {unreadable}"]
    engine = _loaded(folder)
    passed, wrong, covered = 0, [], _Coverage()
    for package, rule in _tests_of(folder):
        holds = _is_true(engine, f"data.{package}.{rule}")
        covered.add(engine.last_coverage)
        passed += holds
        if not holds:
            wrong.append(f"{folder.name}: {package}.{rule} is not true")
    if not passed:
        wrong.append(f"{folder.name}: there is no test")
    sys.stdout.write(f"policy tests: {folder.name}: {passed} passed in the embedded evaluator\n")
    return wrong + [f"{folder.name}: no test reaches {place}" for place in covered.missing()]


class _Coverage:
    """The lines that some test reached, summed over single evaluations."""

    def __init__(self) -> None:
        self._reached: set[tuple[str, int]] = set()
        self._lines: set[tuple[str, int]] = set()

    def add(self, report: dict[str, Any] | None) -> None:
        for file, found in (report or {}).get("files", {}).items():
            reached = _rows(file, found.get("covered"))
            self._reached |= reached
            self._lines |= reached | _rows(file, found.get("not_covered"))

    def missing(self) -> list[str]:
        return [f"{file}:{row}" for file, row in sorted(self._lines - self._reached)]


def _rows(file: str, ranges: list[dict[str, Any]] | None) -> set[tuple[str, int]]:
    return {
        (file, row) for r in ranges or [] for row in range(r["start"]["row"], r["end"]["row"] + 1)
    }


def _loaded(folder: Path) -> Any:
    """An evaluator with the folder's rules and their tests."""
    from opa_bindings import OpaEngine  # noqa: PLC0415 - it may not be installed

    engine = OpaEngine()
    for file in sorted(folder.rglob("*.rego")):
        engine.add_policy(str(file.relative_to(folder)), file.read_text())
    engine.add_data(json.loads((folder / "data.json").read_text()))
    return engine


def _tests_of(folder: Path) -> list[tuple[str, str]]:
    """Each test rule of a folder: its package and name."""
    found = []
    for file in sorted(folder.rglob("*_test.rego")):
        lines = file.read_text().splitlines()
        package = next(line.split()[1] for line in lines if line.startswith("package "))
        names = [line.split()[0] for line in lines if line.startswith("test_")]
        found += [(package, name) for name in dict.fromkeys(names)]
    return found


def _is_true(engine: Any, rule: str) -> bool:
    from opa_bindings import OpaError  # noqa: PLC0415 - it may not be installed

    try:
        answers = engine.eval_query(f"answer := {rule}", coverage=True)
    except OpaError as wrong:
        sys.stderr.write(f"policy tests: {rule}: {wrong.code}\n")
        return False
    return bool(answers) and answers[0].get("answer") is True


def _shortened(output: str, most_lines: int = 30) -> str:
    return "\n".join(output.strip().splitlines()[-most_lines:])


def main() -> int:
    """Runs every folder's tests and says what is wrong."""
    folders = [Path(argument) for argument in sys.argv[1:]] or list(FOLDERS)
    opa = find_opa(os.environ)
    if opa is None:
        sys.stdout.write(
            "policy tests: no opa binary here: form is not checked (opa fmt, opa check), and the"
            " tests run through the embedded evaluator\n"
        )
    wrong = []
    for folder in folders:
        wrong += run_with_binary(opa, folder) if opa else run_embedded(folder)
    for line in wrong:
        sys.stderr.write(f"policy tests: {line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
