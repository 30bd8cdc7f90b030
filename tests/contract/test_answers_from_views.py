"""What reading for answers promises holds of records in a view as of records in the node.

The promises are the tests of the other pages, run again where the node has students only.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from homeroom.catalog import SUBJECT_REF
from tests.contract.holding import ATTENDANCE, event, selection, student, two
from tests.contract.node_stores import Urls, both_in_one, new_files, urls
from tests.contract.test_answer_coverage import (
    test_a_class_serves_whoever_is_in_it_at_the_instant,
    test_a_rotated_name_finds_nobody_and_the_consents_stay,
    test_periods_of_several_consents_add_up_and_double_no_row,
    test_records_of_other_days_than_the_family_released_stay,
    week,
)
from tests.contract.test_answer_store import (
    EXPECTED,
    fill,
    test_a_grant_for_another_recipient_purpose_or_time_gives_nothing,
    test_a_reader_can_be_closed_before_its_end,
    test_a_revoked_consent_gives_nothing_at_once,
    test_an_element_that_a_family_did_not_allow_is_null,
    test_another_recipients_name_for_a_student_finds_nobody,
    test_columns_whose_first_rows_are_null_keep_their_type,
    test_days_of_a_period_are_both_included,
    test_incidents_of_gradebooks_are_no_final_grades,
    test_many_rows_come_in_batches_with_none_lost_or_doubled,
    test_only_the_named_students_are_read,
    test_rows_are_of_covered_schools_about_students_who_are_at_one_now,
    test_several_consents_add_up_and_double_no_row,
    test_ten_thousand_students_can_be_named,
    test_who_revokes_while_an_answer_is_open_is_no_longer_covered,
    test_without_a_grant_nothing_is_read,
    test_without_the_element_that_a_row_is_a_student_has_no_row,
)
from tests.contract.test_condition_failures import (
    ana,
    test_a_row_that_concerns_others_is_a_failure_of_its_student,
)
from tests.contract.test_extract_store import (
    pupils,
    test_no_more_is_read_than_can_be_looked_at,
    test_only_students_of_granted_schools_are_read,
    test_only_the_days_that_are_asked_for_are_read,
)
from tests.contract.test_row_conditions import (
    pair,
    test_a_consent_for_some_days_and_another_condition_hold_together,
    test_a_document_that_may_concern_others_stays,
    test_a_statement_goes_only_with_what_it_is_about,
    test_an_incident_with_another_student_is_no_single_subjects,
    test_survey_answers_go_with_the_consent_to_the_survey,
    test_the_users_own_students_alone,
)
from tests.contract.viewed import VIEWED, ViewedHolding, viewed

__all__ = [
    "ana",
    "pair",
    "pupils",
    "test_a_class_serves_whoever_is_in_it_at_the_instant",
    "test_a_consent_for_some_days_and_another_condition_hold_together",
    "test_a_document_that_may_concern_others_stays",
    "test_a_grant_for_another_recipient_purpose_or_time_gives_nothing",
    "test_a_reader_can_be_closed_before_its_end",
    "test_a_revoked_consent_gives_nothing_at_once",
    "test_a_rotated_name_finds_nobody_and_the_consents_stay",
    "test_a_row_that_concerns_others_is_a_failure_of_its_student",
    "test_a_statement_goes_only_with_what_it_is_about",
    "test_an_element_that_a_family_did_not_allow_is_null",
    "test_an_incident_with_another_student_is_no_single_subjects",
    "test_another_recipients_name_for_a_student_finds_nobody",
    "test_columns_whose_first_rows_are_null_keep_their_type",
    "test_days_of_a_period_are_both_included",
    "test_incidents_of_gradebooks_are_no_final_grades",
    "test_many_rows_come_in_batches_with_none_lost_or_doubled",
    "test_no_more_is_read_than_can_be_looked_at",
    "test_only_students_of_granted_schools_are_read",
    "test_only_the_days_that_are_asked_for_are_read",
    "test_only_the_named_students_are_read",
    "test_periods_of_several_consents_add_up_and_double_no_row",
    "test_records_of_other_days_than_the_family_released_stay",
    "test_rows_are_of_covered_schools_about_students_who_are_at_one_now",
    "test_several_consents_add_up_and_double_no_row",
    "test_survey_answers_go_with_the_consent_to_the_survey",
    "test_ten_thousand_students_can_be_named",
    "test_the_users_own_students_alone",
    "test_who_revokes_while_an_answer_is_open_is_no_longer_covered",
    "test_without_a_grant_nothing_is_read",
    "test_without_the_element_that_a_row_is_a_student_has_no_row",
    "two",
    "urls",
    "week",
]


@pytest.fixture
def organization_url(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The organization's own database, of the same kind as the node's."""
    if request.node.callspec.params.get("urls") == "postgresql":
        return str(request.getfixturevalue("postgres").prepared_database(both_in_one))
    (tmp_path / "organization").mkdir()
    shared = tmp_path_factory.getbasetemp() / "node_stores"
    shared.mkdir(exist_ok=True)
    return new_files(shared, tmp_path / "organization").records


@pytest.fixture
def holding(urls: Urls, organization_url: str, tmp_path: Path) -> Iterator[ViewedHolding]:
    with viewed(urls, organization_url, tmp_path / "views") as opened:
        yield opened


async def test_every_view_is_read_with_the_types_of_the_catalog(holding: ViewedHolding) -> None:
    """Text of any script, a leap day, booleans and numbers; the node holds none of it."""
    fill(holding)
    for dataset in VIEWED:
        for name in ("blank", "Ø-1"):
            holding.grant(name, *dataset.elements)
    kept = holding.records.counts()
    assert [kept[name] for name in ("attendance", "document", "guardian", "gpa")] == [0, 0, 0, 0]
    for dataset in VIEWED:
        rows = await holding.rows(selection(dataset.name))
        mine = [row for row in rows if row[SUBJECT_REF] == "ref-Ø-1"]
        assert mine == [{SUBJECT_REF: "ref-Ø-1"} | EXPECTED[dataset.name]], dataset.name


async def test_a_view_goes_by_the_students_newest_id(holding: ViewedHolding) -> None:
    """What is said under the old id is nobody's once the node knows the new one."""
    holding.add("student", student("ana"))
    holding.add("attendance", event("ana"))
    holding.grant("ana", *ATTENDANCE)
    for store in (holding.records, holding.organization):
        assert await holding.refs(selection()) == (["ref-ana"] if store is holding.records else [])
        with store.intake() as run:
            assert run.rename("ana", "ana-2")

    assert await holding.refs(selection()) == ["ref-ana"]
