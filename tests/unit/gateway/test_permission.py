"""What a refused requester is told, and what the policy's answer must look like."""

from dataclasses import replace
from typing import Any

import pytest

from homeroom.errors import ChangedMeanwhileError, NotPermittedError, PolicyUnavailableError
from services.gateway.domain.permission import Verdict, require_permitted, require_version
from services.gateway.policy import read_verdict
from tests.unit.gateway.federation import agreement, document
from tests.unit.gateway.test_question_facts import QUESTION

REFUSED = Verdict(allow=False, reasons=("user_untrained", "agreement_missing"))


def test_a_party_is_told_the_codes() -> None:
    with pytest.raises(NotPermittedError) as refused:
        require_permitted(REFUSED, told=True)

    assert refused.value.codes == ("agreement_missing", "user_untrained")


def test_anyone_else_is_told_nothing() -> None:
    with pytest.raises(NotPermittedError) as refused:
        require_permitted(REFUSED, told=False)

    assert (refused.value.message, refused.value.metadata) == (
        "the question is not permitted",
        {},
    )


def test_what_is_allowed_passes() -> None:
    require_permitted(Verdict(allow=True, reasons=("permitted_by_consent",)), told=True)


@pytest.mark.parametrize("version", [0, 2, 4])
def test_a_question_relies_on_the_version_in_force(version: int) -> None:
    known = agreement(document({"north": "discloser", "asker": "recipient"}))
    require_version(replace(QUESTION, agreement_version=3), known)

    with pytest.raises(ChangedMeanwhileError) as refused:
        require_version(replace(QUESTION, agreement_version=version), known)
    assert refused.value.metadata == {"version": "3"}


def test_only_a_question_without_an_agreement_passes_without_one() -> None:
    require_version(replace(QUESTION, agreement_id="", agreement_version=0), None)

    with pytest.raises(NotPermittedError) as refused:
        require_version(QUESTION, None)
    assert refused.value.metadata == {}


@pytest.mark.parametrize(
    "document",
    [
        {"allow": True, "reasons": ["permitted_by_consent"]},
        {"allow": False, "reasons": ["agreement_missing", "user_untrained"]},
    ],
)
def test_an_answer_of_the_expected_form_is_read(document: dict[str, Any]) -> None:
    assert read_verdict(document) == Verdict(document["allow"], tuple(document["reasons"]))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"allow": True},
        {"reasons": ["permitted_by_consent"]},
        {"allow": "true", "reasons": ["permitted_by_consent"]},
        {"allow": 1, "reasons": ["permitted_by_consent"]},
        {"allow": None, "reasons": []},
        {"allow": True, "reasons": []},
        {"allow": False, "reasons": []},
        {"allow": True, "reasons": "permitted_by_consent"},
        {"allow": True, "reasons": {"permitted_by_consent": True}},
        {"allow": True, "reasons": ["agreement_missing"]},
        {"allow": True, "reasons": ["permitted_by_consent", "agreement_missing"]},
        {"allow": False, "reasons": ["permitted_by_consent"]},
        {"allow": False, "reasons": ["no_such_code"]},
        {"allow": True, "reasons": ["permitted_by_nobody"]},
        {"allow": False, "reasons": [None]},
        {"allow": False, "reasons": [["agreement_missing"]]},
        {"allow": True, "reasons": ["permitted_by_consent"], "grant": {}},
    ],
)
def test_anything_else_is_no_answer(document: dict[str, Any]) -> None:
    with pytest.raises(PolicyUnavailableError):
        read_verdict(document)
