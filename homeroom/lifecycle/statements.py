"""What a party says in an agreement's history: one signed statement for each step."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from homeroom.agreement import Schools


@dataclass(frozen=True, slots=True)
class Proposal:
    """Offers a document as the next version; the proposer signs it by this."""

    document_digest: bytes
    rendering_digest: bytes


@dataclass(frozen=True, slots=True)
class CounterProposal:
    """Offers a changed document in place of the one that is proposed; every signature falls."""

    document_digest: bytes
    rendering_digest: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """Signs the proposed document, as it is written and as it is printed."""

    document_digest: bytes
    rendering_digest: bytes


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Takes back or declines a proposal; or takes back a countersignature.

    Attributes:
        joining_digest: the joining that is no longer countersigned; empty for the proposal.
    """

    joining_digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Suspension:
    """Suspends the party's own part, until the party itself resumes it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Resumption:
    """Resumes the part that this party suspended."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Ends the party's own part, or the whole agreement where its document lets one party."""

    whole: bool = False


@dataclass(frozen=True, slots=True)
class Joining:
    """Asks to receive under the agreement's offer: these purposes, these schools.

    Attributes:
        document_digest, rendering_digest: the document in force, which the joiner signs by this.
        kind: the joiner's kind of organization.
        schools: for each holder the schools whose students it would reach.
    """

    document_digest: bytes
    rendering_digest: bytes
    kind: str
    purposes: tuple[str, ...]
    schools: Mapping[str, Schools]
    signing_key_id: str
    sealing_key_id: str
    signatory_name: str
    signatory_title: str


@dataclass(frozen=True, slots=True)
class JoiningCountersignature:
    """Opens this holder's schools to a joiner, as far as that very joining asks for them."""

    joining_digest: bytes


Action: TypeAlias = (
    Proposal
    | CounterProposal
    | Signature
    | Withdrawal
    | Suspension
    | Resumption
    | Ending
    | Joining
    | JoiningCountersignature
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One step of an agreement's life, as its signer said it.

    Attributes:
        organization_id: who says it.
        time: when, by its own clock; the order is given by `previous_digest` alone.
        previous_digest: the SHA-256 digest of the statement before; empty for the first.
        digest: the SHA-256 digest of this statement's exact bytes.
    """

    agreement_id: str
    version: int
    organization_id: str
    time: dt.datetime
    previous_digest: bytes
    action: Action
    digest: bytes
