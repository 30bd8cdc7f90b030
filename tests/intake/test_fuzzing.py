"""Mutated files of every format: no crash, nothing kept in part, no person's value in a report.

These are the first of a seed; `make fuzz` runs a hundred thousand.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from homeroom.errors import RequestInvalidError
from services.node.domain.intake import RowSource
from services.node.domain.intake_report import IntakeReport
from services.node.intake import run
from services.node.intake.run import Choices
from services.node.store.records import RecordStore
from tools.fuzz_intake import trial
from tools.fuzz_intake.trial import Trials

_FILES = 280


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    with Trials(tmp_path_factory.mktemp("fuzz"), seed=5) as made:
        yield made


def test_a_mutated_file_never_crashes_an_import_and_never_shows_a_person(trials: Trials) -> None:
    failures = [failure for number in range(_FILES) if (failure := trials.run(number))]

    assert failures == []
    assert trials.stored >= _FILES // 7


@pytest.mark.parametrize(
    ("raised", "why"),
    [
        (ValueError("of no kind of ours"), "ValueError at "),
        (RequestInvalidError("Xanthippe is here", field="x"), "shows "),
        (RequestInvalidError("here", field="x", row="of Quuxwold"), "shows "),
    ],
    ids=["crash", "name in the message", "name in the metadata"],
)
def test_a_trial_notices_what_must_not_be(
    trials: Trials, monkeypatch: pytest.MonkeyPatch, raised: Exception, why: str
) -> None:
    def fail(*_given: object) -> None:
        raise raised

    monkeypatch.setattr(trial, "FORMATS", dict.fromkeys(run.FORMATS, fail))
    failure = trials.run(1)

    assert failure is not None
    assert failure.why.startswith(why)


def test_a_trial_notices_records_that_were_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(store: RecordStore, name: str, source: RowSource, choices: Choices) -> IntakeReport:
        return run.load(store, name, source, replace(choices, dry_run=False))

    monkeypatch.setattr(trial, "load", keep)
    monkeypatch.setattr(trial, "mutated", lambda content, _chance: content)
    with Trials(tmp_path, seed=5) as own:
        failures = [own.run(number) for number in (0, 70, 140)]

    assert "the records were touched" in {failure.why for failure in failures if failure}
