"""A folder's tests run by the binary or the library, and each fault is told."""

import os
import shutil
from pathlib import Path

import pytest

from services.runtime.policy import find_opa
from services.runtime.policy.trial import try_folder
from tools.policy_tests import FOLDERS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the template."""
    copied = tmp_path / "own"
    shutil.copytree(FOLDERS[1], copied)
    return copied


@pytest.fixture(params=["library", "binary"])
def opa(request: pytest.FixtureRequest) -> Path | None:
    if request.param == "library":
        return None
    return find_opa(os.environ) or pytest.skip("no opa binary here")


def test_the_template_passes(folder: Path, opa: Path | None) -> None:
    trial = try_folder(folder, opa)
    tests = [file.read_text().count("\ntest_") for file in folder.glob("*_test.rego")]

    assert trial.wrong == []
    assert str(sum(tests)) in trial.passed


def test_a_failing_test_is_named(folder: Path, opa: Path | None) -> None:
    with (folder / "rules_test.rego").open("a") as tests:
        tests.write("\ntest_that_fails if rules.open with input as {}\n")

    assert any("test_that_fails" in fault for fault in try_folder(folder, opa).wrong)


def test_a_rule_that_no_test_reaches_is_named(folder: Path, opa: Path | None) -> None:
    with (folder / "rules.rego").open("a") as rules:
        rules.write("\nunreached if {\n\tinput.query.requester\n}\n")
    (fault, *_) = try_folder(folder, opa).wrong

    assert fault.startswith(("not covered by tests", "no test reaches rules.rego"))


def test_a_folder_without_rules_is_told(tmp_path: Path, opa: Path | None) -> None:
    assert try_folder(tmp_path, opa).wrong == ["the policy folder cannot be read"]
