"""Each kind of pair that misleads a matcher, as a class: all that are like it come out alike."""

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.node.domain.matching import (
    Hindrance,
    Identity,
    Lane,
    NoCandidate,
    Review,
)
from tests.unit.node.matching.people import (
    BORN,
    HOME,
    against,
    elsewhere,
    in_town,
    is_found,
    links_to,
    never_links,
    person,
)

_ACCENTED = (("José", "Jose"), ("Zoë", "ZOE"), ("Łucja", "Lucja"), ("Siobhán", "siobhan"),
             ("Thị", "Thi"), ("Jean-Noël", "Jean Noel"), ("D'Andre", "Dandre"))  # fmt: skip
_RESPELLED = (
    ("O’Brien", "OBrien"), ("da Graça", "DaGraca"), ("de la Cruz", "Delacruz"),
    ("Smith-Jones", "Smith Jones"), ("Nuñez Díaz", "NUNEZ-DIAZ"), ("van der Berg", "Vanderberg"),
    ("Đặng", "Dang"), ("St. Louis", "St Louis"), ("Mc Carthy", "McCarthy"),
    ("García López", "López García"),
)  # fmt: skip
_TWO_SURNAMES = ("Pires Andrade", "dos Santos Lima", "Vega-Robles", "Ahmed Warsame", "Cruz y Paz")
_LOOK_ALIKES = (
    ("Jaiden", "Aiden"), ("Ana", "Anna"), ("Brian", "Bryan"), ("Mia", "Maia"), ("Jon", "John"),
    ("Sara", "Sarah"), ("Alexis", "Alex"), ("Isabella", "Isabel"), ("Julia", "Juliana"),
    ("Nadia", "Naida"), ("Christina", "Kristina"), ("Marie", "Maria"), ("Elijah", "Eli"),
    ("Juan Pablo", "Juan Pedro"), ("María José", "María Luz"), ("Jean", "Jean-Marc"),
    ("Ann", "Anne"), ("Tom", "Tim"), ("Bob", "Rob"), ("Kate", "Kathy"), ("Marc", "Marco"),
    ("Luis", "Luz"), ("Eric", "Erick"), ("Santiago", "Diego"), ("Michael", "Micah"),
    ("Beto", "Berto"), ("Ted", "Ned"), ("Minh Anh", "Minh Châu"), ("José María", "María José"),
)  # fmt: skip
_SHORT_FORMS = (
    ("Francisco", "Paco", "M"), ("Robert", "Bobby", "M"), ("Dolores", "Lola", "F"),
    ("Guillermo", "Memo", "M"), ("Katherine", "Kathy", "F"), ("José", "Pepe", "M"),
    ("Mercedes", "Meche", "F"), ("Theodore", "Ted", "M"), ("Ignacio", "Nacho", "M"),
)  # fmt: skip
_WORDS = st.sampled_from(
    [
        "Amara",
        "Bruno",
        "Chidi",
        "Dalia",
        "Emre",
        "Farida",
        "Goran",
        "Hana",
        "Ilse",
        "Jovan",
        "Keiko",
        "Leila",
        "Mateus",
        "Nadine",
        "Odile",
        "Petra",
        "Quentin",
        "Rania",
        "Stefan",
        "Thalia",
        "Umar",
        "Vera",
        "Wendel",
        "Xenia",
        "Yara",
        "Zoltan",
    ]
)
_DAYS = st.dates(dt.date(2004, 1, 2), dt.date(2021, 12, 28)).filter(
    lambda day: (day.month, day.day) != (1, 1)
)


@pytest.mark.parametrize(("one", "other"), _ACCENTED)
def test_spelling_of_a_given_name_does_not_matter(one: str, other: str) -> None:
    assert links_to(against(person(one, "Tavares"), person(other, "TAVARES")))
    assert links_to(against(person(other, "Tavares"), person(one, "Tavares")))


