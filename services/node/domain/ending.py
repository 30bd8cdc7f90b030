"""What an answer is told in: sealed pieces of its rows, then a closing that says how it ended."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from homeroom.audit import Position
from homeroom.sealing import AnswerSealer
from homeroom.vocabulary import Element, Obligation, ReasonCode
from services.node.domain.agreement_memory import Remembered
from services.node.domain.replica import Evidence
from services.node.domain.ruling import Asked, Ruling
from services.node.domain.unnamed import Unnamed


class Ending(StrEnum):
    """How an answer ended."""

    ANSWERED = "answered"
    NO_PERMITTED_ANSWER = "no_permitted_answer"


@dataclass(frozen=True, slots=True)
class SealedRows:
    """A piece of the answer's Arrow stream, sealed to the requester.

    Attributes:
        sealed_key: the content key, wrapped to the requester; in the first piece only.
    """

    sequence: int
    rows: bytes
    sealed_key: bytes


@dataclass(frozen=True, slots=True)
class Closing:
    """How the answer ended; what the receipt says.

    Attributes:
        last: the place of the last frame, with the end of the rows where they came to one: a frame
            of its own would cost a small answer as much as its rows.
        history: how far the agreement's history was known.
    """

    last: SealedRows
    sealer: AnswerSealer
    ending: Ending
    reasons: tuple[ReasonCode, ...]
    released: tuple[Element, ...]
    withheld: Mapping[Element, ReasonCode]
    obligations: tuple[Obligation, ...]
    row_count: int
    agreement_version: int
    history: Remembered | None
    evidence: Evidence
    decision_digest: bytes
    position: Position
    at: dt.datetime


def history_of(asked: Asked, evidence: Evidence) -> Remembered | None:
    """How far the history of the agreement that is relied on was known."""
    known = evidence.federation.known.get(asked.question.agreement_id)
    return Remembered(len(known.history.statements), known.history.head) if known else None


def reasons_told(
    ruling: Ruling, ending: Ending, unnamed: Unnamed | None = None
) -> tuple[ReasonCode, ...]:
    """Why the answer ended as it did; for a refusal of every element, why each was withheld."""
    decision = ruling.decision
    beside = unnamed.reasons if unnamed is not None else frozenset()
    if ending is Ending.ANSWERED or not decision.allow:
        return tuple(sorted(decision.reasons | beside))
    if beside:
        return tuple(sorted(beside))
    return tuple(sorted({entry.reason for entry in decision.withheld}))


def obligations_told(ruling: Ruling, ending: Ending) -> tuple[Obligation, ...]:
    """What the recipient has to do with what it was told."""
    grant = ruling.decision.grant
    return tuple(sorted(grant.obligations)) if grant and ending is Ending.ANSWERED else ()
