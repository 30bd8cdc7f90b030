"""The clauses of an agreement, each a model of what law or practice asks the parties to settle.

A clause that is not there was not agreed. Every clause has room for the parties' own words in
`text`; what machines and templates read is in its other fields.
"""

import datetime as dt
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from homeroom.agreement.fields import Code, Days, Frozen, Line, Lines, Text


class Clause(Frozen):
    """What every clause has: the parties' own words, beside what its fields say."""

    text: Text | None = None


class Study(Clause):
    """The study that is made for or on behalf of a discloser (34 CFR 99.31(a)(6))."""

    scope: Text
    aim: Literal["improve_instruction", "predictive_tests", "student_aid", "other"]
    on_behalf_of: Code
    ends_on: dt.date


class Audit(Clause):
    """The audit or evaluation, and who carries it out (34 CFR 99.31(a)(3), 99.35)."""

    authority: Code
    representative: Code | None = None
    program: Line
    program_support: Literal["federal", "state", "federal_and_state", "none"]
    purpose: Text | None = None


class UseLimit(Clause):
    """The recipients use the data for the schedules' purposes and for nothing else."""

    text: Text


class NoIdentification(Clause):
    """Nobody but those who need to know may identify a student or a parent."""

    text: Text


class OnwardParty(Frozen):
    """Somebody to whom recipients may pass data on, and why (34 CFR 99.33(b), 99.32(b))."""

    organization_id: Code
    interest: Line
    on_behalf_of: Code | None = None


def _parties_once(parties: tuple[OnwardParty, ...]) -> tuple[OnwardParty, ...]:
    if len({party.organization_id for party in parties}) != len(parties):
        raise ValueError("an organization is named twice")
    return tuple(sorted(parties, key=lambda party: party.organization_id))


class Redisclosure(Clause):
    """To whom recipients may pass data on; to nobody where the list is empty."""

    to: Annotated[tuple[OnwardParty, ...], AfterValidator(_parties_once)] = ()


class Destruction(Clause):
    """When recipients destroy what they received, and how they show it.

    Attributes:
        when_no_longer_needed: destroyed as soon as the purpose no longer needs it.
        deadline, within_days_of_end: the last day; whichever comes first.
        on_revocation: what happens to a student's data when the family withdraws consent.
    """

    when_no_longer_needed: bool = False
    deadline: dt.date | None = None
    within_days_of_end: Days | None = None
    method: Line | None = None
    certificate_within_days: Days | None = None
    on_revocation: Literal["destroy", "return", "keep_until_deadline"] | None = None


class Safeguards(Clause):
    """The policies and procedures that protect the data."""

    policies: Annotated[Lines, Field(min_length=1)]


class DirectControl(Clause):
    """How the school keeps control of what the service does (34 CFR 99.31(a)(1)(i)(B))."""

    service: Text
    controlled_by: Line
    how: Text


class Contact(Frozen):
    """Whom to reach at one organization: a desk or an office, rather than a person."""

    organization_id: Code
    name: Line
    reach: Line


class BreachNotice(Clause):
    """How fast a party tells the others of a breach, and whom."""

    within_hours: Annotated[int, Field(ge=1, le=8_760)]
    contacts: tuple[Contact, ...] = ()


class AuditRight(Clause):
    """A discloser may look at how a recipient keeps the agreement."""

    notice_days: Days
    times_a_year: Annotated[int, Field(ge=1, le=366)] | None = None
    scope: Text


class Subprocessors(Clause):
    """Those who work on the data for a recipient, under the same duties."""

    names: Lines = ()


class DataLocation(Clause):
    """Where the data is kept."""

    places: Annotated[Lines, Field(min_length=1)]


class DeidentifiedUse(Clause):
    """Whether recipients may use de-identified data for more."""

    allowed: bool


class NoSale(Clause):
    """No data is sold or used for advertising."""

    text: Text


class ParentRequests(Clause):
    """How a family's request to see or correct a record is answered."""

    within_days: Days


class Insurance(Clause):
    """Insurance and liability."""

    text: Text


class GoverningLaw(Clause):
    """The law by which the agreement is read."""

    law: Line


class Governance(Clause):
    """Who looks after the agreement, and what happens when the parties disagree."""

    data_stewards: tuple[Contact, ...] = ()
    approvals: Text | None = None
    review_on: dt.date | None = None
    disputes: Text | None = None


class TransferNotice(Clause):
    """What families are told when records move with a student (34 CFR 99.34).

    Attributes:
        notice: by which of the three ways the law's notice is given.
    """

    notice: Literal["annual_notice", "before_each_transfer", "family_initiated"]
    copy_on_request: bool
    hearing_on_request: bool


class Provision(Frozen):
    """An article in the parties' own words, for which there is no clause here."""

    heading: Line
    text: Text


class Clauses(Frozen):
    """All clauses that an agreement can have; what is None was not agreed."""

    study: Study | None = None
    audit: Audit | None = None
    direct_control: DirectControl | None = None
    transfer: TransferNotice | None = None
    use_only_for_purpose: UseLimit | None = None
    no_identification_by_others: NoIdentification | None = None
    redisclosure: Redisclosure | None = None
    destruction: Destruction | None = None
    safeguards: Safeguards | None = None
    breach_notice: BreachNotice | None = None
    audit_right: AuditRight | None = None
    subprocessors: Subprocessors | None = None
    data_location: DataLocation | None = None
    deidentified_use: DeidentifiedUse | None = None
    no_sale: NoSale | None = None
    parent_requests: ParentRequests | None = None
    insurance: Insurance | None = None
    governing_law: GoverningLaw | None = None
    governance: Governance | None = None
    provisions: tuple[Provision, ...] = ()
