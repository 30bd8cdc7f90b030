"""Agreements as Privacy Obligations Documents of SIF, and back: what has no place is listed."""

import json
from pathlib import Path

import pytest

from homeroom.agreement.file import read_draft
from homeroom.agreement.privacy_obligations import export_pods
from homeroom.agreement.privacy_obligations_import import as_file, import_pods
from homeroom.errors import RequestInvalidError

EXAMPLE = read_draft(Path("docs/examples/school-year-agreement.yaml").read_text())

FOREIGN = {
    "pod": {
        "id": "D3E34B39-9D79-4019-8C39-00AA001A1659",
        "podStatus": "Live",
        "podToken": "1",
        "podVersion": "1.0.2",
        "partyId": "Compass",
        "privacyList": {
            "privacy": [
                {
                    "default": "Y",
                    "privacyObligationsDocument": {
                        "contract": {
                            "contractURI": "https://contracts.example/abc.pdf",
                            "contractName": "Sample contract",
                            "dateValidFrom": "2026-08-01",
                            "dateValidTo": "2027-07-31",
                            "lawList": {"law": [{"lawName": "APP1", "lawDescription": "A law"}]},
                        },
                        "legalRequirements": {
                            "clauseList": {
                                "clause": [
                                    {
                                        "clauseLabel": "Data access",
                                        "clauseReference": "US-I.3",
                                        "clauseContent": "Only what the task needs.",
                                    }
                                ]
                            }
                        },
                        "technicalRequirements": {
                            "dataAccess": {
                                "fieldList": {
                                    "field": [
                                        {"fieldName": "/SchoolInfo/LocalId", "controlrights": "R"},
                                        {"fieldName": "course_grades", "controlrights": "R"},
                                    ]
                                }
                            },
                            "dataSubject": {"respondInDays": 30},
                            "dataDeletion": {"deleteData": True, "dataRetention": "90 days"},
                        },
                        "dataController": {"dataControllerName": "Harbor Public Schools"},
                        "dataProcessor": {
                            "dataProcessorName": "Compass Inc.",
                            "purposeList": {"purpose": ["Timetables"]},
                            "dataBreachNotification": "72 hours",
                        },
                        "dataSubProcessorList": {
                            "dataSubProcessor": [{"subProcessorName": "Cloud Co."}]
                        },
                    },
                }
            ]
        },
    }
}


def test_each_recipient_has_a_pod_with_obligations_towards_each_discloser() -> None:
    made = export_pods(EXAMPLE)
    pods = [one["pod"] for one in made.content]

    assert [pod["partyId"] for pod in pods] == ["neighborhood_initiative", "eval_institute"]
    assert len({pod["id"] for pod in pods}) == 2
    (privacy,) = pods[0]["privacyList"]["privacy"]
    obligations = privacy["privacyObligationsDocument"]
    assert obligations["contract"]["contractURI"] == f"urn:sha256:{EXAMPLE.digest}"
    assert obligations["dataController"]["dataControllerName"] == "Harbor Public Schools"
    deletion = obligations["technicalRequirements"]["dataDeletion"]
    assert deletion == {"deleteData": True, "dataRetention": "60 days"}
    assert json.loads(json.dumps(made.content)) == made.content


def test_what_has_no_field_in_a_pod_is_listed() -> None:
    left_out = export_pods(EXAMPLE).left_out

    assert {
        "authorized_roles",
        "joining",
        "min_cell_size",
        "termination",
        "schedules.direct_service.record_period",
        "parties.harbor_ps.signing_key_id",
    } <= set(left_out)


def test_what_corresponds_comes_back() -> None:
    said = json.dumps(export_pods(EXAMPLE).content)
    back = read_draft(as_file(import_pods(said).content))

    assert back.agreement_id == EXAMPLE.agreement_id
    assert back.title == EXAMPLE.title
    assert back.kind is EXAMPLE.kind
    assert back.legal_basis == EXAMPLE.legal_basis
    assert back.purposes == EXAMPLE.purposes
    for purpose in EXAMPLE.purposes:
        assert back.elements_for(purpose) == EXAMPLE.elements_for(purpose)
        assert back.schools_of("harbor_ps", purpose) == EXAMPLE.schools_of("harbor_ps", purpose)
    assert {(p.organization_id, p.role, p.legal_name) for p in back.parties} == {
        (p.organization_id, p.role, p.legal_name) for p in EXAMPLE.parties
    }
    assert (back.effective_from, back.effective_to) == (
        EXAMPLE.effective_from,
        EXAMPLE.effective_to,
    )
    assert back.clauses.parent_requests == EXAMPLE.clauses.parent_requests


def test_a_pod_of_another_system_is_read_as_far_as_it_corresponds() -> None:
    made = import_pods(json.dumps(FOREIGN))
    fields = made.content

    assert fields["agreement_id"] == "1"
    assert fields["parties"] == {
        "compass": {"role": "recipient", "legal_name": "Compass Inc."},
        "harbor_public_schools": {"role": "discloser", "legal_name": "Harbor Public Schools"},
    }
    assert fields["schools"] == {"harbor_public_schools": []}
    assert fields["schedules"] == [
        {"purpose": "timetables", "text": "Timetables", "elements": ["course_grades"]}
    ]
    assert fields["clauses"] == {
        "parent_requests": {"within_days": 30},
        "destruction": {"when_no_longer_needed": True, "within_days_of_end": 90},
        "breach_notice": {"within_hours": 72},
        "subprocessors": {"names": ["Cloud Co."]},
        "provisions": [{"heading": "Data access", "text": "Only what the task needs."}],
    }


def test_no_value_of_a_pod_is_dropped_unseen() -> None:
    left_out = import_pods(json.dumps(FOREIGN)).left_out
    document = "0.pod.privacyList.privacy.0.privacyObligationsDocument"

    assert f"{document}.contract.lawList.law.0.lawName" in left_out
    assert f"{document}.technicalRequirements.dataAccess.fieldList.field.0.fieldName" in left_out
    assert "0.pod.podVersion" in left_out


def test_without_a_word_about_schools_no_school_is_covered() -> None:
    """What a POD does not say opens nothing: the steward names the schools."""
    fields = import_pods(json.dumps(FOREIGN)).content
    draft = read_draft(as_file({**fields, "legal_basis": ["school_official"]}))

    assert draft.schools_of("harbor_public_schools", "timetables") == ()


@pytest.mark.parametrize("text", ["", "[]", "{}", "[1]", "null", '{"pod": 3}', "[" * 100_000])
def test_what_is_no_pod_is_refused(text: str) -> None:
    with pytest.raises(RequestInvalidError):
        import_pods(text)
