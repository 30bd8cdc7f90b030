"""Makes rows of the records of OneRoster's objects, each resolved by the others.

A student at two schools may be two users there: users are one student by their `identifier`, never
by their `sourcedId`.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from services.node.intake.oneroster.package import USER_ID

Object = Mapping[str, str]
Objects = Mapping[str, Mapping[str, Object]]

_RACES = {
    "americanIndianOrAlaskaNative": "american_indian",
    "asian": "asian",
    "blackOrAfricanAmerican": "black",
    "nativeHawaiianOrOtherPacificIslander": "pacific_islander",
    "white": "white",
}
_SEX = {"male": "male", "female": "female", "unspecified": ""}
_GRADES = {
    **{str(grade): f"{grade:02}" for grade in range(1, 13)},
    **dict.fromkeys(("PR", "PK", "IT"), "PK"),
    **dict.fromkeys(("KG", "TK", "K"), "KG"),
}
_AGENTS = frozenset({"guardian", "parent", "relative"})


class RosterRow(NamedTuple):
    """The texts of one row, and the object that it is of."""

    table: str
    entity: str
    object_id: str
    texts: dict[str, str]


class Unresolved(NamedTuple):
    """An object that names another which is not there."""

    table: str
    entity: str
    object_id: str
    field: str
    reason: str


class Roster:
    """All objects of one source."""

    def __init__(self, objects: Objects) -> None:
        self._of = {entity: objects.get(entity, {}) for entity in _ENTITIES}

    def rows(self) -> Iterator[RosterRow | Unresolved]:
        """The rows: schools and students first."""
        yield from self._schools()
        yield from self._sessions()
        yield from self._students()
        yield from self._guardians()
        yield from self.spells()
        yield from self._grades()

    def spells(self) -> Iterator[RosterRow | Unresolved]:
        """The rows of roles and of class enrollments."""
        yield from self._enrollments()
        yield from self._sections()

    def _schools(self) -> Iterator[RosterRow]:
        for object_id, org in self._of["orgs"].items():
            if org.get("type", "").lower() == "school":
                texts = {"school_id": object_id, "name": org.get("name", "")}
                yield RosterRow("school", "orgs", object_id, texts)

    def _sessions(self) -> Iterator[RosterRow]:
        told = set()
        for of_class in self._of["classes"].values():
            school_id = of_class.get("schoolSourcedId", "")
            for term in _list(of_class.get("termSourcedIds", "")):
                session = self._of["academicSessions"].get(term)
                if session is None or (school_id, term) in told:
                    continue
                told.add((school_id, term))
                texts = {
                    "school_id": school_id,
                    "session_name": session.get("title", ""),
                    "school_year": _year(session.get("schoolYear", "")),
                    "begin_date": session.get("startDate", ""),
                    "end_date": session.get("endDate", ""),
                }
                yield RosterRow("session", "academicSessions", term, texts)

    def _students(self) -> Iterator[RosterRow]:
        for object_id, user in self._of["users"].items():
            if object_id not in self._student_ids:
                continue
            ids = dict(_user_ids(user))
            schools = _list(user.get("orgSourcedIds", ""))
            only_school = schools[0] if len(schools) == 1 else ""
            texts = {
                "student_id": self._student_ids[object_id],
                "state_id": next((i for kind, i in ids.items() if "state" in kind.lower()), ""),
                "given_name": user.get("givenName", ""),
                "middle_name": user.get("middleName", ""),
                "family_name": user.get("familyName", ""),
                "grade_level": _grade(user.get("grades", "")),
                "school_id": user.get("primaryOrgSourcedId", "") or only_school,
                **_demographics(self._of["demographics"].get(object_id, {})),
            }
            yield RosterRow("student", "users", object_id, texts)

    @cached_property
    def _student_ids(self) -> dict[str, str]:
        """The student's id of each user who is one."""
        by_role = {
            role.get("userSourcedId", "")
            for role in self._of["roles"].values()
            if role.get("role", "").lower() == "student"
        }
        found = {}
        for object_id, user in self._of["users"].items():
            if user.get("role", "").lower() == "student" or object_id in by_role:
                own = next((i for kind, i in _user_ids(user) if "local" in kind.lower()), "")
                found[object_id] = user.get("identifier", "") or own or object_id
        return found

    def _guardians(self) -> Iterator[RosterRow]:
        roles = {r.get("userSourcedId", ""): r for r in self._of["roles"].values()}
        for object_id, student_id in self._student_ids.items():
            for agent_id in _list(self._of["users"][object_id].get("agentSourcedIds", "")):
                agent = self._of["users"].get(agent_id)
                if agent is None:
                    continue
                relation = (agent.get("role") or roles.get(agent_id, {}).get("role", "")).lower()
                if relation in _AGENTS:
                    texts = {
                        "student_id": student_id,
                        "guardian_id": agent.get("identifier", "") or agent_id,
                        "relation": relation,
                        "given_name": agent.get("givenName", ""),
                        "family_name": agent.get("familyName", ""),
                    }
                    yield RosterRow("guardian", "users", object_id, texts)

    def _enrollments(self) -> Iterator[RosterRow | Unresolved]:
        year = self._school_year_start
        for object_id, role in self._of["roles"].items():
            if role.get("role", "").lower() != "student":
                continue
            user_id, school_id = role.get("userSourcedId", ""), role.get("orgSourcedId", "")
            if self._of["orgs"].get(school_id, {}).get("type", "").lower() != "school":
                if school_id not in self._of["orgs"]:
                    yield Unresolved("enrollment", "roles", object_id, "orgSourcedId", _NO_ORG)
                continue
            entry_date = role.get("beginDate", "") or year
            if not entry_date:
                continue  # it says where the student is, but not since when: that is no spell
            texts = {
                "student_id": self._student_ids.get(user_id, user_id),
                "school_id": school_id,
                "entry_date": entry_date,
                "exit_date": role.get("endDate", ""),
                "primary_school": str(role.get("roleType", "primary").lower() == "primary"),
                "entry_grade_level": _grade(self._of["users"].get(user_id, {}).get("grades", "")),
            }
            yield RosterRow("enrollment", "roles", object_id, texts)

    def _sections(self) -> Iterator[RosterRow | Unresolved]:
        for object_id, enrollment in self._of["enrollments"].items():
            if enrollment.get("role", "").lower() != "student":
                continue
            class_id = enrollment.get("classSourcedId", "")
            if class_id not in self._of["classes"]:
                yield Unresolved(
                    "section_enrollment", "enrollments", object_id, "classSourcedId", _NO_CLASS
                )
                continue
            user_id = enrollment.get("userSourcedId", "")
            texts = {
                "student_id": self._student_ids.get(user_id, user_id),
                "begin_date": enrollment.get("beginDate", "") or self._class_begins(class_id),
                "end_date": enrollment.get("endDate", ""),
                **self._section(class_id),
            }
            yield RosterRow("section_enrollment", "enrollments", object_id, texts)

    def _section(self, class_id: str) -> dict[str, str]:
        of_class = self._of["classes"][class_id]
        course = self._of["courses"].get(of_class.get("courseSourcedId", ""), {})
        return {
            "section_id": class_id,
            "school_id": of_class.get("schoolSourcedId", ""),
            "course_code": course.get("courseCode", "") or of_class.get("courseSourcedId", ""),
            "course_title": course.get("title", "") or of_class.get("title", ""),
        }

    def _class_begins(self, class_id: str) -> str:
        terms = _list(self._of["classes"][class_id].get("termSourcedIds", ""))
        sessions = [self._of["academicSessions"].get(term, {}) for term in terms]
        starts = [s["startDate"] for s in sessions if s.get("startDate")]
        return min(starts, default=self._school_year_start)

    @cached_property
    def _school_year_start(self) -> str:
        starts = [
            s["startDate"]
            for s in self._of["academicSessions"].values()
            if s.get("type", "").lower() == "schoolyear" and s.get("startDate")
        ]
        return max(starts, default="")

    def _grades(self) -> Iterator[RosterRow | Unresolved]:
        for object_id, result in self._of["results"].items():
            item = self._of["lineItems"].get(result.get("lineItemSourcedId", ""), {})
            class_id = item.get("classSourcedId", "")
            if class_id not in self._of["classes"]:
                yield Unresolved(
                    "course_grade", "results", object_id, "lineItemSourcedId", _NO_CLASS
                )
                continue
            section = self._section(class_id)
            user_id, score = result.get("studentSourcedId", ""), result.get("score", "")
            texts = {
                "student_id": self._student_ids.get(user_id, user_id),
                "school_id": section["school_id"],
                "course_code": section["course_code"],
                "course_title": section["course_title"],
                "term": result.get("lineItemSourcedId", ""),
                "grade_kind": "gradebook",
                "numeric_grade": score,
            }
            yield RosterRow("course_grade", "results", object_id, texts)


