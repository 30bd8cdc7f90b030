"""The document of a data-sharing agreement: what its parties sign, and what it covers.

The parties sign the document's exact bytes (JSON, UTF-8). Each party's keys are named in it by
fingerprint, so that no registry can put another key in their place.
"""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from homeroom.errors import RequestInvalidError
from homeroom.vocabulary import AgreementKind, Basis, Element

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""A word of an open vocabulary, such as a purpose or a person's role."""

KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

ALL_SCHOOLS: Literal["all"] = "all"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Party(_Frozen):
    """One organization of an agreement, with the keys it signs and receives by."""

    organization_id: Code
    role: Literal["discloser", "recipient", "both"]
    signing_key_id: KeyId
    sealing_key_id: KeyId

    @property
    def discloses(self) -> bool:
        return self.role in ("discloser", "both")

    @property
    def receives(self) -> bool:
        return self.role in ("recipient", "both")


class AgreementDocument(_Frozen):
    """What the parties have agreed to (`law/requirements.md` section 2.1).

    Attributes:
        elements_by_purpose: replaces `elements` for a purpose it names.
        schools: for each discloser the schools whose students are covered, or "all".
        authorized_roles: the roles of users who may ask; None sets no limit.
        effective_from, effective_to: whole days, both included, in UTC.
    """

    agreement_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    version: Annotated[int, Field(ge=1)]
    title: Annotated[str, Field(min_length=1, max_length=200)]
    kind: AgreementKind
    parties: Annotated[tuple[Party, ...], Field(min_length=2)]
    legal_basis: Annotated[tuple[Basis, ...], Field(min_length=1)]
    purposes: Annotated[tuple[Code, ...], Field(min_length=1)]
    elements: Annotated[tuple[Element, ...], Field(min_length=1)]
    elements_by_purpose: Mapping[Code, tuple[Element, ...]] = Field(default_factory=dict)
    schools: Mapping[Code, tuple[str, ...] | Literal["all"]]
    authorized_roles: tuple[Code, ...] | None = None
    redisclosure_to: tuple[Code, ...] = ()
    terms: tuple[Code, ...] = ()
    effective_from: dt.date
    effective_to: dt.date

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        named = [party.organization_id for party in self.parties]
        if len(set(named)) != len(named):
            raise ValueError("a party is named twice")
        if self.effective_to < self.effective_from:
            raise ValueError("it ends before it begins")
        if not set(self.elements_by_purpose) <= set(self.purposes):
            raise ValueError("elements are listed for a purpose that the agreement does not have")
        if not set(self.schools) <= {p.organization_id for p in self.parties if p.discloses}:
            raise ValueError("schools are listed for an organization that discloses nothing")
        return self

    @classmethod
    def parse(cls, document: bytes) -> "AgreementDocument":
        """Reads a document's exact bytes.

        Raises:
            RequestInvalidError: naming the first field that is wrong, and why.
        """
        try:
            return cls.model_validate_json(document)
        except ValidationError as wrong:
            first = wrong.errors(include_input=False, include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "document"
            raise RequestInvalidError(f"agreement: {first['msg']}", field=field) from None

    def encode(self) -> bytes:
        """The bytes to sign: JSON with sorted keys, one way to write each document."""
        content = self.model_dump(mode="json")
        return json.dumps(content, sort_keys=True, ensure_ascii=False, indent=1).encode()

    def party(self, organization_id: str) -> Party | None:
        """The party of that name, if it is one."""
        return next((p for p in self.parties if p.organization_id == organization_id), None)

    def elements_for(self, purpose: str) -> frozenset[Element]:
        """The elements that may be shared for a purpose; none for a purpose it does not have."""
        if purpose not in self.purposes:
            return frozenset()
        return frozenset(self.elements_by_purpose.get(purpose, self.elements))

    def schools_of(self, holder: str) -> tuple[str, ...] | Literal["all"]:
        """The schools of a holder that are covered; none when the document names none."""
        return self.schools.get(holder, ())

    def in_effect(self, day: dt.date) -> bool:
        return self.effective_from <= day <= self.effective_to
