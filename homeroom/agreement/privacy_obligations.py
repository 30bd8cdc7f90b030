"""Writes agreements as Privacy Obligations Documents (PODs) of SIF Infrastructure 3.3 and later.

A POD says what one receiving organization (`partyId`) owes each discloser (`dataController`). So an
agreement becomes one POD for each recipient, with one set of obligations for each discloser. The
two forms do not say the same: what a POD has no field for is listed, never dropped unseen.
Its names are those of that specification's page on privacy services.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from homeroom.agreement.document import AgreementDocument, Party
from homeroom.agreement.fields import ALL_SCHOOLS
from homeroom.agreement.outline import is_draft, promises_of
from homeroom.agreement.wording import CLAUSES, code_words

SCHOOLS, ELEMENTS = "schools", "elements"
"""The names of the conditions that say what SIF has no field for, as properties."""

_NAMESPACE = uuid.UUID("7c1b0b0e-2a55-5f7e-9f0a-6f1c8a0d3b52")
_NO_FIELD = (
    "preamble",
    "supersedes",
    "authorized_roles",
    "named_users",
    "min_cell_size",
    "publication_review",
    "joining",
    "termination",
)
_NO_FIELD_OF_SCHEDULE = ("activity", "legal_basis", "authorized_roles", "record_period", "level")


@dataclass(frozen=True, slots=True)
class Converted:
    """What came of a conversion.

    Attributes:
        content: the PODs, or the fields of a steward's file.
        left_out: what the other form has no place for, as dotted paths.
    """

    content: Any
    left_out: tuple[str, ...]


def export_pods(document: AgreementDocument) -> Converted:
    """The PODs of an agreement, one for each recipient."""
    recipients = [party for party in document.parties if party.receives]
    pods = [{"pod": _pod(document, recipient)} for recipient in recipients]
    return Converted(pods, tuple(_without_place(document)))


def _without_place(document: AgreementDocument) -> Iterator[str]:
    for field in _NO_FIELD:
        if getattr(document, field):
            yield field
    for schedule in document.schedules:
        for field in _NO_FIELD_OF_SCHEDULE:
            if getattr(schedule, field) is not None:
                yield f"schedules.{schedule.purpose}.{field}"
    for party in document.parties:
        yield f"parties.{party.organization_id}.signing_key_id"
        yield f"parties.{party.organization_id}.sealing_key_id"
        if party.signatory:
            yield f"parties.{party.organization_id}.signatory"


def _pod(document: AgreementDocument, recipient: Party) -> dict[str, Any]:
    name = f"{document.agreement_id}/{document.version}/{recipient.organization_id}"
    disclosers = [p for p in document.parties if p.discloses and p != recipient]
    return {
        "id": str(uuid.uuid5(_NAMESPACE, name)).upper(),
        "podStatus": "Draft" if is_draft(document) else "Pending",
        "podToken": document.agreement_id,
        "podVersion": str(document.version),
        "partyId": recipient.organization_id,
        "privacyList": {
            "privacy": [
                {
                    "default": "Y" if place == 0 else "N",
                    "privacyObligationsDocument": _obligations(document, discloser, recipient),
                }
                for place, discloser in enumerate(disclosers)
            ]
        },
    }


def _obligations(document: AgreementDocument, discloser: Party, recipient: Party) -> dict[str, Any]:
    clauses = document.clauses
    obligations: dict[str, Any] = {
        "contract": {
            "contractURI": f"urn:sha256:{document.digest}",
            "contractName": document.title,
            "dateValidFrom": document.effective_from.isoformat(),
            "dateValidTo": document.effective_to.isoformat(),
            "contractVersion": str(document.version),
            "lawList": {
                "law": [
                    {"lawName": str(basis), "lawDescription": code_words(basis)}
                    for basis in document.legal_basis
                ]
            },
        },
        "legalRequirements": {"clauseList": {"clause": list(_clauses(document))}},
        "technicalRequirements": _technical(document, discloser),
        "dataController": {"dataControllerName": discloser.legal_name or discloser.organization_id},
        "dataProcessor": _processor(document, recipient),
    }
    if clauses.subprocessors is not None and clauses.subprocessors.names:
        names = clauses.subprocessors.names
        obligations["dataSubProcessorList"] = {
            "dataSubProcessor": [{"subProcessorName": name} for name in names]
        }
    return obligations


def _clauses(document: AgreementDocument) -> Iterator[dict[str, str]]:
    names = [name for name in CLAUSES if getattr(document.clauses, name) is not None]
    names += ["provisions"] * len(document.clauses.provisions)
    for name, part in zip(names, promises_of(document.clauses), strict=True):
        said = (*part.paragraphs, *(f"{head}: {text}" for head, text in part.rows))
        yield {
            "clauseLabel": part.heading,
            "clauseReference": f"clauses.{name}",
            "clauseContent": "\n".join(said),
        }


def _technical(document: AgreementDocument, discloser: Party) -> dict[str, Any]:
    clauses = document.clauses
    elements = sorted(document.elements)
    technical: dict[str, Any] = {
        "dataAccess": {
            "fieldList": {"field": [{"fieldName": str(e), "controlrights": "R"} for e in elements]}
        },
        "conditionList": {"condition": list(_conditions(document, discloser))},
    }
    if clauses.parent_requests is not None:
        technical["dataSubject"] = {"respondInDays": clauses.parent_requests.within_days}
    if clauses.destruction is not None:
        deletion: dict[str, Any] = {"deleteData": clauses.destruction.when_no_longer_needed}
        if clauses.destruction.within_days_of_end is not None:
            deletion["dataRetention"] = f"{clauses.destruction.within_days_of_end} days"
        if clauses.destruction.deadline is not None:
            deletion["deleteBy"] = clauses.destruction.deadline.isoformat()
        technical["dataDeletion"] = deletion
    return technical


def _conditions(document: AgreementDocument, discloser: Party) -> Iterator[dict[str, Any]]:
    """For each purpose the schools and the elements, which SIF says of the whole POD alone."""
    for schedule in document.schedules:
        schools = document.schools_of(discloser.organization_id, schedule.purpose)
        named = (ALL_SCHOOLS,) if schools == ALL_SCHOOLS else schools
        yield _condition(SCHOOLS, schedule.purpose, discloser, named)
        yield _condition(ELEMENTS, schedule.purpose, discloser, schedule.elements)


def _condition(
    name: str, purpose: str, discloser: Party, values: tuple[str, ...]
) -> dict[str, Any]:
    properties = [("purpose", purpose), ("organization_id", discloser.organization_id)]
    properties += [(name, str(value)) for value in values]
    return {
        "typeOfCondition": "HOMEROOM",
        "conditionName": name,
        "conditionDescription": f"The {name} of {discloser.organization_id} for {purpose}",
        "propertyList": {
            "property": [{"propertyName": n, "propertyValue": v} for n, v in properties]
        },
    }


def _processor(document: AgreementDocument, recipient: Party) -> dict[str, Any]:
    clauses = document.clauses
    processor: dict[str, Any] = {
        "dataProcessorName": recipient.legal_name or recipient.organization_id,
        "purposeList": {"purpose": [f"{s.purpose}: {s.text}" for s in document.schedules]},
        "employeesMustComplyWithAgreement": True,
    }
    if clauses.no_sale is not None:
        processor["dataUsageMarketingAllowed"] = False
    if clauses.breach_notice is not None:
        processor["dataBreachNotification"] = f"{clauses.breach_notice.within_hours} hours"
    if document.training_required:
        training = {"trainingName": "Training before a person may ask"}
        processor["employeeTrainingList"] = {"employeeTraining": [training]}
    if clauses.data_location is not None:
        places = clauses.data_location.places
        processor["countryImpactedList"] = {
            "countryImpacted": [{"country": place, "usage": "storage"} for place in places]
        }
    return processor