_ENTITIES = (
    *("orgs", "academicSessions", "courses", "classes", "users", "roles"),
    *("demographics", "enrollments", "lineItems", "results"),
)
_NO_CLASS = "names no class"
_NO_ORG = "names no organization"


def _user_ids(user: Object) -> Iterator[tuple[str, str]]:
    for kind, text in USER_ID.findall(user.get("userIds", "")):
        yield kind.strip(), text.strip()


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _year(text: str) -> str:
    """The year in which a school year ends: real files write both."""
    return re.sub(r"^\d{4}\s*[-/]\s*", "", text.strip())


def _grade(text: str) -> str:
    grades = [_GRADES.get(part.lstrip("0").upper(), part) for part in _list(text)]
    order = [g for g in _ORDER if g in grades]
    return order[-1] if order else (grades[0] if grades else "")


_ORDER = ("PK", "KG", *(f"{grade:02}" for grade in range(1, 13)))


def _demographics(told: Object) -> dict[str, str]:
    races = sorted(word for flag, word in _RACES.items() if told.get(flag, "").lower() == "true")
    if not races and told.get("demographicRaceTwoOrMoreRaces", "").lower() == "true":
        races = ["multiple"]
    sex = told.get("sex", "").lower()
    return {
        "birth_date": told.get("birthDate", ""),
        "gender": _SEX.get(sex, sex),
        "races": ";".join(races),
        "hispanic": told.get("hispanicOrLatinoEthnicity", ""),
    }
