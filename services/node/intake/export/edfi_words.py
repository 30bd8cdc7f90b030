"""What our words are in Ed-Fi's newest version, as its descriptors say them."""

from collections.abc import Mapping

GRADE_LEVEL: Mapping[str, str] = {
    "PK": "Preschool/Prekindergarten",
    "KG": "Kindergarten",
    **{
        f"{grade:02}": f"{word} grade"
        for grade, word in enumerate(
            (
                *("First", "Second", "Third", "Fourth", "Fifth", "Sixth"),
                *("Seventh", "Eighth", "Ninth", "Tenth", "Eleventh", "Twelfth"),
            ),
            start=1,
        )
    },
}
GENDER = {"female": "Female", "male": "Male", "nonbinary": "Non-binary"}
RACE = {
    "american_indian": "American Indian - Alaska Native",
    "asian": "Asian",
    "black": "Black - African American",
    "pacific_islander": "Native Hawaiian - Pacific Islander",
    "white": "White",
    "other": "Other",
    "declined": "Choose Not to Respond",
}
ENGLISH_LEARNER = {True: "Limited", False: "NotLimited"}
ATTENDANCE_CATEGORY = {
    "in_attendance": "In Attendance",
    "excused_absence": "Excused Absence",
    "unexcused_absence": "Unexcused Absence",
    "tardy": "Tardy",
    "early_departure": "Early departure",
    "partial": "Partial",
}
DISCIPLINE = {
    "in_school_suspension": "In School Suspension",
    "out_of_school_suspension": "Out of School Suspension",
    "expulsion": "Expulsion",
    "other": "Other",
}
CHARACTERISTIC = {
    "homeless": "Homeless",
    "foster_care": "Foster Care",
    "economic_disadvantage": "Economic Disadvantaged",
    "migrant": "Migrant",
    "immigrant": "Immigrant",
    "military_connected": "Parent in Military",
    "runaway": "Runaway",
    "section_504": "Section 504 Handicapped",
}
SCHOOL_CATEGORY = {
    "elementary": "Elementary School",
    "middle": "Middle School",
    "high": "High School",
}
GRADES_OF_SCHOOL = {
    "k8": ("KG", "01", "02", "03", "04", "05", "06", "07", "08"),
    "other": tuple(GRADE_LEVEL),
}


def descriptor(name: str, value: str | None) -> str | None:
    """A value as Ed-Fi codes it; one that would not be read back from its code stays as it is."""
    if not value or "#" in value:
        return value
    return f"uri://ed-fi.org/{name}Descriptor#{value}"
