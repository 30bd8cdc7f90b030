"""What the holder has on file for a question: the matters of its ground, and approvals."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from homeroom.facts import Facts, moment
from homeroom.federation import Organization
from homeroom.key_history import KeyHistory
from homeroom.matters import MATTER_OF_BASIS, AuditFacts, MatterFacts, MatterKind
from homeroom.question import Question
from homeroom.signing import digest_of
from homeroom.vocabulary import Element


@dataclass(frozen=True, slots=True)
class Matter:
    """What is on file for one ground and one requester.

    Attributes:
        key: the holder's own number for it, which students stand beside.
        valid_from, valid_to: the instants between which it counts; both included.
        evidence_digest: the SHA-256 digest, in hexadecimal, of the paper that it rests on.
        requester_keys: the digest of the keys that the requester had when it was entered; None for
            a party outside the federation, for whom only a steward asks.
        ended_at: from when it counts no longer; None while nobody ended it.
    """

    key: int
    matter_id: str
    kind: MatterKind
    requester: str
    valid_from: dt.datetime
    valid_to: dt.datetime
    facts: MatterFacts
    entered_by: str
    entered_at: dt.datetime
    evidence_digest: str
    requester_keys: str | None = None
    ended_at: dt.datetime | None = None

    def told(self) -> Facts:
        """The matter as policies read it."""
        return {
            "id": self.matter_id,
            "requester": self.requester,
            "valid_from": moment(self.valid_from),
            "valid_to": moment(self.valid_to),
            **self.facts.told(),
        }


class ApprovalState(StrEnum):
    """What a steward said of an element that waits."""

    PENDING = "pending"
    GRANTED = "granted"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Approval:
    """What a steward decided of one element, for one requester, agreement and purpose.

    Attributes:
        valid_from, valid_to: the instants between which it counts, where it was granted.
    """

    element: Element
    state: ApprovalState
    valid_from: dt.datetime | None = None
    valid_to: dt.datetime | None = None

    def told(self) -> Facts:
        """The approval as policies read it."""
        facts: Facts = {"element": str(self.element), "state": str(self.state)}
        if self.valid_to is not None:
            facts["valid_to"] = moment(self.valid_to)
        return facts


@dataclass(frozen=True, slots=True)
class OnFile:
    """What is on file for one question, at one instant.

    Attributes:
        matters: those in force for its requester, that of its ground and the one about IDEA.
        approvals: one for each element that ever waited for this requester and purpose.
    """

    matters: Mapping[MatterKind, Matter] = field(default_factory=dict)
    approvals: tuple[Approval, ...] = ()

    def of_ground(self, question: Question) -> Matter | None:
        """The matter of the question's own ground."""
        kind = MATTER_OF_BASIS.get(question.basis) if question.basis else None
        return self.matters.get(kind) if kind else None

    @property
    def by_own_employees(self) -> bool:
        """Whether the employees of the authority that audits ask themselves."""
        audit = self.matters.get(MatterKind.AUDIT)
        return (
            audit is not None
            and isinstance(facts := audit.facts, AuditFacts)
            and (facts.by_own_employees)
        )


NOTHING_ON_FILE = OnFile()


@dataclass(frozen=True, slots=True)
class Waiting:
    """Elements that a decision withheld until a steward approves them; kept beside its log entry.

    Attributes:
        agreement_id: the agreement relied on; empty if none was.
    """

    requester: str
    agreement_id: str
    purpose: str
    elements: frozenset[Element]


@dataclass(frozen=True, slots=True)
class Looked:
    """What is looked for in the file.

    Attributes:
        kinds: the kinds of matters that can bear on the question.
        matter_id: the only matter that is meant; empty means the one that fits best.
        requester_keys: the digest of the keys the question was signed with; None where a steward
            asks for a party that may have none.
        holder_keys: by which the holder signed approvals; None where only the present key is known.
    """

    requester: str
    kinds: frozenset[MatterKind]
    matter_id: str
    requester_keys: str | None
    subject_refs: tuple[str, ...]
    agreement_id: str
    purpose: str
    at: dt.datetime
    holder_keys: KeyHistory | None = None


class Files(Protocol):
    """The holder's file."""

    async def find(self, looked: Looked) -> OnFile:
        """What is on file of what is looked for.

        Raises:
            LogUnavailableError: if the file cannot be read.
        """
        ...


def looked_for(
    question: Question, requester: Organization, now: dt.datetime, *, outside: bool
) -> Looked:
    """What has to be looked for to decide on a question.

    Where a family allowed it or counts are asked for, no matter bears on it.
    """
    kinds: frozenset[MatterKind] = frozenset()
    if question.basis is None or question.basis in MATTER_OF_BASIS:
        ground = MATTER_OF_BASIS.get(question.basis) if question.basis else None
        kinds = frozenset({MatterKind.IDEA, *([ground] if ground else [])})
    return Looked(
        requester=requester.organization_id,
        kinds=kinds,
        matter_id=question.matter_id,
        requester_keys=None if outside else keys_digest(requester),
        subject_refs=question.subject_refs,
        agreement_id=question.agreement_id,
        purpose=question.purpose,
        at=now,
    )


def keys_digest(organization: Organization) -> str:
    """Whom an organization's keys make it, as one digest, in hexadecimal.

    An exchange of the signing key leaves that as it is; a recovery does not.
    """
    return digest_of(organization.keys.anchor + organization.sealing_key).hex()