@pytest.mark.parametrize(("one", "other"), _RESPELLED)
def test_spelling_and_order_of_surnames_do_not_matter(one: str, other: str) -> None:
    assert links_to(against(person("Ivo", one), person("Ivo", other)))
    assert links_to(against(person("Ivo", other), person("Ivo", one)))


@pytest.mark.parametrize("both", _TWO_SURNAMES)
@pytest.mark.parametrize("kept", [0, -1])
def test_one_of_two_surnames_is_enough(both: str, kept: int) -> None:
    one = both.replace("-", " ").split()[kept]
    one = "Santos" if one == "dos" else one

    assert links_to(against(person("Ivo", both), person("Ivo", one)))
    assert links_to(against(person("Ivo", one), person("Ivo", both)))


@given(_WORDS, _WORDS)
def test_a_family_name_written_first_links_at_home_only(one: str, other: str) -> None:
    turned = person(other, one)

    assert links_to(against(person(one, other), turned))
    away = against(person(one, other), elsewhere(turned))
    assert one == other or never_links(away)


def test_twins_do_not_merge_because_one_was_written_family_name_first() -> None:
    assert never_links(against(person("García", "Marc"), person("Marco", "García")))
    assert never_links(against(person("Martínez", "José Luis"), person("José", "Martínez")))


@pytest.mark.parametrize(("one", "other"), _LOOK_ALIKES)
@pytest.mark.parametrize("sex", ["F", "M", ""])
def test_twins_never_merge(one: str, other: str, sex: str) -> None:
    claim, student = person(one, "Gomes", sex=sex), person(other, "Gomes", sex=sex)

    for outcome in (against(claim, student), against(student, claim)):
        assert never_links(outcome)


@pytest.mark.parametrize(("one", "other"), _LOOK_ALIKES)
def test_of_twins_each_links_to_itself(one: str, other: str) -> None:
    twins = person(one, "Gomes"), person(other, "Gomes")

    assert links_to(against(twins[0], *twins), 1)
    assert links_to(against(twins[1], *twins), 2)


@given(_WORDS, _WORDS, _WORDS, _DAYS)
def test_children_of_one_birth_with_other_names_never_merge(
    one: str, other: str, family: str, born: dt.date
) -> None:
    twins = person(one, family, birth_date=born), person(other, family, birth_date=born)

    assert (one == other) == links_to(against(*twins))


@pytest.mark.parametrize(("one", "other"), [("Ange", "Rose"), ("A", "R"), ("Ann", "Anna")])
def test_a_middle_name_tells_children_of_one_name_apart(one: str, other: str) -> None:
    claim = person("Marie", "Pierre", middle=one)

    assert never_links(against(claim, person("Marie", "Pierre", middle=other)))
    both = against(
        person("Marie", "Pierre"),
        person("Marie", "Pierre", middle="Ange"),
        person("Marie", "Pierre", middle="Rose"),
    )
    assert isinstance(both, Review)
    assert Hindrance.RIVAL in both.candidates[0].hindrances


@pytest.mark.parametrize(("full", "short", "sex"), _SHORT_FORMS)
def test_a_short_form_links_only_with_sex_and_household(full: str, short: str, sex: str) -> None:
    claim, student = person(short, "Vega", sex=sex), person(full, "Vega", sex=sex)

    assert links_to(against(claim, student))
    assert links_to(against(student, claim))
    assert never_links(against(replace(claim, sex=""), student))
    assert never_links(in_town(elsewhere(claim, middle="A"), student))


@pytest.mark.parametrize(("full", "short", "sex"), _SHORT_FORMS)
def test_a_short_form_is_doubted_where_the_student_has_a_twin(
    full: str, short: str, sex: str
) -> None:
    claim, student = person(short, "Vega", sex=sex), person(full, "Vega", sex=sex)
    outcome = against(claim, student, person("Yannick", "Vega", sex=sex))

    assert isinstance(outcome, Review)
    assert Hindrance.TWIN in outcome.candidates[0].hindrances
    assert outcome.lane is Lane.LOOK_ALIKE


