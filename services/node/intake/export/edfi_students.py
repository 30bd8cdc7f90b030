"""Makes the two Ed-Fi objects of a student: who it is, and what a district says of it."""

from collections.abc import Iterable
from typing import Any

from services.node.intake.export import edfi_words as words
from services.node.intake.export.edfi_objects import EdFiObject, Row
from services.node.intake.export.edfi_words import descriptor

_FLAGS = ("homeless", "foster_care")


def student_object(row: Row) -> EdFiObject:
    """The student, by name and birth date."""
    return EdFiObject(
        "students",
        {
            "studentUniqueId": row["student_id"],
            "firstName": row["given_name"],
            "middleName": row["middle_name"],
            "lastSurname": row["family_name"],
            "birthDate": row["birth_date"],
        },
    )


def association_object(row: Row, statuses: Iterable[Row]) -> EdFiObject:
    """What the district says of the student, and what is or was so for a time."""
    races = [words.RACE[race] for race in (row["races"] or "").split(";") if race in words.RACE]
    characteristics, others = _statuses(row, statuses)
    content: dict[str, Any] = {
        "studentReference": {"studentUniqueId": row["student_id"]},
        "educationOrganizationReference": {"educationOrganizationId": row["school_id"]},
        "sexDescriptor": descriptor("Sex", words.GENDER.get(row["gender"])),
        "races": [{"raceDescriptor": descriptor("Race", race)} for race in races],
        "hispanicLatinoEthnicity": row["hispanic"],
        "limitedEnglishProficiencyDescriptor": descriptor(
            "LimitedEnglishProficiency", words.ENGLISH_LEARNER.get(row["english_learner"])
        ),
        "studentIdentificationCodes": _state_id(row),
        "studentCharacteristics": characteristics,
        "addresses": _address(row),
        "telephones": [{"telephoneNumber": row["phone"]}] if row["phone"] else [],
        "electronicMails": [{"electronicMailAddress": row["email"]}] if row["email"] else [],
    }
    if others:
        content["_ext"] = {"homeroom": {"statuses": others}}
    return EdFiObject("studentEducationOrganizationAssociations", content)


def _statuses(row: Row, statuses: Iterable[Row]) -> tuple[list[dict[str, Any]], list[Any]]:
    """Characteristics with their periods, and the statuses that Ed-Fi has no such word for."""
    periods: dict[str, list[dict[str, Any]]] = {}
    others = []
    for status in statuses:
        word = words.CHARACTERISTIC.get(status["status"])
        if word and not status["detail"]:
            ends = {"endDate": status["end_date"]} if status["end_date"] else {}
            periods.setdefault(word, []).append({"beginDate": status["begin_date"], **ends})
        else:
            kept = ("status", "begin_date", "end_date", "detail")
            others.append({name: status[name] for name in kept})
    for flag in _FLAGS:
        if row[flag]:
            periods.setdefault(words.CHARACTERISTIC[flag], [])
    characteristics = [
        {"studentCharacteristicDescriptor": descriptor("StudentCharacteristic", word)}
        | ({"periods": some} if some else {})
        for word, some in periods.items()
    ]
    return characteristics, others


def _state_id(row: Row) -> list[dict[str, Any]]:
    if not row["state_id"]:
        return []
    system = descriptor("StudentIdentificationSystem", "State")
    return [
        {
            "identificationCode": row["state_id"],
            "studentIdentificationSystemDescriptor": system,
            "assigningOrganizationIdentificationCode": "State",
        }
    ]


def _address(row: Row) -> list[dict[str, Any]]:
    address = {
        "streetNumberName": row["street_address"],
        "city": row["city"],
        "stateAbbreviationDescriptor": descriptor("StateAbbreviation", row["state"]),
        "postalCode": row["postal_code"],
    }
    if not any(address.values()):
        return []
    home = {"addressTypeDescriptor": descriptor("AddressType", "Home")}
    return [home | {name: value for name, value in address.items() if value}]
