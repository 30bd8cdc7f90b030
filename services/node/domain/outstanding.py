"""Finds which recipients owe a certificate of destruction, and since when.

By the function that recipients count by themselves, over the holder's own disclosure record.
"""

import asyncio
import datetime as dt
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from homeroom.audit import AuditKind
from homeroom.destruction import (
    DestructionTerms,
    Due,
    DueRule,
    Received,
    due_of_answer,
    due_of_consent,
    terms_of_answer,
)
from homeroom.errors import LogUnavailableError, StateStaleError
from homeroom.federation import FederationState
from homeroom.signing import digest_of
from homeroom.users import User
from services.node.domain.certifying import Acts
from services.node.domain.disclosing import Disclosing, Reader
from services.node.domain.replica import Replica

_LOOK_SECONDS = 3600.0
_AGAIN_SECONDS = 10.0
"""How soon it looks again where agreements or the database were not to be had."""


@dataclass(frozen=True, slots=True)
class OpenAnswers:
    """Answers of one recipient that nothing has settled, given on one day on the same terms.

    Attributes:
        basis: the ground they were given on.
        given_on: the day they ended, in UTC.
        kept_because: why the recipient says that it keeps them for now; empty if it said nothing.
        revoked_on: where only what a consent let leave is meant, the day it was revoked.
    """

    recipient: str
    agreement_id: str
    agreement_version: int
    basis: str
    given_on: dt.date
    count: int
    kept_because: str = ""
    revoked_on: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Outstanding:
    """What one recipient owes under one agreement by one day."""

    recipient: str
    agreement_id: str
    due: Due
    kept_because: str
    count: int
    first_given_on: dt.date

    def overdue(self, today: dt.date) -> bool:
        """Whether the certificate should have been here before today."""
        return not self.kept_because and self.due.certificate_by < today


class OpenShelf(Protocol):
    """Where what is not settled is found."""

    def open_answers(self) -> Sequence[OpenAnswers]:
        """Whole answers that no certificate settles."""
        ...

    def open_parts(self) -> Sequence[OpenAnswers]:
        """What consents let leave that were revoked since, as far as nothing settles it."""
        ...


def outstanding_of(
    holder: str, state: FederationState, answers: Iterable[OpenAnswers]
) -> Sequence[Outstanding]:
    """What is owed, the most pressing first."""
    found: dict[tuple[str, str, Due, str], Outstanding] = {}
    terms: dict[tuple[str, str, int], Sequence[DestructionTerms]] = {}
    for one in answers:
        received = _received(holder, one)
        key = (one.recipient, one.agreement_id, one.agreement_version)
        if key not in terms:
            terms[key] = terms_of_answer(received, state.known.get(one.agreement_id))
        due = _due(received, one, terms[key])
        if due is None:
            continue
        group = (one.recipient, one.agreement_id, due, one.kept_because)
        new = Outstanding(*group, 0, one.given_on)
        known = found.get(group, new)
        first = min(known.first_given_on, one.given_on)
        found[group] = replace(known, count=known.count + one.count, first_given_on=first)
    return sorted(found.values(), key=lambda o: (o.due, o.recipient, o.agreement_id))


def _received(holder: str, one: OpenAnswers) -> Received:
    return Received(
        holder, one.recipient, one.agreement_id, one.agreement_version, one.basis, one.given_on
    )


def _due(received: Received, one: OpenAnswers, terms: Sequence[DestructionTerms]) -> Due | None:
    whole = due_of_answer(received, terms)
    if whole is None or one.revoked_on is None:
        return whole
    part = due_of_consent(received, whole, terms, one.revoked_on)
    return None if part == whole else part


@dataclass(slots=True)
class OverdueTally:
    """How many answers and parts of answers were overdue when somebody last looked."""

    count: int = 0


@dataclass(frozen=True, slots=True)
class Overseeing:
    """Tells the holder's own people what is outstanding, and the log what is overdue."""

    disclosing: Disclosing
    replica: Replica
    shelf: OpenShelf
    acts: Acts
    tally: OverdueTally

    async def listed(self, user: User, reader: Reader) -> tuple[Sequence[Outstanding], dt.date]:
        """What is outstanding, and the day by which it is counted.

        Raises:
            NotPermittedError: if the policy does not let this reader read the whole record.
            StateStaleError: if the agreements are not known.
            LogUnavailableError: if the reading cannot be written down; then nothing is shown.
        """
        await self.disclosing.read_whole(user, reader, {"about": "destruction"})
        return await asyncio.to_thread(self._found), self._today()

    async def run(self) -> None:
        """Notes each certificate that is overdue, for as long as the node runs."""
        while True:
            wait = _AGAIN_SECONDS
            with suppress(LogUnavailableError, StateStaleError):
                await asyncio.to_thread(self.look)
                wait = _LOOK_SECONDS
            await asyncio.sleep(wait)

    def look(self) -> None:
        """Notes what is overdue; the same once, however often it looks.

        What cannot be counted, because an agreement is not known here, accuses nobody.
        """
        today = self._today()
        overdue = [
            one
            for one in self._found()
            if one.overdue(today) and one.due.rule is not DueRule.TERMS_UNKNOWN
        ]
        for one in overdue:
            content = {
                "requester": one.recipient,
                "agreement": one.agreement_id,
                "rule": str(one.due.rule),
                "due": one.due.day.isoformat(),
                "certificate_by": one.due.certificate_by.isoformat(),
                "answers": one.count,
            }
            # The number may change; what is owed by when stays the same.
            named = "\0".join(str(v) for k, v in content.items() if k != "answers")
            act = digest_of(f"overdue\0{named}".encode())
            self.acts.note(AuditKind.DESTRUCTION_OVERDUE, content, act)
        self.tally.count = sum(one.count for one in overdue)

    def _found(self) -> Sequence[Outstanding]:
        evidence = self.replica.evidence()
        limit = self.disclosing.holder.max_state_age
        evidence.registry.require("registry", self.disclosing.clock(), limit)
        opened = [*self.shelf.open_answers(), *self.shelf.open_parts()]
        return outstanding_of(self.disclosing.holder.organization_id, evidence.federation, opened)

    def _today(self) -> dt.date:
        return self.disclosing.clock().astimezone(dt.UTC).date()
