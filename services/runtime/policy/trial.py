"""Tries a policy folder: its form, whether it compiles, every test and what the tests reach.

With an `opa` binary at hand its formatter, compiler and test runner are used. Without one the tests
run through the embedded evaluator, which finds no fault of form.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homeroom.errors import PolicyUnavailableError
from services.runtime.policy.folder import PolicyFolder

_POLICY = Path(__file__).resolve().parents[3] / "policy"

_ABOUT_CONSENTS = ("consent_check", "consent_paper", "consent_scope", "consent_signer")
"""The packages whose input is a batch of consents, not a question."""

_ABOUT_READING = ("record_reading",)
"""The packages whose input is a reading of the disclosure record."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How a folder did.

    Attributes:
        passed: what the tests say of themselves.
        wrong: what has to be mended; none if all is well.
    """

    passed: str
    wrong: list[str]


def try_folder(folder: Path, opa: Path | None) -> Trial:
    """Tries one folder, by a binary where there is one."""
    try:
        PolicyFolder.read(folder)
    except PolicyUnavailableError as unreadable:
        return Trial("no test ran", [unreadable.message])
    return _try_with_binary(opa, folder) if opa else _try_embedded(folder)


def _try_with_binary(opa: Path, folder: Path) -> Trial:
    compiled = ["--bundle", str(folder)]
    limits = [f"--capabilities={_POLICY / 'capabilities.json'}"]
    steps = {
        "not formatted": ["fmt", "--diff", "--fail", str(folder)],
        "does not compile": ["check", "--strict", *limits, *compiled],
        **_schema_checks(folder),
        "a test fails": ["test", "--fail-on-empty", *compiled],
        "not covered by tests": ["test", "--coverage", "--threshold=100", *compiled],
    }
    passed, wrong = "no test passed", []
    for what, arguments in steps.items():
        ran = subprocess.run([opa, *arguments], check=False, capture_output=True, text=True)
        if ran.returncode:
            wrong.append(f"{what}\n{_shortened(ran.stdout + ran.stderr)}")
        elif what == "a test fails":
            passed = ran.stdout.strip()
    return Trial(passed, wrong)


def _schema_checks(folder: Path) -> dict[str, list[str]]:
    """How each package is compared with what it is asked: a question, or a batch of consents."""
    asked, batches = (str(_POLICY / "schema" / name) for name in ("input.json", "consents.json"))
    ignored = [
        f"--ignore={name}*" for name in (*_ABOUT_CONSENTS, "consent_example", *_ABOUT_READING)
    ]
    checks = {"does not fit the schema": ["check", "-s", asked, *ignored, "--bundle", str(folder)]}
    about = [str(file) for name in _ABOUT_CONSENTS for file in folder.glob(f"{name}.rego")]
    if about:
        shared = [str(folder / name) for name in ("clock.rego", "data.json")]
        checks["does not fit the schema of consents"] = ["check", "-s", batches, *about, *shared]
    readings = [str(file) for name in _ABOUT_READING for file in folder.glob(f"{name}.rego")]
    if readings:
        schema, constants = str(_POLICY / "schema" / "record_reading.json"), folder / "data.json"
        arguments = ["check", "-s", schema, *readings, str(constants)]
        checks["does not fit the schema of a reading of the record"] = arguments
    return checks


def _try_embedded(folder: Path) -> Trial:
    engine = _loaded(folder)
    passed, wrong, covered = 0, [], _Coverage()
    for package, rule in _tests_of(folder):
        fault = _fault_of(engine, f"data.{package}.{rule}")
        covered.add(engine.last_coverage)
        passed += not fault
        if fault:
            wrong.append(f"{package}.{rule} {fault}")
    if not passed:
        wrong.append("there is no test")
    wrong += [f"no test reaches {place}" for place in covered.missing()]
    return Trial(f"{passed} passed in the embedded evaluator", wrong)


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
        package = next((line.split()[1] for line in lines if line.startswith("package ")), "")
        names = [line.split()[0] for line in lines if line.startswith("test_")]
        found += [(package, name) for name in dict.fromkeys(names)]
    return found


def _fault_of(engine: Any, rule: str) -> str:
    """Why a test does not hold; empty if it does."""
    from opa_bindings import OpaError  # noqa: PLC0415 - it may not be installed

    try:
        answers = engine.eval_query(f"answer := {rule}", coverage=True)
    except OpaError as wrong:
        return f"cannot be evaluated: {wrong.code}"
    holds = bool(answers) and answers[0].get("answer") is True
    return "" if holds else "is not true"


def _shortened(output: str, most_lines: int = 30) -> str:
    return "\n".join(output.strip().splitlines()[-most_lines:])
