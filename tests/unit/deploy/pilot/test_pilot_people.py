"""The students are like those of a city, with the children who are hard to tell apart."""

from collections import Counter, defaultdict
from datetime import date

from tests.unit.deploy.pilot.pilot_folder import Pilot


def test_shares_are_those_of_a_city(pilot: Pilot) -> None:
    students = pilot.district_students()
    bands = {
        "homeless": (0.03, 0.075),
        "english_learner": (0.21, 0.29),
        "special_education": (0.15, 0.21),
        "hispanic": (0.31, 0.45),
        "foster_care": (0.002, 0.02),
    }
    for column, (low, high) in bands.items():
        assert low <= sum(r[column] == "true" for r in students) / len(students) <= high, column
    poor = sum(row["lunch_eligibility"] != "full" for row in students) / len(students)
    assert 0.55 <= poor <= 0.66
    two_races = sum(";" in row["races"] for row in students) / len(students)
    assert 0.03 <= two_races <= 0.15
    nights = Counter(row["nighttime_residence"] for row in students if row["homeless"] == "true")
    assert nights.most_common(1)[0][0] == "doubled_up"
    assert "" not in nights
    assert all(row["races"] == ";".join(sorted(row["races"].split(";"))) for row in students)


def test_birth_dates_fit_grades(pilot: Pilot) -> None:
    for row in pilot.district_students():
        grade = {"PK": -1, "KG": 0}.get(row["grade_level"])
        grade = int(row["grade_level"]) if grade is None else grade
        born = date.fromisoformat(row["birth_date"])
        age = 2025 - born.year - ((born.month, born.day) > (9, 1))
        assert 0 <= age - (5 + grade) <= 1, row["grade_level"]


def test_twins_siblings_leap_days_and_students_without_state_id_are_there(pilot: Pilot) -> None:
    students = pilot.district_students()
    families = defaultdict(list)
    for row in students:
        families[row["family_name"], row["birth_date"]].append(row)
    pairs = [
        rows
        for rows in families.values()
        if len({row["given_name"] for row in rows}) > 1 and len({r["state_id"] for r in rows}) > 1
    ]

    genders = [len({row["gender"] for row in rows}) for rows in pairs]
    assert genders.count(1) >= 5
    assert genders.count(2) >= 5
    assert sum(row["birth_date"].endswith("-02-29") for row in students) >= 3
    assert 3 <= sum(not row["state_id"] for row in students) <= 40
    # Who was born between these days turns eighteen in the school year.
    turning = [r for r in students if "2007-09-01" <= r["birth_date"] <= "2008-06-30"]
    assert len(turning) > 30


def test_names_are_those_of_many_languages(pilot: Pilot) -> None:
    students = pilot.district_students()
    names = [f"{row['given_name']} {row['family_name']}" for row in students]

    assert sum(not name.isascii() for name in names) / len(names) > 0.25
    assert sum(" " in row["family_name"] for row in students) > 100
    assert sum("-" in row["family_name"] for row in students) > 30
    assert sum("'" in name for name in names) > 10
    assert {"Nguyễn", "Évora", "Jean-Baptiste"} <= {row["family_name"] for row in students}


def test_community_organizations_spell_some_names_their_own_way(pilot: Pilot) -> None:
    """Most participants match a district's student by name and birth date, not all."""
    known = {
        (row["given_name"], row["family_name"], row["birth_date"])
        for row in pilot.district_students()
    }
    rows = pilot.rows("neighborhood_initiative", "student")
    same = sum((r["given_name"], r["family_name"], r["birth_date"]) in known for r in rows)

    assert 1_150 <= len(rows) <= 1_380
    assert 0.85 <= same / len(rows) < 0.99
    assert not any(row["state_id"] for row in rows)