@pytest.mark.parametrize(
    ("one", "other"),
    [("Juan Carlos", "Juan"), ("Marie-Ange", "Marie"), ("Tenzin Dolma", "Tenzin")],
)
def test_a_second_given_name_left_out_is_for_a_person_to_judge(one: str, other: str) -> None:
    assert isinstance(against(person(one, "Reyes"), person(other, "Reyes")), Review)


def test_a_second_given_name_may_stand_as_a_middle_name() -> None:
    claim = person("Juan", "Reyes", middle="Carlos")

    assert links_to(against(claim, person("Juan Carlos", "Reyes")))
    assert never_links(against(claim, person("Juan Pablo", "Reyes")))


@settings(max_examples=25)
@given(_WORDS, _WORDS, _DAYS)
def test_day_and_month_turned_round_link_at_home(one: str, family: str, born: dt.date) -> None:
    turned = _turned(born)
    student = person(one, family, birth_date=born)
    claim = person(one, family, birth_date=turned)

    assert links_to(against(claim, student))
    if turned != born:
        assert never_links(in_town(elsewhere(claim), student))


@given(_WORDS, _WORDS, _DAYS, st.integers(1, 28))
def test_a_birth_date_slightly_off_is_found(one: str, family: str, born: dt.date, day: int) -> None:
    claim = person(one, family, birth_date=born.replace(day=day))

    assert is_found(against(claim, person(one, family, birth_date=born)))


def test_a_placeholder_of_a_birth_date_is_for_a_person_to_judge() -> None:
    student = person("Tania", "Cardoso", birth_date=dt.date(2012, 6, 19))
    for written in (dt.date(2012, 1, 1), dt.date(2011, 1, 1), dt.date(1900, 1, 1), None):
        claim = replace(student, birth_date=written)

        assert isinstance(against(claim, student), Review)
        assert isinstance(in_town(claim, student), Review)


def test_a_first_of_january_links_only_with_full_name_and_household() -> None:
    born = dt.date(2012, 1, 1)
    student = person("Mohamed", "Ali Hassan", birth_date=born)

    assert links_to(against(student, student))
    assert never_links(against(replace(student, family="Hassan"), student))
    assert never_links(against(replace(student, family="Hassan Omar"), student))
    assert never_links(in_town(elsewhere(student, middle="A"), student))


@settings(max_examples=25)
@given(_WORDS, _WORDS, _WORDS)
def test_a_changed_surname_is_for_a_person_to_judge(one: str, old: str, new: str) -> None:
    student = person(one, old)
    claim = person(one, new)
    fostered = elsewhere(claim)

    if old != new:
        assert isinstance(against(claim, student), Review)
        assert isinstance(against(fostered, student), Review)
        assert isinstance(in_town(fostered, student), Review)


@pytest.mark.parametrize(
    ("right", "wrong"), [("Destiny", "Destny"), ("Brayan", "Bryan"), ("Xiomara", "Xoimara")]
)
def test_a_mistyped_given_name_is_for_a_person_to_judge(right: str, wrong: str) -> None:
    assert isinstance(against(person(wrong, "Quispe"), person(right, "Quispe")), Review)


@given(_WORDS, _WORDS, _WORDS, st.integers(1, 17))
def test_brothers_and_sisters_are_not_even_candidates(
    one: str, other: str, family: str, years: int
) -> None:
    younger = person(other, family, birth_date=BORN.replace(year=BORN.year - years, day=9))

    if one != other:
        assert isinstance(against(person(one, family), younger), NoCandidate)


def test_father_and_child_of_one_name_never_merge() -> None:
    child = person("Carlos", "Vega")

    assert never_links(in_town(replace(child, birth_date=BORN.replace(year=1985)), child))


