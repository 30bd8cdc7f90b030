"""The rules that make values of a source's texts, or say why not."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.node.domain.intake_report import MAX_LISTED, IntakeReport, Rejection
from services.node.domain.record_tables import RECORD_TABLES
from services.node.domain.row_rules import Refusal, RowRules, Value


def read(table: str, **texts: str) -> list[Value] | Refusal:
    return RowRules(table, tuple(texts)).read(list(texts.values()))


def test_every_key_is_made_of_columns_of_its_table() -> None:
    for table in RECORD_TABLES.values():
        assert set(table.key) <= set(table.column_names)


def test_values_have_the_types_of_their_columns() -> None:
    row = read(
        "student", student_id=" 0042 ", birth_date="2012-02-29", hispanic="TRUE", homeless="0"
    )

    assert row == ["0042", date(2012, 2, 29), True, False]


@pytest.mark.parametrize(
    ("table", "field", "text", "reason"),
    [
        ("student", "birth_date", "29.2.2012", "is not a date (YYYY-MM-DD)"),
        ("student", "birth_date", "20120229", "is not a date (YYYY-MM-DD)"),
        ("student", "birth_date", "0012-02-29", "is not a date of our times"),
        ("student", "hispanic", "yes", "is neither true nor false"),
        ("attendance", "category", "late", "is not one of the words of this field"),
        ("student", "given_name", "a\x00b", "has a null character"),
        ("student", "given_name", "a" * 2_001, "is too long"),
        ("student", "given_name", "\udce9", "is not UTF-8"),
        ("session", "instructional_days", "1e2", "is not a whole number"),
        ("session", "instructional_days", "٣", "is not a whole number"),
        ("attendance", "duration_days", "nan", "is not a number"),
        ("attendance", "duration_days", "inf", "is not a number"),
    ],
)
def test_a_text_that_is_no_value_is_refused_with_its_field(
    table: str, field: str, text: str, reason: str
) -> None:
    refused = read(table, **{field: text})

    assert isinstance(refused, Refusal)
    assert refused[:2] == (field, reason)


@pytest.mark.parametrize(
    ("field", "text", "kept", "value_class"),
    [
        ("grade_level", "7", None, "digits"),
        ("races", "white;martian;asian", "asian;white", "other text"),
        ("lunch_eligibility", "Fre Lunch", None, "words"),
    ],
)
def test_a_code_nobody_knows_costs_no_row_and_is_told(
    field: str, text: str, kept: str | None, value_class: str
) -> None:
    rules = RowRules("student", ("student_id", field))

    assert rules.read(["1", text]) == ["1", kept]
    assert rules.unknown == [Refusal(field, "is not one of the words of this field", value_class)]
    assert rules.read(["2", ""]) == ["2", None]
    assert rules.unknown == []


def test_an_empty_text_is_a_null_unless_the_key_needs_it() -> None:
    assert read("student", student_id="1", given_name="  ") == ["1", None]
    assert read("student", student_id="  ", given_name="Ana") == Refusal(
        "student_id", "is missing", "missing"
    )


def test_races_are_sorted_and_each_stands_once() -> None:
    assert read("student", races="white; asian;white") == ["asian;white"]


def test_a_day_may_come_as_its_midnight() -> None:
    assert read("student", birth_date="2005-12-15T00:00:00") == [date(2005, 12, 15)]


def test_a_period_does_not_end_before_it_begins() -> None:
    assert read("enrollment", entry_date="2025-09-02", exit_date="2025-09-01") == Refusal(
        "exit_date", "is before the period begins", "date"
    )
    same_day = read("enrollment", entry_date="2025-09-02", exit_date="2025-09-02")
    assert same_day == [date(2025, 9, 2)] * 2


@given(st.text(max_size=40))
def test_a_refusal_never_repeats_the_text(text: str) -> None:
    for table, field in (
        ("student", "birth_date"),
        ("attendance", "category"),
        ("student", "hispanic"),
    ):
        refused = read(table, **{field: f"<{text}>"})

        assert isinstance(refused, Refusal)
        assert f"<{text}>" not in refused.reason + refused.value_class


def test_a_report_lists_some_rejections_and_counts_all() -> None:
    report = IntakeReport("record_csv")
    for line in range(MAX_LISTED + 5):
        report.reject(Rejection("student", "student.csv", line, "birth_date", "is no date"))

    assert report.to_json()["rejected"] == MAX_LISTED + 5
    assert len(report.to_json()["rejections"]) == MAX_LISTED
