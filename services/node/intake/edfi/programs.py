"""Makes rows of the programs a student takes part in, and of the statuses that they give."""

from collections.abc import Iterator

from services.node.intake.edfi import vocabulary
from services.node.intake.edfi.items import OWN, Item, texts_of
from services.node.intake.edfi.lookups import Lookups
from services.node.intake.edfi.places import student_of
from services.node.intake.edfi.row import Row

_STATUS_OF_PROGRAM = {
    "StudentHomelessProgramAssociation": "homeless",
    "StudentSpecialEducationProgramAssociation": "special_education",
    "StudentSection504ProgramAssociation": "section_504",
    "StudentMigrantEducationProgramAssociation": "migrant",
}
_STATUS_OF_CHARACTERISTIC = {
    "Homeless": "homeless",
    "Foster Care": "foster_care",
    "Economic Disadvantaged": "economic_disadvantage",
    "Migrant": "migrant",
    "Immigrant": "immigrant",
    "Parent in Military": "military_connected",
    "Runaway": "runaway",
    "Section 504 Handicapped": "section_504",
}


def student_statuses(item: Item, _lookups: Lookups) -> Iterator[Row]:
    """The periods of what is so of a student; a characteristic without a first day has none."""
    student_id = item.at("StudentUniqueId").text or student_of(item)
    for told in item.at(OWN).all("statuses"):
        yield Row("student_status", {"student_id": student_id, **texts_of(told.children)})
    for characteristic in item.all("StudentCharacteristic"):
        word = characteristic.word("Characteristic") or characteristic.word()
        status = _STATUS_OF_CHARACTERISTIC.get(word)
        for period in characteristic.all("Period") or [characteristic]:
            begin_date = period.at("BeginDate").text
            if status and begin_date:
                yield _status(student_id, status, begin_date, period.at("EndDate").text)


def _status(student_id: str, status: str, begin: str, end: str, detail: str = "") -> Row:
    texts = {"student_id": student_id, "status": status, "begin_date": begin, "end_date": end}
    return Row("student_status", texts | {"detail": detail})


def program_participation(item: Item, lookups: Lookups) -> Iterator[Row]:
    """The row of a student's association with a program, of any type, and the status it gives."""
    if (status := _STATUS_OF_PROGRAM.get(item.name)) and item.at("IdeaEligibility").text not in {
        "0",
        "false",
    }:
        residence = item.word("HomelessPrimaryNighttimeResidence")
        detail = vocabulary.known(vocabulary.NIGHTTIME_RESIDENCE, residence)
        begin, end = item.at("BeginDate").text, item.at("EndDate").text
        yield _status(student_of(item), status, begin, end, detail)
    program_name, program_type = _program_of(item, lookups)
    yield Row(
        "program_participation",
        {
            "student_id": student_of(item),
            "program_name": program_name,
            "program_type": program_type or "Other",
            "begin_date": item.at("BeginDate").text,
            "end_date": item.at("EndDate").text,
        },
    )


def service_event(item: Item, lookups: Lookups) -> Iterator[Row]:
    """The row of a day on which a program served a student; days of absence are none."""
    if vocabulary.ATTENDANCE_CATEGORY.get(item.word("AttendanceEventCategory")) not in {
        "in_attendance",
        "tardy",
        "early_departure",
        "partial",
    }:
        return
    minutes = item.at("ProgramAttendanceDuration").text
    yield Row(
        "service_event",
        {
            "student_id": student_of(item),
            "service_name": _program_of(item, lookups)[0],
            "service_date": item.at("EventDate").text,
            "hours": str(int(minutes) / 60) if minutes.isdecimal() else None,
        },
    )


def _program_of(item: Item, lookups: Lookups) -> tuple[str, str]:
    named = item.at("ProgramReference")
    name, kind = lookups.programs.get(named.at("ProgramId").text, (named.at("ProgramId").text, ""))
    return named.at("ProgramName").text or name, named.word("ProgramType") or kind
