"""What an agreement of each kind has to settle: by law, and by good practice.

A term that the law makes a condition of its ground is mandatory: without it no agreement of that
kind is proposed. What practice expects is advice. Neither is legal advice; a lawyer reads the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass

from homeroom.agreement.document import AgreementDocument
from homeroom.agreement.terms import AgreementTerm
from homeroom.errors import RequestInvalidError
from homeroom.vocabulary import AgreementKind, Basis

_LAWFUL_AIMS = ("improve_instruction", "predictive_tests", "student_aid")


@dataclass(frozen=True, slots=True)
class MissingTerm:
    """Something that a document does not settle.

    Attributes:
        field: where it belongs in the document.
        why: what it is for, as a sentence for people.
        citation: the law that asks for it, or whose practice it is.
    """

    field: str
    why: str
    citation: str


@dataclass(frozen=True, slots=True)
class _Asked:
    """One thing that is asked of a document, and whether a document has it."""

    term: MissingTerm
    settled: Callable[[AgreementDocument], bool]


def missing_terms(document: AgreementDocument) -> tuple[MissingTerm, ...]:
    """What the law asks of an agreement of this kind and the document does not have."""
    return _not_settled(_MANDATORY[document.kind], document)


def advised_terms(document: AgreementDocument) -> tuple[MissingTerm, ...]:
    """What practice expects of any agreement and the document does not have."""
    missing = {term.field for term in missing_terms(document)}
    advised = _not_settled(_ADVISED, document)
    return tuple(term for term in advised if term.field not in missing)


def require_mandatory_terms(document: AgreementDocument) -> None:
    """Checks that nothing is missing that the law asks for.

    Raises:
        RequestInvalidError: naming every term that is missing.
    """
    missing = missing_terms(document)
    if missing:
        named = "; ".join(f"{term.field}: {term.why} ({term.citation})" for term in missing)
        raise RequestInvalidError(
            f"agreement: the law asks more of this kind: {named}",
            field=missing[0].field,
            missing=",".join(term.field for term in missing),
        )


def _not_settled(asked: tuple[_Asked, ...], document: AgreementDocument) -> tuple[MissingTerm, ...]:
    return tuple(one.term for one in asked if not one.settled(document))


def _asked(
    field: str, why: str, citation: str, settled: Callable[[AgreementDocument], bool]
) -> _Asked:
    return _Asked(MissingTerm(field, why, citation), settled)


def _has(term: AgreementTerm) -> Callable[[AgreementDocument], bool]:
    return lambda document: term in document.terms


def _rests_on(basis: Basis) -> Callable[[AgreementDocument], bool]:
    return lambda document: all(
        basis in document.grounds_for(purpose) for purpose in document.purposes
    )


def _study_is_for_a_discloser(document: AgreementDocument) -> bool:
    study = document.clauses.study
    party = document.party(study.on_behalf_of) if study else None
    return party is not None and party.discloses


def _representative_receives(document: AgreementDocument) -> bool:
    audit = document.clauses.audit
    party = document.party(audit.representative) if audit and audit.representative else None
    return party is not None and party.receives


_DESTROYED = _asked(
    "clauses.destruction.when_no_longer_needed",
    "the data is destroyed when it is no longer needed for the purpose",
    "34 CFR 99.31(a)(6)(iii)(C)(4)",
    _has(AgreementTerm.DESTROY_WHEN_NO_LONGER_NEEDED),
)
_DESTROYED_BY = _asked(
    "clauses.destruction.deadline",
    "the time by which the data is destroyed, as a day or in days after the end",
    "34 CFR 99.31(a)(6)(iii)(C)(4)",
    _has(AgreementTerm.DESTRUCTION_DEADLINE),
)

_STUDY = (
    _asked(
        "legal_basis",
        "every schedule of a study rests on the ground of studies",
        "34 CFR 99.31(a)(6)",
        _rests_on(Basis.STUDIES),
    ),
    _asked(
        "clauses.study",
        "the purpose, scope and duration of the study",
        "34 CFR 99.31(a)(6)(iii)(C)(1)",
        _has(AgreementTerm.PURPOSE_SCOPE_DURATION),
    ),
    _asked(
        "clauses.study.aim",
        "the study develops or administers tests, administers student aid or improves instruction",
        "34 CFR 99.31(a)(6)(i)",
        lambda document: bool(
            document.clauses.study and document.clauses.study.aim in _LAWFUL_AIMS
        ),
    ),
    _asked(
        "clauses.study.on_behalf_of",
        "the study is made for or on behalf of a party that discloses",
        "34 CFR 99.31(a)(6)(i)",
        _study_is_for_a_discloser,
    ),
    _asked(
        "clauses.use_only_for_purpose",
        "the data is used for the study and for nothing else",
        "34 CFR 99.31(a)(6)(iii)(C)(2)",
        _has(AgreementTerm.USE_ONLY_FOR_STUDY),
    ),
    _asked(
        "clauses.no_identification_by_others",
        "nobody but those with legitimate interests can identify students or parents",
        "34 CFR 99.31(a)(6)(iii)(C)(3)",
        _has(AgreementTerm.NO_IDENTIFICATION_BY_OTHERS),
    ),
    _DESTROYED,
    _DESTROYED_BY,
)

_AUDIT = (
    _asked(
        "legal_basis",
        "every schedule of an audit rests on the ground of audit or evaluation",
        "34 CFR 99.31(a)(3)",
        _rests_on(Basis.AUDIT_EVALUATION),
    ),
    _asked(
        "clauses.audit.representative",
        "a recipient is designated as the authorized representative",
        "34 CFR 99.35(a)(3)(i)",
        _representative_receives,
    ),
    _asked(
        "clauses.audit.purpose",
        "the data is disclosed to carry out an audit or evaluation",
        "34 CFR 99.35(a)(3)(ii)(B)",
        _has(AgreementTerm.AUDIT_PURPOSE_STATED),
    ),
    _asked(
        "clauses.audit.program_support",
        "the program that is audited is supported by the Federal government or a State",
        "34 CFR 99.35(a)(1)",
        lambda document: bool(
            document.clauses.audit and document.clauses.audit.program_support != "none"
        ),
    ),
    _asked(
        "schedules.activity",
        "each schedule says what is done and how the data is used",
        "34 CFR 99.35(a)(3)(ii)(C)",
        _has(AgreementTerm.ACTIVITY_DESCRIPTION),
    ),
    _asked(
        "clauses.destruction.when_no_longer_needed",
        "the data is destroyed when it is no longer needed for the purpose",
        "34 CFR 99.35(a)(3)(iii)",
        _has(AgreementTerm.DESTROY_WHEN_NO_LONGER_NEEDED),
    ),
    _asked(
        "clauses.destruction.deadline",
        "the time by which the data is destroyed, as a day or in days after the end",
        "34 CFR 99.35(a)(3)(iv)",
        _has(AgreementTerm.DESTRUCTION_DEADLINE),
    ),
    _asked(
        "clauses.safeguards",
        "policies and procedures protect the data from further disclosure and unauthorized use",
        "34 CFR 99.35(a)(3)(v)",
        _has(AgreementTerm.SAFEGUARD_POLICIES),
    ),
)

_SERVICE = (
    _asked(
        "legal_basis",
        "every schedule of a service rests on the ground of school officials",
        "34 CFR 99.31(a)(1)",
        _rests_on(Basis.SCHOOL_OFFICIAL),
    ),
    _asked(
        "clauses.direct_control",
        "a service that the school's own people would give, under the school's direct control",
        "34 CFR 99.31(a)(1)(i)(B)(1)-(2)",
        lambda document: document.clauses.direct_control is not None,
    ),
    _asked(
        "clauses.use_only_for_purpose",
        "the data is used for the service and for nothing else",
        "34 CFR 99.31(a)(1)(i)(B)(3), 99.33(a)(2)",
        lambda document: document.clauses.use_only_for_purpose is not None,
    ),
    _asked(
        "clauses.redisclosure",
        "the data is passed on to nobody, or to those who are named",
        "34 CFR 99.31(a)(1)(i)(B)(3), 99.33(a)(1)",
        _has(AgreementTerm.NO_REDISCLOSURE),
    ),
)

_TRANSFER = (
    _asked(
        "legal_basis",
        "every schedule of a transfer rests on the ground of transfers",
        "34 CFR 99.31(a)(2)",
        _rests_on(Basis.TRANSFER),
    ),
    _asked(
        "clauses.transfer",
        "how families are told that records move with the student",
        "34 CFR 99.34(a)(1)",
        lambda document: document.clauses.transfer is not None,
    ),
    _asked(
        "clauses.transfer.copy_on_request",
        "the family gets a copy of what was sent when it asks",
        "34 CFR 99.34(a)(2)",
        lambda document: bool(
            document.clauses.transfer and document.clauses.transfer.copy_on_request
        ),
    ),
    _asked(
        "clauses.transfer.hearing_on_request",
        "the family gets a hearing when it asks",
        "34 CFR 99.34(a)(3)",
        lambda document: bool(
            document.clauses.transfer and document.clauses.transfer.hearing_on_request
        ),
    ),
)

_MANDATORY: dict[AgreementKind, tuple[_Asked, ...]] = {
    # Where every family consents, the law asks for the consents and not for a contract.
    AgreementKind.CONSENTED_SHARING: (),
    AgreementKind.STUDY: _STUDY,
    AgreementKind.AUDIT: _AUDIT,
    AgreementKind.SERVICE: _SERVICE,
    AgreementKind.TRANSFER_MOU: _TRANSFER,
}

_ADVISED = (
    _asked(
        "parties.signatory",
        "the name and title of the person who may sign for each party",
        "practice: NDPA",
        lambda document: all(party.signatory for party in document.parties),
    ),
    _asked(
        "schools",
        "the schools whose students are covered",
        "practice: the agreements of Boston and others name them",
        _has(AgreementTerm.SCHOOLS),
    ),
    _asked(
        "authorized_roles",
        "the roles of those who may ask, or the people by name",
        "practice: PTAC; 34 CFR 99.31(a)(6)(iii)(C)(3), 99.35(a)(3)(v)",
        _has(AgreementTerm.AUTHORIZED_USERS),
    ),
    _asked(
        "clauses.use_only_for_purpose",
        "the data is used for these purposes and for nothing else",
        "34 CFR 99.33(a)(2)",
        lambda document: document.clauses.use_only_for_purpose is not None,
    ),
    _asked(
        "clauses.redisclosure",
        "the data is passed on to nobody, or to those who are named",
        "34 CFR 99.33(a)(1), (b)",
        _has(AgreementTerm.NO_REDISCLOSURE),
    ),
    _asked(
        "clauses.safeguards",
        "the policies that protect the data",
        "practice: PTAC",
        _has(AgreementTerm.SAFEGUARD_POLICIES),
    ),
    _asked(
        "clauses.breach_notice",
        "how fast a breach is told, and to whom",
        "practice: NDPA, 72 hours",
        _has(AgreementTerm.BREACH_NOTICE),
    ),
    _asked(
        "clauses.destruction.deadline",
        "the time by which the data is destroyed",
        "practice: PTAC, NDPA",
        _has(AgreementTerm.DESTRUCTION_DEADLINE),
    ),
    _asked(
        "clauses.audit_right",
        "a discloser may look at how the agreement is kept",
        "practice: PTAC, NDPA",
        _has(AgreementTerm.AUDIT_RIGHT),
    ),
    _asked(
        "clauses.governance",
        "who looks after the agreement, and what happens when the parties disagree",
        "practice: AISP",
        lambda document: document.clauses.governance is not None,
    ),
    _asked(
        "termination.effect",
        "what happens to the data when the agreement ends",
        "practice: NDPA",
        lambda document: document.termination.effect is not None,
    ),
)
