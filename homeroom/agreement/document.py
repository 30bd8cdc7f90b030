"""The document of a data-sharing agreement: what its parties sign, and what it covers.

An umbrella says who the parties are and what they promise one another; a schedule for each purpose
says what may be shared for it. The parties sign the document's exact bytes (JSON, UTF-8). Each
party's keys are named in it by fingerprint, so that no registry can put another key in their place.
"""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from homeroom.agreement.clauses import Clauses
from homeroom.agreement.fields import (
    AgreementId,
    Code,
    Codes,
    Days,
    Digest,
    Frozen,
    Grounds,
    KeyId,
    Line,
    Lines,
    OrganizationKinds,
    Period,
    Schools,
    Text,
    within,
)
from homeroom.agreement.schedule import Level, Schedule
from homeroom.agreement.terms import AgreementTerm, terms_of
from homeroom.errors import RequestInvalidError
from homeroom.signing import digest_of
from homeroom.vocabulary import AgreementKind, Basis, Element

_FIRST_VERSION = 1


class Signatory(Frozen):
    """The person who may sign for a party, as the document names them."""

    name: Line
    title: Line


class Party(Frozen):
    """One organization of an agreement, with the keys it signs and receives by."""

    organization_id: Code
    role: Literal["discloser", "recipient", "both"]
    signing_key_id: KeyId
    sealing_key_id: KeyId
    legal_name: Line | None = None
    signatory: Signatory | None = None

    @property
    def discloses(self) -> bool:
        return self.role in ("discloser", "both")

    @property
    def receives(self) -> bool:
        return self.role in ("recipient", "both")


class JoiningOffer(Frozen):
    """The most that an organization may ask for that joins later.

    Attributes:
        kinds: which kinds of organizations may join.
        schools: for each holder the schools that a joiner may reach; others are not offered.
        open_until: the last day to join; None means as long as the agreement lasts.
    """

    kinds: OrganizationKinds
    purposes: Annotated[Codes, Field(min_length=1)]
    schools: Annotated[Mapping[Code, Schools], Field(min_length=1)]
    open_until: dt.date | None = None


class Termination(Frozen):
    """What one party alone may end, and what it owes the others.

    Attributes:
        by_one_party: only its own part, or the whole agreement.
        notice_days: how long before it tells the others. Sharing stops at once all the same.
        effect: what happens to what was received.
    """

    by_one_party: Literal["own_part", "whole"] = "own_part"
    notice_days: Days = 0
    effect: Text | None = None


