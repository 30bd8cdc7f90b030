"""What a document has to settle, and how a steward's file becomes one."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from homeroom.agreement import AgreementDocument, Clauses
from homeroom.agreement.file import (
    blanks_of,
    compile_agreement,
    read_draft,
    template_of,
    with_keys_of,
)
from homeroom.agreement.mandatory import advised_terms, missing_terms
from homeroom.agreement.outline import is_draft
from homeroom.agreement.terms import AgreementTerm
from homeroom.errors import RequestInvalidError
from homeroom.federation import FederationState
from homeroom.histories import Histories
from homeroom.vocabulary import AgreementKind
from tests.histories import signed_by_all
from tests.organizations import Member, document_of
from tests.unit.node import federation as small

TODAY = dt.date(2026, 11, 22)
EXAMPLE = Path("docs/examples/school-year-agreement.yaml").read_text()
Said = dict[str, Any]


def template(kind: AgreementKind) -> Said:
    written = template_of(kind, TODAY).replace("TO WRITE: ", "")
    said = yaml.safe_load(written)
    assert isinstance(said, dict)
    return said


def federation(*names: str) -> FederationState:
    return small.federation(*(small.organization(Member.new(name)) for name in names))


def missing(said: Said) -> list[str]:
    document = read_draft(yaml.safe_dump(said))
    return [term.field for term in missing_terms(document)]


@pytest.mark.parametrize("kind", AgreementKind)
def test_a_template_has_every_term_that_its_kind_has_to_have(kind: AgreementKind) -> None:
    document = read_draft(template_of(kind, TODAY))

    assert document.kind is kind
    assert missing_terms(document) == advised_terms(document) == ()
    assert (document.effective_from, document.effective_to) == (
        dt.date(2026, 8, 1),
        dt.date(2027, 7, 31),
    )
    assert list(blanks_of(document))


@pytest.mark.parametrize(
    ("day", "first"), [((2027, 7, 31), 2026), ((2027, 8, 1), 2027), ((2027, 1, 1), 2026)]
)
def test_a_template_is_for_the_school_year_that_ends_next(
    day: tuple[int, int, int], first: int
) -> None:
    document = read_draft(template_of(AgreementKind.STUDY, dt.date(*day)))

    assert document.effective_from == dt.date(first, 8, 1)


@pytest.mark.parametrize("kind", AgreementKind)
def test_a_template_compiles_once_its_blanks_are_written(kind: AgreementKind) -> None:
    said = template(kind)
    state = federation(*said["parties"])

    with pytest.raises(RequestInvalidError, match="still to be written: title"):
        compile_agreement(template_of(kind, TODAY), state)
    document = compile_agreement(yaml.safe_dump(said), state)

    assert {p.legal_name for p in document.parties} == {name.title() for name in said["parties"]}
    assert AgreementDocument.parse(document.encode()) == document


def _without(*path: str) -> Callable[[Said], None]:
    def take(said: Said) -> None:
        for name in path[:-1]:
            said = said[name]
        del said[path[-1]]

    return take


def _set(value: Any, *path: str) -> Callable[[Said], None]:
    def put(said: Said) -> None:
        for name in path[:-1]:
            said = said[name]
        said[path[-1]] = value

    return put


@pytest.mark.parametrize(
    ("kind", "change", "field"),
    [
        ("study", _without("clauses", "use_only_for_purpose"), "clauses.use_only_for_purpose"),
        (
            "study",
            _without("clauses", "no_identification_by_others"),
            "clauses.no_identification_by_others",
        ),
        (
            "study",
            _without("clauses", "destruction", "within_days_of_end"),
            "clauses.destruction.deadline",
        ),
        (
            "study",
            _without("clauses", "destruction", "when_no_longer_needed"),
            "clauses.destruction.when_no_longer_needed",
        ),
        ("study", _set("other", "clauses", "study", "aim"), "clauses.study.aim"),
        (
            "study",
            _set("my_institute", "clauses", "study", "on_behalf_of"),
            "clauses.study.on_behalf_of",
        ),
        ("study", _set(["consent", "studies"], "legal_basis"), None),
        ("study", _set(["consent"], "legal_basis"), "legal_basis"),
        ("audit", _without("clauses", "audit", "representative"), "clauses.audit.representative"),
        ("audit", _without("clauses", "audit", "purpose"), "clauses.audit.purpose"),
        (
            "audit",
            _set("none", "clauses", "audit", "program_support"),
            "clauses.audit.program_support",
        ),
        ("audit", _without("clauses", "safeguards"), "clauses.safeguards"),
        ("service", _without("clauses", "direct_control"), "clauses.direct_control"),
        ("service", _without("clauses", "redisclosure"), "clauses.redisclosure"),
        ("transfer_mou", _without("clauses", "transfer"), "clauses.transfer"),
        (
            "transfer_mou",
            _set(False, "clauses", "transfer", "hearing_on_request"),
            "clauses.transfer.hearing_on_request",
        ),
        ("consented_sharing", _without("clauses"), None),
    ],
)
def test_what_the_law_asks_for_is_missed_by_name(
    kind: str, change: Callable[[Said], None], field: str | None
) -> None:
    said = template(AgreementKind(kind))
    change(said)
    lacked = missing(said)

    if field is None:
        assert lacked == []
        return
    assert field in lacked
    with pytest.raises(RequestInvalidError, match=field) as refused:
        compile_agreement(yaml.safe_dump(said), federation(*said["parties"]))
    assert refused.value.metadata["missing"] == ",".join(lacked)


def test_every_missing_term_is_named_with_the_law_that_asks_for_it() -> None:
    said = template(AgreementKind.STUDY)
    said["clauses"] = {}
    document = read_draft(yaml.safe_dump(said))

    assert len(missing_terms(document)) == 7
    assert all(t.citation.startswith("34 CFR 99.31(a)(6)") for t in missing_terms(document))


def test_without_a_contract_consented_sharing_is_advised_and_not_refused() -> None:
    said = template(AgreementKind.CONSENTED_SHARING)
    del said["clauses"], said["authorized_roles"]

    advised = {term.field for term in advised_terms(read_draft(yaml.safe_dump(said)))}

    assert {"authorized_roles", "clauses.breach_notice", "clauses.audit_right"} <= advised
    compiled = compile_agreement(yaml.safe_dump(said), federation(*said["parties"]))
    assert compiled.clauses == Clauses()


def test_terms_follow_from_the_clauses() -> None:
    assert read_draft(template_of(AgreementKind.CONSENTED_SHARING, TODAY)).terms >= {
        AgreementTerm.PURPOSES,
        AgreementTerm.INFORMATION_TO_BE_DISCLOSED,
        AgreementTerm.SCHOOLS,
        AgreementTerm.AUTHORIZED_USERS,
        AgreementTerm.NO_REDISCLOSURE,
        AgreementTerm.SAFEGUARD_POLICIES,
        AgreementTerm.BREACH_NOTICE,
        AgreementTerm.DESTRUCTION_DEADLINE,
        AgreementTerm.AUDIT_RIGHT,
    }
    bare = document_of((Member.new("harbor"), Member.new("shelter")))
    assert bare.terms == {
        AgreementTerm.PURPOSES,
        AgreementTerm.INFORMATION_TO_BE_DISCLOSED,
        AgreementTerm.SCHOOLS,
    }


def test_the_example_of_a_school_year_is_complete() -> None:
    """Three parties, six named schools, the listed elements, one year, and an offer to join."""
    document = read_draft(EXAMPLE)

    assert missing_terms(document) == advised_terms(document) == ()
    assert not list(blanks_of(document))
    assert len(document.parties) == 3
    assert len(document.schools_of("harbor_ps", "direct_service")) == 6
    assert {str(element) for element in document.elements} == {
        "gender", "date_of_birth", "race_ethnicity", "el_status", "sped_status",
        "daily_attendance", "suspensions", "graduation_status", "test_scores",
        "course_enrollment", "course_grades",
    }  # fmt: skip
    assert document.joining is not None
    assert document.joining.purposes == ("direct_service",)
    assert document.roles_for("program_evaluation") == ("evaluator",)
    names = [party.organization_id for party in document.parties]
    assert not is_draft(compile_agreement(EXAMPLE, federation(*names)))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_set("twice\u202e", "title"), "hidden character U\\+202E"),
        (_set(" blank", "title"), "begins or ends with a blank"),
        (_set("a\nb", "title"), "one line"),
        (_set("e\u0301", "title"), "NFC"),
        (_set(["nurse", "nurse"], "authorized_roles"), "named twice"),
        (_set({"my_partner": ["x"]}, "schools"), "discloses nothing"),
        (_set({"my_district": ["u1"]}, "named_users"), "receives nothing"),
        (_set(2, "version"), None),
        (_set("0" * 64, "supersedes"), "supersedes"),
        (_set(["studies"], "legal_basis"), None),
    ],
)
def test_a_file_that_is_not_well_formed_is_refused(
    change: Callable[[Said], None], why: str | None
) -> None:
    said = template(AgreementKind.CONSENTED_SHARING)
    change(said)

    if why is None:
        assert read_draft(yaml.safe_dump(said)).kind is AgreementKind.CONSENTED_SHARING
        return
    with pytest.raises(RequestInvalidError, match=why):
        read_draft(yaml.safe_dump(said))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"schools": {"my_district": ["another"]}}, "a schedule has a school"),
        ({"legal_basis": ["studies"]}, "a schedule has a ground"),
        ({"authorized_roles": ["director"]}, "a schedule admits a role"),
        ({"purpose": "research"}, "joining offer has a purpose"),
    ],
)
def test_a_schedule_and_an_offer_can_only_narrow(change: Said, why: str) -> None:
    said = template(AgreementKind.CONSENTED_SHARING)
    said["schedules"][0] |= change

    with pytest.raises(RequestInvalidError, match=why):
        read_draft(yaml.safe_dump(said))


def test_keys_come_from_the_registry_alone() -> None:
    said = template(AgreementKind.STUDY)
    said["parties"]["my_district"]["signing_key_id"] = "0" * 64

    with pytest.raises(RequestInvalidError, match="keys come from the registry"):
        read_draft(yaml.safe_dump(said))


def test_a_new_version_names_the_document_it_supersedes() -> None:
    state, former = small.federation(), small.document()
    history = signed_by_all(former, [small.HOLDER.signer, small.REQUESTER.signer])
    known = Histories().read([history], state.organizations)
    said = {
        **former.model_dump(mode="json", exclude={"supersedes"}),
        "parties": {p.organization_id: p.role for p in former.parties},
        "version": 2,
    }

    next_one = compile_agreement(yaml.safe_dump(said), replace(state, known=known))

    assert next_one.supersedes == former.digest
    with pytest.raises(RequestInvalidError, match="supersedes"):
        compile_agreement(yaml.safe_dump({**said, "version": 3}), replace(state, known=known))


def test_a_member_that_is_written_twice_is_no_document() -> None:
    """A reader sees the first and a program would take the second."""
    document = document_of((Member.new("harbor"), Member.new("shelter"))).encode().decode()
    twice = document.replace('"title": "Sharing"', '"title": "Sharing", "title": "More"')

    with pytest.raises(RequestInvalidError, match="written twice"):
        AgreementDocument.parse(twice.encode())


def test_a_draft_is_compared_without_its_keys() -> None:
    compiled = document_of((Member.new("harbor"), Member.new("shelter")))
    said = compiled.model_dump(mode="json")
    said["parties"] = {p.organization_id: p.role for p in compiled.parties}
    draft = read_draft(yaml.safe_dump(said))

    assert draft != compiled
    assert with_keys_of(draft, compiled) == compiled
