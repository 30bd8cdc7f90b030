"""The terms of a document that its life depends on: who takes part, may join, may end it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from homeroom.agreement import AgreementDocument, Schools


@dataclass(frozen=True, slots=True)
class JoiningOffer:
    """The most that an organization may ask for that joins later.

    Attributes:
        schools: for each holder the schools that a joiner may reach.
        open_until: the last day to join.
    """

    kinds: frozenset[str]
    purposes: frozenset[str]
    schools: Mapping[str, Schools]
    open_until: dt.date


@dataclass(frozen=True, slots=True)
class Terms:
    """What the rules of an agreement's life need of a document.

    Attributes:
        digest: the SHA-256 digest of the document's exact bytes.
        supersedes: the digest of the document it would replace; None for the first version.
        one_ends_all: whether one party may end the whole agreement.
        offer: None if nobody may join.
    """

    agreement_id: str
    version: int
    digest: bytes
    supersedes: bytes | None
    disclosers: frozenset[str]
    recipients: frozenset[str]
    last_day: dt.date
    one_ends_all: bool = False
    offer: JoiningOffer | None = None
    parties: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parties", self.disclosers | self.recipients)


def terms_of(document: AgreementDocument, digest: bytes) -> Terms:
    """What the rules need of a document whose exact bytes have that digest."""
    return Terms(
        agreement_id=document.agreement_id,
        version=document.version,
        digest=digest,
        supersedes=bytes.fromhex(document.supersedes) if document.supersedes else None,
        disclosers=frozenset(p.organization_id for p in document.parties if p.discloses),
        recipients=frozenset(p.organization_id for p in document.parties if p.receives),
        last_day=document.effective_to,
        one_ends_all=document.termination.by_one_party == "whole",
        offer=_offer(document),
    )


def _offer(document: AgreementDocument) -> JoiningOffer | None:
    if document.joining is None:
        return None
    return JoiningOffer(
        kinds=frozenset(str(kind) for kind in document.joining.kinds),
        purposes=frozenset(document.joining.purposes),
        schools=dict(document.joining.schools),
        open_until=document.joining.open_until or document.effective_to,
    )
