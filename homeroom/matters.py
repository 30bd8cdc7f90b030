"""What a holder may have on file for a ground other than consent: the kinds, and each kind's facts.

A steward enters a matter at the holder's node; policies read its facts and never a student. A fact
that is not stated is left out, and the policy reads that as a no.
"""

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from homeroom.errors import RequestInvalidError
from homeroom.vocabulary import Basis, Element

Facts = dict[str, Any]

_Words = Annotated[str, StringConstraints(min_length=1, max_length=500)]


def _each_once(elements: tuple[Element, ...]) -> tuple[Element, ...]:
    return tuple(sorted(set(elements)))


_Elements = Annotated[tuple[Element, ...], AfterValidator(_each_once)]


class MatterKind(StrEnum):
    """What a matter is about."""

    SCHOOL_OFFICIAL = "school_official"  # 34 CFR 99.31(a)(1)
    TRANSFER = "transfer"  # 99.31(a)(2), 99.34
    STUDY = "study"  # 99.31(a)(6)
    AUDIT = "audit"  # 99.31(a)(3), 99.35
    ORDER = "order"  # 99.31(a)(9)
    EMERGENCY = "emergency"  # 99.31(a)(10), 99.36
    CHILD_WELFARE = "child_welfare"  # 20 USC 1232g(b)(1)(L)
    DIRECTORY = "directory"  # 99.31(a)(11), 99.37
    DEIDENTIFICATION = "deidentification"  # 99.31(b)
    ACCESS = "access"  # 99.10
    IDEA = "idea"  # 34 CFR 300.622(b)


MATTER_OF_BASIS: Mapping[Basis, MatterKind] = {
    Basis.SCHOOL_OFFICIAL: MatterKind.SCHOOL_OFFICIAL,
    Basis.TRANSFER: MatterKind.TRANSFER,
    Basis.STUDIES: MatterKind.STUDY,
    Basis.AUDIT_EVALUATION: MatterKind.AUDIT,
    Basis.JUDICIAL_ORDER: MatterKind.ORDER,
    Basis.EMERGENCY: MatterKind.EMERGENCY,
    Basis.CHILD_WELFARE: MatterKind.CHILD_WELFARE,
    Basis.DIRECTORY_INFORMATION: MatterKind.DIRECTORY,
    Basis.DEIDENTIFIED: MatterKind.DEIDENTIFICATION,
    Basis.PARENT_OR_STUDENT_ACCESS: MatterKind.ACCESS,
}
"""What has to be on file for each ground; the others need nothing there."""

NAMES_STUDENTS = frozenset(
    {
        MatterKind.TRANSFER,
        MatterKind.ORDER,
        MatterKind.EMERGENCY,
        MatterKind.CHILD_WELFARE,
        MatterKind.ACCESS,
    }
)
"""The kinds that are about certain students, without whom they permit nothing."""


class MatterFacts(BaseModel):
    """The facts of one kind of matter."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    def told(self) -> Facts:
        """The facts as policies read them."""
        return self.model_dump(mode="json", exclude_none=True)

    def written(self) -> str:
        """All of the facts, as they are kept."""
        return self.model_dump_json(exclude_none=True)


class SchoolOfficialFacts(MatterFacts):
    """An outside party that does what the holder's own staff would otherwise do."""

    institutional_service: bool | None = None
    direct_control: bool | None = None
    bound_by_99_33a: bool | None = None
    meets_published_criteria: bool | None = None
    elements_needed: _Elements | None = None


class TransferFacts(MatterFacts):
    """A student goes to another school."""

    student_status: Literal["none", "seeks", "intends", "enrolled"] | None = None
    relates_to_enrollment: bool | None = None
    parent_initiated: bool | None = None
    notice_attempted_on: dt.date | None = None


class StudyFacts(MatterFacts):
    """A study for or on behalf of the holder."""

    aim: _Words | None = None
    on_behalf_of_holder: bool | None = None
    identifies_to_others: bool | None = None
    redisclosing_authority: bool | None = None


class AuditFacts(MatterFacts):
    """An audit or evaluation of an education program.

    `by_own_employees`: the requester is the state or local educational authority itself, whose own
    employees ask. It is a fact about the user and no part of what is told of the matter.
    """

    subject: _Words | None = None
    subject_is_education_program: bool | None = None
    publicly_supported: bool | None = None
    by_own_employees: bool = False

    def told(self) -> Facts:
        return self.model_dump(mode="json", exclude_none=True, exclude={"by_own_employees"})


