"""What Ed-Fi's words are in ours, whichever version they come from.

A word that is missing here stays as it is, so that the row rules refuse it, or tell of it, by the
name of its field; it never becomes a null in silence.
"""

from collections.abc import Mapping

from services.node.intake.edfi.items import Item

ATTENDANCE_CATEGORY = {
    "In Attendance": "in_attendance",
    "Present": "in_attendance",
    "Excused Absence": "excused_absence",
    "Unexcused Absence": "unexcused_absence",
    "Tardy": "tardy",
    "Early departure": "early_departure",
    "Partial": "partial",
}

GENDER = {"Female": "female", "Male": "male", "Non-binary": "nonbinary"}

RACE = {
    "American Indian - Alaska Native": "american_indian",
    "American Indian - Alaskan Native": "american_indian",
    "American Indian or Alaska Native": "american_indian",
    "Asian": "asian",
    "Black - African American": "black",
    "Black or African American": "black",
    "Native Hawaiian - Pacific Islander": "pacific_islander",
    "Native Hawaiian or Pacific Islander": "pacific_islander",
    "White": "white",
    "Middle Eastern or North African": "other",
    "Other": "other",
    "Choose Not to Respond": "declined",
}

_ORDINALS = (
    *("First", "Second", "Third", "Fourth", "Fifth", "Sixth"),
    *("Seventh", "Eighth", "Ninth", "Tenth", "Eleventh", "Twelfth"),
)
GRADE_LEVEL = {
    "Early Education": "PK",
    "Infant/toddler": "PK",
    "Preschool": "PK",
    "Prekindergarten": "PK",
    "Preschool/Prekindergarten": "PK",
    "Transitional Kindergarten": "KG",
    "Kindergarten": "KG",
    **{f"{word} grade": f"{grade:02}" for grade, word in enumerate(_ORDINALS, start=1)},
}

# Who once was an English learner and is monitored is none now.
ENGLISH_LEARNER = {
    "Limited": "true",
    "Limited Monitored 1": "false",
    "Limited Monitored 2": "false",
    "NotLimited": "false",
}

NIGHTTIME_RESIDENCE = {
    "Doubled-up": "doubled_up",
    "Hotels/motels": "hotel_motel",
    "Hotels/Motels": "hotel_motel",
    "Shelters": "shelter",
    "Unsheltered": "unsheltered",
}

LUNCH = {
    "Free": "free",
    "Reduced price": "reduced",
    "Full price": "full",
    "Free Breakfast": "free",
    "Free Lunch": "free",
    "Reduced Price Breakfast": "reduced",
    "Reduced Price Lunch": "reduced",
    "Full Price Breakfast": "full",
    "Full Price Lunch": "full",
}

_SCHOOL_LEVEL = {
    "Primary School": "elementary",
    "Elementary School": "elementary",
    "Middle School": "middle",
    "Junior High School": "middle",
    "Intermediate School": "middle",
    "High School": "high",
    "Secondary School": "high",
}


# The narrowest that has all grades of a school is its level.
_GRADES_OF_LEVEL = {
    "elementary": {"PK", "KG", "01", "02", "03", "04", "05", "06"},
    "middle": {"05", "06", "07", "08", "09"},
    "high": {"09", "10", "11", "12"},
    "k8": {"PK", "KG", "01", "02", "03", "04", "05", "06", "07", "08"},
}


def known(words: Mapping[str, str], word: str) -> str:
    """Our word for theirs; theirs, where we know none, for the row rules to tell of."""
    return words.get(word, word)


def action_type(discipline: Item) -> str:
    """What kind of action a discipline is; 1.0 describes it in words of its own."""
    words = discipline.word() or discipline.at("Description").text
    text = words.lower().replace("-", " ")
    if "expulsion" in text or "expelled" in text:
        return "expulsion"
    if "suspension" not in text and "suspended" not in text:
        return "other"
    return "in_school_suspension" if "in school" in text else "out_of_school_suspension"


def school_level(school: Item) -> str | None:
    """The level of a school, from its category or else from its grades."""
    for category in (
        *school.all("SchoolCategory"),
        *school.at("SchoolCategories").all("SchoolCategory"),
    ):
        if level := _SCHOOL_LEVEL.get(category.word()):
            return level
    grades = {GRADE_LEVEL.get(grade.word(), "") for grade in school.all("GradeLevel")} - {""}
    if not grades:
        return None
    return next((level for level, some in _GRADES_OF_LEVEL.items() if grades <= some), "other")


def races(item: Item) -> tuple[str | None, bool]:
    """The race codes of a student, and whether Hispanic or Latino stands among them."""
    said = [race.word("RacialCategory") or race.word() for race in item.all("Race")]
    codes = sorted({known(RACE, word) for word in said} - {"", "Hispanic or Latino"})
    return ";".join(codes) or None, "Hispanic or Latino" in said