@pytest.mark.parametrize(
    ("one", "family"),
    [("Diego", "Hernández"), ("José", "García"), ("Mateo", "García"), ("Emma", "Smith")],
)
def test_strangers_of_a_common_name_born_on_one_day_never_merge(one: str, family: str) -> None:
    student = person(one, family)

    for roster in (against, in_town):
        assert never_links(roster(elsewhere(student), student))


def test_a_rare_name_stands_for_itself_in_a_roster_that_can_tell() -> None:
    student = person("Philibert", "Oyarzábal Quitumbo")
    moved = elsewhere(student)

    assert links_to(in_town(moved, student))
    assert isinstance(against(moved, student), Review)


def test_a_shelters_telephone_and_address_corroborate_nothing() -> None:
    families = [
        person("Angel", f"Family{chr(97 + number)}", birth_date=BORN.replace(year=2006 + number))
        for number in range(13)
    ]
    student = person("Angel", "Cruz")

    assert links_to(against(student, student))
    assert never_links(against(student, student, *families))


@pytest.mark.parametrize("name", ["Unknown", "TEST", "Baby Boy", "Babygirl A", "fnu", "xxx"])
def test_what_stands_for_an_unknown_name_stays_home(name: str) -> None:
    unnamed = person(name, "Cruz")

    assert isinstance(against(unnamed, unnamed), NoCandidate)
    assert isinstance(against(person("Ivo", "Cruz"), unnamed), NoCandidate)


@pytest.mark.parametrize("family", ["Null", "Sample", "Last", "Na"])
def test_families_whose_name_looks_like_none_are_found(family: str) -> None:
    child = person("Ivo", family)

    assert links_to(against(child, child))


@pytest.mark.parametrize(
    "family", ["lopez|2012-03-04", "lopez;2012-03-04", "lopez\t2012", "lopez\x00", "lopez<b>"]
)
def test_signs_hidden_in_a_name_stand_for_nothing(family: str) -> None:
    hidden = person("Maria", family, birth_date=None)

    assert never_links(against(hidden, elsewhere(person("Maria", "Lopez"))))
    assert never_links(against(person("Maria", family), person("Maria", "Lopez")))


@pytest.mark.parametrize("nothing", ["", " ", "🙂", "❤❤", "---", "...", "12345", "\u200d"])
def test_names_without_a_letter_match_nobody(nothing: str) -> None:
    unnamed = person(nothing, nothing)

    assert isinstance(against(unnamed, person("🙂", "❤")), NoCandidate)
    assert isinstance(against(unnamed, unnamed), NoCandidate)


@pytest.mark.parametrize(
    ("one", "family"),
    [("小明", "王"), ("أحمد", "الحسن"), ("Иван", "Петров"), ("민준", "김"), ("अनन्या", "शर्मा")],
)
def test_a_name_of_any_script_equals_itself(one: str, family: str) -> None:
    child = person(one, family)

    assert links_to(against(child, child))


def test_marks_that_are_vowels_are_kept() -> None:
    assert never_links(against(person("कि", "शर्मा"), person("कु", "शर्मा")))


@pytest.mark.parametrize("deceiving", ["Іvan", "Ivаn", "Ivan\u0430"])
def test_letters_of_another_script_in_a_name_are_for_a_person_to_judge(deceiving: str) -> None:
    assert never_links(against(person(deceiving, "Petrov"), person("Ivan", "Petrov")))


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_whatever_is_written_matching_ends_well(one: str, middle: str, family: str) -> None:
    hostile = Identity(
        given=one, middle=middle, family=family, phone=one, address=family, zip=middle
    )

    assert not links_to(against(hostile, person("Ivo", "Cruz", **HOME)))
    against(hostile, hostile)


def _turned(day: dt.date) -> dt.date:
    return day.replace(month=day.day, day=day.month) if day.day <= 12 else day