class OrderFacts(MatterFacts):
    """A judicial order or a subpoena.

    `nondisclosure_until` is the last day of secrecy, where the order says one. It is for the
    holder's disclosure record; policies read only whether secrecy was ordered.
    """

    kind: _Words | None = None
    issued_by_court_or_lawful_authority: bool | None = None
    notice_effort_made: bool | None = None
    nondisclosure_ordered: bool | None = None
    nondisclosure_until: dt.date | None = None
    parent_is_party_in_dependency_case: bool | None = None

    def told(self) -> Facts:
        return self.model_dump(mode="json", exclude_none=True, exclude={"nondisclosure_until"})


class EmergencyFacts(MatterFacts):
    """A threat to someone's health or safety.

    `declared_by` and `threat` stay with the holder, for its disclosure record (99.32(a)(5)):
    policies read only that there is such a person, and such words.
    """

    declared_by: _Words | None = None
    threat: _Words | None = None
    articulable_and_significant: bool | None = None
    recipient_needs_to_know: bool | None = None
    elements_necessary: _Elements | None = None

    def told(self) -> Facts:
        kept = {"declared_by", "threat"}
        said = {"declared": bool(self.declared_by), "threat_recorded": bool(self.threat)}
        return said | self.model_dump(mode="json", exclude_none=True, exclude=kept)


class ChildWelfareFacts(MatterFacts):
    """An agency that is responsible for a child in foster care."""

    legally_responsible: bool | None = None
    may_access_case_plan: bool | None = None


class DirectoryFacts(MatterFacts):
    """A request for directory information; `match_key` is what pointed at a student, or none."""

    match_key: _Words | None = None


class DeidentificationFacts(MatterFacts):
    """The holder's determination that records without names identify nobody."""

    code_method: _Words | None = None
    code_rule_disclosed: bool | None = None
    for_education_research: bool | None = None
    requester_knows_identity: bool | None = None


class AccessFacts(MatterFacts):
    """A parent, or the student, asks to see the record.

    `person` is the name, to compare with court orders on file; policies never read it.
    """

    relation: Literal["parent", "eligible_student", "minor_student"] | None = None
    rights: _Words | None = None
    dependent_for_tax: bool | None = None
    person: _Words | None = None

    def told(self) -> Facts:
        return self.model_dump(mode="json", exclude_none=True, exclude={"person"})


class IdeaFacts(MatterFacts):
    """Whether one of the situations holds in which IDEA asks for consent beside the ground."""

    situation: Literal["none", "transition_services", "private_school_elsewhere"] | None = None


FACTS_OF_KIND: Mapping[MatterKind, type[MatterFacts]] = {
    MatterKind.SCHOOL_OFFICIAL: SchoolOfficialFacts,
    MatterKind.TRANSFER: TransferFacts,
    MatterKind.STUDY: StudyFacts,
    MatterKind.AUDIT: AuditFacts,
    MatterKind.ORDER: OrderFacts,
    MatterKind.EMERGENCY: EmergencyFacts,
    MatterKind.CHILD_WELFARE: ChildWelfareFacts,
    MatterKind.DIRECTORY: DirectoryFacts,
    MatterKind.DEIDENTIFICATION: DeidentificationFacts,
    MatterKind.ACCESS: AccessFacts,
    MatterKind.IDEA: IdeaFacts,
}


def matter_kind_named(name: str) -> MatterKind:
    """The kind of that name.

    Raises:
        RequestInvalidError: if there is none.
    """
    try:
        return MatterKind(name)
    except ValueError:
        raise RequestInvalidError("there is no such kind of matter", field="kind") from None


def read_facts(kind: MatterKind, written: str) -> MatterFacts:
    """The facts of a matter, from JSON.

    Raises:
        RequestInvalidError: naming the first fact that its kind does not have, or not so.
    """
    return _checked(lambda: FACTS_OF_KIND[kind].model_validate_json(written))


def facts_of_words(kind: MatterKind, words: Mapping[str, str]) -> MatterFacts:
    """The facts of a matter, each written as a word: `true`, a day, names with commas between.

    Raises:
        RequestInvalidError: naming the first fact that its kind does not have, or not so.
    """
    model = FACTS_OF_KIND[kind]
    values: Facts = {
        name: word.split(",") if _is_list(model, name) else word for name, word in words.items()
    }
    return _checked(lambda: model.model_validate(values, strict=False))


def _is_list(model: type[MatterFacts], name: str) -> bool:
    field = model.model_fields.get(name)
    return field is not None and _Elements in get_args(field.annotation)


def _checked(read: Any) -> MatterFacts:
    try:
        facts: MatterFacts = read()
    except ValidationError as wrong:
        problem = wrong.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, problem["loc"])) or "facts"
        raise RequestInvalidError(f"{place}: {problem['msg']}", field=place) from None
    return facts
