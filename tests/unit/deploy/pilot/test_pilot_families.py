"""What families answered."""

from collections import Counter
from datetime import date

from deploy.local.pilot.families import is_adult
from homeroom.vocabulary import Element, SignerRelation
from tests.unit.deploy.pilot.pilot_folder import DISTRICTS, Pilot


def test_families_answer_for_students_their_holder_has(pilot: Pilot) -> None:
    known = {
        (holder, row["student_id"])
        for holder in (*DISTRICTS, "shelter_network")
        for row in pilot.rows(holder, "student")
    }

    assert {(row["holder"], row["student_id"]) for row in pilot.families()} <= known


def test_about_twelve_hundred_answers_are_yes(pilot: Pilot) -> None:
    families = pilot.families()
    answers = Counter(row["answer"] for row in families if row["holder"] in DISTRICTS)
    shelter = [row for row in families if row["holder"] == "shelter_network"]

    assert 1_120 <= answers["yes"] <= 1_280
    assert 110 <= answers["no"] + answers["unanswered"] <= 190
    assert 20 <= len(shelter) <= 65
    assert len({row["language"] for row in families}) >= 5


def test_a_yes_names_elements_and_purposes_of_the_vocabulary_and_others_allow_nothing(
    pilot: Pilot,
) -> None:
    shelter = {"program_participation", "program_attendance"}
    for row in pilot.families():
        elements, purposes = row["elements"].split(";"), row["purposes"].split(";")
        if row["answer"] == "yes":
            assert set(elements) <= {element.value for element in Element}
            assert set(purposes) <= {"direct_service", "homelessness_early_warning"}
            assert (set(elements) == shelter) == (row["holder"] == "shelter_network")
        else:
            assert (row["elements"], row["purposes"]) == ("", "")
        assert (row["signed_on"] == "") == (row["answer"] == "unanswered")
        if row["signed_on"]:
            assert "2026-09-01" <= row["signed_on"] < "2026-11-15"
        assert row["relation"] in {relation.value for relation in SignerRelation}


def test_a_student_of_eighteen_answers_for_herself(pilot: Pilot) -> None:
    born = {
        (district, row["student_id"]): date.fromisoformat(row["birth_date"])
        for district in DISTRICTS
        for row in pilot.rows(district, "student")
    }
    own = 0
    for row in pilot.families():
        if row["signed_on"] and row["holder"] in DISTRICTS:
            birth = born[row["holder"], row["student_id"]]
            adult = is_adult(birth, date.fromisoformat(row["signed_on"]))
            assert (row["relation"] == "eligible_student") == adult
            own += adult
    assert own > 0


def test_who_was_born_on_a_leap_day_is_adult_from_the_first_of_march() -> None:
    assert not is_adult(date(2008, 2, 29), date(2026, 2, 28))
    assert is_adult(date(2008, 2, 29), date(2026, 3, 1))
