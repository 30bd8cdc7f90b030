"""Plans which organizations are asked a question."""

from collections.abc import Mapping
from dataclasses import dataclass

from homeroom.errors import RequestInvalidError
from homeroom.federation import Agreement, Organization, Standing
from homeroom.question import Question


@dataclass(frozen=True, slots=True)
class Holder:
    """An organization to ask, and where its node answers."""

    organization_id: str
    address: str


def plan_holders(
    question: Question,
    requester_id: str,
    agreement: Agreement | None,
    organizations: Mapping[str, Organization],
) -> tuple[Holder, ...]:
    """The parties that disclose and hold the dataset, without the requester; sorted.

    Without an agreement: the holders that the question names. A party that has ended its part is
    not asked; one that has suspended it says so itself.

    A party that the question names and that holds nothing is not asked, and not told apart from one
    whose node is suspended: the plan says only who is asked.

    Raises:
        RequestInvalidError: if the question names an organization that is no party, or relies on
            no agreement and names nobody.
    """
    wanted = _wanted(question, agreement) - {requester_id}
    known = (organizations.get(organization_id) for organization_id in sorted(wanted))
    return tuple(
        Holder(organization.organization_id, organization.node_address)
        for organization in known
        if organization is not None and _answers(organization, question.dataset)
    )


def _wanted(question: Question, agreement: Agreement | None) -> set[str]:
    if agreement is None:
        if not question.holders:
            raise RequestInvalidError(
                "a question without an agreement names its holders", field="holders"
            )
        return set(question.holders)
    parties = agreement.document.parties
    disclosers = {p.organization_id for p in parties if p.discloses} - agreement.ended_by
    for named in question.holders:
        if agreement.document.party(named) is None:
            raise RequestInvalidError(
                "a named holder is no party of the agreement", field="holders"
            )
    return disclosers & set(question.holders) if question.holders else disclosers


def _answers(organization: Organization, dataset: str) -> bool:
    return (
        organization.standing is Standing.ACTIVE
        and dataset in organization.datasets
        and bool(organization.node_address)
    )