class AgreementDocument(Frozen):
    """What the parties have agreed to (`law/requirements.md` section 2.1).

    Attributes:
        supersedes: the digest of the former version's document; none for the first version.
        schools: for each discloser the schools whose students are covered, or "all".
        authorized_roles: the roles of users who may ask; None sets no limit.
        named_users: for each recipient the only users who may ask, by the names its issuer gives
            them; a recipient that is not in it has no such limit.
        min_cell_size: the smallest count that an aggregate may show.
        publication_review: whether the disclosers see what is published first.
        effective_from, effective_to: whole days, both included, in UTC.
    """

    agreement_id: AgreementId
    version: Annotated[int, Field(ge=_FIRST_VERSION)]
    supersedes: Digest | None = None
    title: Line
    preamble: Text | None = None
    kind: AgreementKind
    parties: Annotated[tuple[Party, ...], Field(min_length=2)]
    effective_from: dt.date
    effective_to: dt.date
    legal_basis: Grounds
    schools: Mapping[Code, Schools]
    authorized_roles: Codes | None = None
    named_users: Mapping[Code, Annotated[Lines, Field(min_length=1)]] = Field(default_factory=dict)
    training_required: bool = True
    schedules: Annotated[tuple[Schedule, ...], Field(min_length=1)]
    clauses: Clauses = Clauses()
    min_cell_size: Annotated[int, Field(ge=2, le=1_000)] | None = None
    publication_review: bool = False
    joining: JoiningOffer | None = None
    termination: Termination = Termination()

    @model_validator(mode="after")
    def _one_place_for_each(self) -> Self:
        if len({party.organization_id for party in self.parties}) != len(self.parties):
            raise ValueError("a party is named twice")
        if len(set(self.purposes)) != len(self.schedules):
            raise ValueError("a purpose has two schedules")
        if self.effective_to < self.effective_from:
            raise ValueError("it ends before it begins")
        if (self.supersedes is None) != (self.version == _FIRST_VERSION):
            raise ValueError("every version but the first names the document that it supersedes")
        return self

    @model_validator(mode="after")
    def _of_its_parties(self) -> Self:
        if not set(self.schools) <= {p.organization_id for p in self.parties if p.discloses}:
            raise ValueError("schools are listed for an organization that discloses nothing")
        if not set(self.named_users) <= {p.organization_id for p in self.parties if p.receives}:
            raise ValueError("users are named of an organization that receives nothing")
        if not self._named_in_clauses() <= {p.organization_id for p in self.parties}:
            raise ValueError("a clause names an organization that is no party")
        return self

    @model_validator(mode="after")
    def _schedules_only_narrow(self) -> Self:
        for schedule in self.schedules:
            if not self._covers(schedule.schools or {}):
                raise ValueError("a schedule has a school that the agreement does not have")
            if not set(schedule.legal_basis or ()) <= set(self.legal_basis):
                raise ValueError("a schedule has a ground that the agreement does not have")
            roles = self.authorized_roles
            if roles is not None and not set(schedule.authorized_roles or ()) <= set(roles):
                raise ValueError("a schedule admits a role that the agreement does not")
        return self

    @model_validator(mode="after")
    def _offer_only_narrows(self) -> Self:
        if self.joining is not None:
            if not self._covers(self.joining.schools):
                raise ValueError("the joining offer has a school that the agreement does not have")
            if not set(self.joining.purposes) <= set(self.purposes):
                raise ValueError("the joining offer has a purpose that the agreement does not have")
        return self

    def _covers(self, schools: Mapping[str, Schools]) -> bool:
        return all(within(named, self.schools.get(o, ())) for o, named in schools.items())

    def _named_in_clauses(self) -> set[str]:
        clauses = self.clauses
        named = {clauses.study.on_behalf_of} if clauses.study else set()
        if clauses.audit:
            named |= {clauses.audit.authority}
            named |= {clauses.audit.representative} if clauses.audit.representative else set()
        if clauses.breach_notice:
            named |= {contact.organization_id for contact in clauses.breach_notice.contacts}
        if clauses.governance:
            named |= {contact.organization_id for contact in clauses.governance.data_stewards}
        return named

    @classmethod
    def parse(cls, document: bytes) -> "AgreementDocument":
        """Reads a document's exact bytes.

        Raises:
            RequestInvalidError: naming the first field that is wrong, and why.
        """
        try:
            json.loads(document, object_pairs_hook=_named_once)
            return cls.model_validate_json(document)
        except ValidationError as wrong:
            first = wrong.errors(include_input=False, include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "document"
            raise RequestInvalidError(f"agreement: {first['msg']}", field=field) from None
        except (ValueError, RecursionError):
            raise RequestInvalidError("agreement: not JSON", field="document") from None

    def encode(self) -> bytes:
        """The bytes to sign: JSON with sorted keys, one way to write each document."""
        content = self.model_dump(mode="json")
        return json.dumps(content, sort_keys=True, ensure_ascii=False, indent=1).encode()

    @property
    def digest(self) -> str:
        """The SHA-256 digest of the bytes to sign, in hexadecimal."""
        return digest_of(self.encode()).hex()

    @property
    def purposes(self) -> tuple[str, ...]:
        """What data may be shared for, one schedule each."""
        return tuple(schedule.purpose for schedule in self.schedules)

    @property
    def elements(self) -> frozenset[Element]:
        """Every element that some schedule has."""
        return frozenset(element for schedule in self.schedules for element in schedule.elements)

    @property
    def redisclosure_to(self) -> tuple[str, ...]:
        """Those to whom recipients may pass data on; without a word about it, nobody."""
        clause = self.clauses.redisclosure
        return tuple(onward.organization_id for onward in clause.to) if clause else ()

    @property
    def terms(self) -> frozenset[AgreementTerm]:
        """The terms that law and practice ask for, as far as the document has them."""
        return terms_of(self)

    def party(self, organization_id: str) -> Party | None:
        """The party of that name, if it is one."""
        return next((p for p in self.parties if p.organization_id == organization_id), None)

    def schedule(self, purpose: str) -> Schedule | None:
        """The schedule of a purpose, if the agreement has it."""
        return next((s for s in self.schedules if s.purpose == purpose), None)

    def elements_for(self, purpose: str) -> frozenset[Element]:
        """The elements that may be shared for a purpose; none for a purpose it does not have."""
        schedule = self.schedule(purpose)
        return frozenset(schedule.elements) if schedule else frozenset()

    def schools_of(self, holder: str, purpose: str) -> Schools:
        """The schools of a holder that a purpose covers; none when the document names none."""
        schedule = self.schedule(purpose)
        if schedule is None:
            return ()
        return (self.schools if schedule.schools is None else schedule.schools).get(holder, ())

    def roles_for(self, purpose: str) -> tuple[str, ...] | None:
        """The roles of users who may ask for a purpose; None sets no limit."""
        schedule = self.schedule(purpose)
        if schedule is None or schedule.authorized_roles is None:
            return self.authorized_roles
        return schedule.authorized_roles

    def grounds_for(self, purpose: str) -> tuple[Basis, ...]:
        """The grounds on which data may be shared for a purpose."""
        schedule = self.schedule(purpose)
        if schedule is None:
            return ()
        return self.legal_basis if schedule.legal_basis is None else schedule.legal_basis

    def level_for(self, purpose: str) -> Level | None:
        """The most that an answer for a purpose may tell about one student."""
        schedule = self.schedule(purpose)
        return schedule.level if schedule else None

    def record_period_for(self, purpose: str) -> Period | None:
        """The days that records shared for a purpose may be about; None sets no limit."""
        schedule = self.schedule(purpose)
        return schedule.record_period if schedule else None

    def in_effect(self, day: dt.date) -> bool:
        return self.effective_from <= day <= self.effective_to


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of two members of one name a reader sees the first and a program takes the last.
    if len(dict(pairs)) != len(pairs):
        raise RequestInvalidError("agreement: a field is written twice", field="document")
    return dict(pairs)
