"""The datasets of what schools and programs record: rows of one kind each."""

from homeroom.catalog.shape import Column, Dataset, ValueKind
from homeroom.vocabulary import Element

_TEXT, _DATE, _NUMBER, _BOOLEAN = (
    ValueKind.TEXT,
    ValueKind.DATE,
    ValueKind.NUMBER,
    ValueKind.BOOLEAN,
)

_AS_OF = "as of the last day asked for, else today"

RECORDS: tuple[Dataset, ...] = (
    Dataset(
        "students",
        "Who a student is now, and the student's statuses",
        None,
        (
            Column("given_name", Element.NAME, _TEXT, "000115"),
            Column("middle_name", Element.NAME, _TEXT, "000184"),
            Column("family_name", Element.NAME, _TEXT, "000172"),
            Column("birth_date", Element.DATE_OF_BIRTH, _DATE, "000033"),
            Column("student_number", Element.STUDENT_NUMBER, _TEXT, "001071"),
            Column("gender", Element.GENDER, _TEXT, "000255", "female, male, nonbinary"),
            Column("races", Element.RACE_ETHNICITY, _TEXT, "001943", "sorted, joined by ';'"),
            Column("hispanic", Element.RACE_ETHNICITY, _BOOLEAN, "000144"),
            Column("grade_level", Element.GRADE_LEVEL, _TEXT, "000100", "PK, KG, 01 to 12"),
            Column("english_learner", Element.EL_STATUS, _BOOLEAN, "000180", _AS_OF),
            Column("special_education", Element.SPED_STATUS, _BOOLEAN, "000151", _AS_OF),
            Column("homeless", Element.HOMELESS_STATUS, _BOOLEAN, "000149", _AS_OF),
            Column(
                "nighttime_residence",
                Element.LIVING_SITUATION,
                _TEXT,
                "000146",
                f"doubled_up, hotel_motel, shelter, unsheltered; {_AS_OF}",
            ),
            Column("foster_care", Element.FOSTER_STATUS, _BOOLEAN, "", _AS_OF),
            Column(
                "lunch_eligibility",
                Element.FREE_REDUCED_LUNCH_STATUS,
                _TEXT,
                "000092",
                "free, reduced, full",
            ),
            Column("household_income", Element.HOUSEHOLD_INCOME, _NUMBER, "", "dollars a year"),
            Column("school_id", Element.SCHOOL_OF_ENROLLMENT, _TEXT, "001069"),
            Column(
                "enrollment_status",
                Element.ENROLLMENT_STATUS,
                _TEXT,
                "",
                "enrolled, else how the newest spell at a school ended",
            ),
            Column("graduated", Element.GRADUATION_STATUS, _BOOLEAN, "000081", "newest spell"),
            Column("street_address", Element.ADDRESS, _TEXT, "000269"),
            Column("city", Element.ADDRESS, _TEXT, "000040"),
            Column("state", Element.ADDRESS, _TEXT, "000267", "two letters"),
            Column("postal_code", Element.ADDRESS, _TEXT, "000214"),
            Column("phone", Element.PHONE, _TEXT, "000279"),
            Column("email", Element.EMAIL, _TEXT, "000088"),
            Column("photo", Element.PHOTO, _TEXT, "", "where the picture is kept"),
        ),
    ),
    Dataset(
        "enrollments",
        "A student's spells at schools",
        Element.DATES_OF_ATTENDANCE,
        (
            Column("school_id", Element.SCHOOL_OF_ENROLLMENT, _TEXT, "001069"),
            Column("entry_date", Element.DATES_OF_ATTENDANCE, _DATE, "000097"),
            Column("exit_date", Element.DATES_OF_ATTENDANCE, _DATE, "000107"),
            Column("entry_grade_level", Element.GRADE_LEVEL, _TEXT, "000100"),
            Column("exit_type", Element.ENROLLMENT_STATUS, _TEXT, "000110"),
            Column("graduated", Element.GRADUATION_STATUS, _BOOLEAN, "000081"),
        ),
    ),
    Dataset(
        "attendance",
        "Daily attendance events; in some schools every day, in others exceptions only",
        Element.DAILY_ATTENDANCE,
        (
            Column("school_id", Element.SCHOOL_OF_ENROLLMENT, _TEXT, "001069"),
            Column("event_date", Element.DAILY_ATTENDANCE, _DATE, "001649"),
            Column(
                "category",
                Element.DAILY_ATTENDANCE,
                _TEXT,
                "000076",
                "in_attendance, excused_absence, unexcused_absence, tardy, early_departure, "
                "partial",
            ),
            Column("duration_days", Element.DAILY_ATTENDANCE, _NUMBER, "002098", "days"),
        ),
    ),
    Dataset(
        "suspensions",
        "Removals from class or school for less than the rest of the year",
        Element.SUSPENSIONS,
        (
            Column("school_id", Element.SCHOOL_OF_ENROLLMENT, _TEXT, "001069"),
            Column("action_date", Element.SUSPENSIONS, _DATE, "000083"),
            Column(
                "suspension_type", Element.SUSPENSIONS, _TEXT, "000488", "in_school, out_of_school"
            ),
            Column("days", Element.SUSPENSIONS, _NUMBER, "000511", "actual, else planned, days"),
        ),
    ),
    Dataset(
        "expulsions",
        "Removals from school for the rest of the year or longer",
        Element.EXPULSIONS,
        (
            Column("school_id", Element.SCHOOL_OF_ENROLLMENT, _TEXT, "001069"),
            Column("action_date", Element.EXPULSIONS, _DATE, "000083"),
            Column("days", Element.EXPULSIONS, _NUMBER, "000511", "actual, else planned, days"),
        ),
    ),
    Dataset(
        "discipline_incidents",
        "Incidents in which a student was an offender; never victims or witnesses",
        Element.DISCIPLINE_INCIDENT_DETAIL,
        (
            Column("school_id", Element.SCHOOL_OF_ENROLLMENT, _TEXT, "001069"),
            Column("incident_date", Element.DISCIPLINE_INCIDENT_DETAIL, _DATE, "000502"),
            Column("behavior", Element.DISCIPLINE_INCIDENT_DETAIL, _TEXT, "000509"),
        ),
    ),
    Dataset(
        "course_enrollments",
        "The sections a student takes",
        Element.COURSE_ENROLLMENT,
        (
            Column("school_id", Element.SCHOOL_OF_ENROLLMENT, _TEXT, "001069"),
            Column("course_title", Element.COURSE_ENROLLMENT, _TEXT, "000067"),
            Column("section_id", Element.COURSE_ENROLLMENT, _TEXT, "000978"),
            Column("begin_date", Element.COURSE_ENROLLMENT, _DATE, "000974"),
            Column("end_date", Element.COURSE_ENROLLMENT, _DATE, "000975"),
        ),
    ),
    Dataset(
        "course_grades",
        "Final grades by course and term",
        Element.COURSE_GRADES,
        (
            Column("school_id", Element.SCHOOL_OF_ENROLLMENT, _TEXT, "001069"),
            Column("course_title", Element.COURSE_ENROLLMENT, _TEXT, "000067"),
            Column("term", Element.COURSE_ENROLLMENT, _TEXT, ""),
            Column("letter_grade", Element.COURSE_GRADES, _TEXT, "000124"),
            Column("numeric_grade", Element.COURSE_GRADES, _NUMBER, "000124"),
            Column("credits_earned", Element.COURSE_GRADES, _NUMBER, "000200"),
        ),
    ),
    Dataset(
        "assessments",
        "Results of tests",
        Element.TEST_SCORES,
        (
            Column("assessment_title", Element.TEST_SCORES, _TEXT, "000028"),
            Column("administration_date", Element.TEST_SCORES, _DATE, ""),
            Column("subject", Element.TEST_SCORES, _TEXT, "000021"),
            Column("score", Element.TEST_SCORES, _TEXT, "000245"),
            Column("score_metric", Element.TEST_SCORES, _TEXT, "000369"),
            Column("performance_level", Element.TEST_SCORES, _TEXT, "000718"),
        ),
    ),
    Dataset(
        "programs",
        "Programs a student takes part in",
        Element.PROGRAM_PARTICIPATION,
        (
            Column("program_name", Element.PROGRAM_PARTICIPATION, _TEXT, "000626"),
            Column("program_type", Element.PROGRAM_PARTICIPATION, _TEXT, "000225"),
            Column("begin_date", Element.PROGRAM_PARTICIPATION, _DATE, "000590"),
            Column("end_date", Element.PROGRAM_PARTICIPATION, _DATE, "000591"),
        ),
    ),
    Dataset(
        "services",
        "Days on which a student was served by a program",
        Element.PROGRAM_ATTENDANCE,
        (
            Column("service_name", Element.PROGRAM_ATTENDANCE, _TEXT, ""),
            Column("service_date", Element.PROGRAM_ATTENDANCE, _DATE, ""),
            Column("hours", Element.PROGRAM_ATTENDANCE, _NUMBER, "", "hours"),
        ),
    ),
)
