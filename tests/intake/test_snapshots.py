"""Tables are frozen from the records: everyone once, at the school of now."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from services.node.__main__ import main
from services.node.domain.freezing import Dimension, Measure, frozen
from services.node.intake.run import Choices, ingest
from services.node.store.aggregate_tables import AGGREGATE_CELL, AGGREGATE_TABLE
from services.node.store.pupils import Pupils
from services.node.store.records.measures import MeasureRules
from services.runtime.database import open_database
from tests.intake.test_measures import MONDAY, TODAY, url

__all__ = ["url"]

SET = {
    "school": ["school_id,name,attendance_kind", "a,A,every_day", "b,B,every_day"],
    "student": [
        "student_id,given_name,grade_level,races,hispanic,homeless,school_id",
        "1,Ana,05,white;asian,false,true,a",
        "2,Ben,05,white,true,false,a",
        "3,Cem,06,white,false,,b",
        "4,Dee,06,,,,",
    ],
    "discipline_action": [
        "student_id,action_id,action_type,action_date,school_id",
        f"1,x,in_school_suspension,{MONDAY},a",
        f"3,y,in_school_suspension,{MONDAY},a",
    ],
    "attendance": [
        "student_id,school_id,event_date,category",
        f"1,a,{MONDAY},unexcused_absence",
        f"2,a,{MONDAY},in_attendance",
    ],
}
FEW_DAYS = MeasureRules(min_days=1)


@pytest.fixture
def loaded(url: str, tmp_path: Path) -> str:
    folder = tmp_path / "set"
    folder.mkdir()
    for name, lines in SET.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", "utf-8")
    ingest("record_csv", folder, url, Choices(today=TODAY))
    return url


def counts(url: str, measure: Measure, by: Dimension) -> dict[str, tuple[int, int | None]]:
    engine = open_database(url)
    table = frozen(measure, by, Pupils(engine).counted(measure, FEW_DAYS))
    engine.dispose()
    return {cell.cell_id: (cell.n, cell.numerator) for cell in table.cells if cell.n}


def test_students_are_counted_in_one_group_of_a_dimension(loaded: str) -> None:
    by_race = counts(loaded, Measure.STUDENTS, Dimension.RACE)
    assert {cell: n for cell, (n, _) in by_race.items() if cell.startswith("a|")} == {
        "a|": 2,
        "a|hispanic_or_latino": 1,
        "a|two_or_more_races": 1,
    }
    homeless = counts(loaded, Measure.STUDENTS, Dimension.HOMELESS)
    assert {cell: n for cell, (n, _) in homeless.items() if cell.startswith("|")} == {
        "|": 3,
        "|yes": 1,
        "|no": 1,
        "|not_known": 1,
    }


def test_who_was_suspended_counts_at_the_school_of_now(loaded: str) -> None:
    found = counts(loaded, Measure.SUSPENDED, Dimension.GRADE_LEVEL)
    assert (found["a|"], found["b|"], found["|"]) == ((2, 1), (1, 0), (3, 1))


def test_who_was_absent_is_counted_of_those_long_enough_there(loaded: str) -> None:
    found = counts(loaded, Measure.CHRONIC_ABSENCE, Dimension.GRADE_LEVEL)
    assert found["a|05"] == (2, 1)


def test_the_command_freezes_lists_and_notes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    records, state = f"sqlite:///{tmp_path}/records.db", f"sqlite:///{tmp_path}/state.db"
    folder = tmp_path / "set"
    folder.mkdir()
    for name, lines in SET.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", "utf-8")
    ingest("record_csv", folder, records, Choices(today=TODAY))
    monkeypatch.setenv("HOMEROOM_NODE_RECORDS_URL", records)
    monkeypatch.setenv("HOMEROOM_NODE_STATE_URL", state)

    def run(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["node", "snapshot", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
        return capsys.readouterr().out

    built = run("build", "--measure", "students", "--by", "grade_level", "--json")
    assert json.loads(built) == {"tables": ["students_by_grade_level"]}
    listed = json.loads(run("list", "--json"))["tables"]
    assert [row["table"] for row in listed] == ["students_by_grade_level"]
    run("contribution", "helpers", "students_by_grade_level", "2")
    run("earlier", "helpers", "students_by_grade_level", "61", "1")

    engine = open_database(state)
    with engine.connect() as connection:
        cells = connection.execute(select(AGGREGATE_CELL.c.n).order_by(AGGREGATE_CELL.c.place))
        assert sum(n for (n,) in cells) == 4 * 3, "each is in a cell and three totals"
        names = connection.execute(select(AGGREGATE_TABLE.c.name)).scalars()
        assert list(names) == ["students_by_grade_level"]
    engine.dispose()
