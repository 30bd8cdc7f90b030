"""Writes down what the gateway does with questions, before it does it.

The log stands at the hub, where no word about a student may be. A caller can write a name into any
field that is free, so of a question only such words are written as others have written down before:
the registry's agreements, their purposes, the catalog's datasets and elements.
"""

import asyncio
import datetime as dt
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

from homeroom.audit import AuditKind
from homeroom.errors import QueryReplayedError, Reason
from homeroom.federation import Agreement, FederationState
from homeroom.question import Question
from homeroom.signing import digest_of, key_id_of
from services.gateway.domain.fan_out import Ended
from services.gateway.domain.log import Log
from services.gateway.domain.plan import Holder

_PAUSE = dt.timedelta(minutes=1)
_REMEMBERED = 10_000
UNLISTED = "unlisted"
"""A purpose, or a role, that no agreement of the federation names."""

Report = Callable[[str], None]
"""Is told the type of an error that nobody waits for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An admitted question, and by which state of the registry.

    Attributes:
        agreement: the one that it names, if the requester is a party of it.
        digest: of the query's exact bytes.
    """

    question: Question
    requester: str
    role: str
    digest: bytes
    agreement: Agreement | None
    state: FederationState


@dataclass(frozen=True, slots=True)
class Words:
    """The purposes and roles that the agreements of one state of the registry name."""

    agreements: Mapping[str, Agreement]
    purposes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()

    @classmethod
    def of(cls, agreements: Mapping[str, Agreement]) -> "Words":
        """Reads every agreement."""
        documents = [agreement.document for agreement in agreements.values()]
        schedules = [schedule for document in documents for schedule in document.schedules]
        roles = [one.authorized_roles or () for one in documents]
        roles += [one.authorized_roles or () for one in schedules]
        purposes = frozenset(schedule.purpose for schedule in schedules)
        return cls(agreements, purposes, frozenset(chain.from_iterable(roles)))


class QuestionLog:
    """What the log tells of questions; no question waits for what is told of refused callers."""

    def __init__(self, log: Log, clock: Callable[[], dt.datetime], report: Report) -> None:
        self._log = log
        self._clock = clock
        self._report = report
        self._refused: OrderedDict[tuple[str, Reason], dt.datetime] = OrderedDict()
        self._unnoted: Counter[tuple[str, Reason]] = Counter()
        self._noting: set[asyncio.Task[None]] = set()
        self._words = Words({})

    async def passed(self, asked: Asked, holders: Sequence[Holder]) -> "Passage":
        """Writes that a question is about to be put to holders; until then nobody is asked.

        Raises:
            QueryReplayedError: if it was put to holders before.
            LogUnavailableError: if it cannot be written; then nobody may be asked.
        """
        names = tuple(holder.organization_id for holder in holders)
        said = {**self._question_said(asked), "holders": list(names)}
        await self._log.append(AuditKind.QUESTION_PASSED, asked.digest, said)
        return Passage(self, asked.digest, names)

    async def resumed(self, asked: Asked, holders: Sequence[Holder]) -> "Passage":
        """Writes that holders are about to be asked to go on with answers that broke off.

        Raises:
            LogUnavailableError: if it cannot be written; then nobody may be asked.
        """
        names = tuple(holder.organization_id for holder in holders)
        now = self._clock().isoformat()
        act = digest_of(f"resumed {asked.digest.hex()} {' '.join(names)} {now}".encode())
        said = {
            "requester": asked.requester,
            "role": _listed(asked.role, self._words_of(asked.state).roles),
            "question": asked.digest.hex(),
            "holders": list(names),
        }
        await self._log.append(AuditKind.QUESTION_RESUMED, act, said)
        return Passage(self, act, names)

    async def refused(self, asked: Asked, reason: Reason, codes: Sequence[str]) -> None:
        """Writes that an admitted question is put to nobody; once, however often it comes.

        Args:
            asked: the question.
            reason: what it was refused with.
            codes: what the policy said, if it was asked.

        Raises:
            LogUnavailableError: if it cannot be written.
        """
        said = {**self._question_said(asked), "reason": str(reason), "codes": sorted(codes)}
        with suppress(QueryReplayedError):
            await self._log.append(AuditKind.QUESTION_REFUSED, asked.digest, said)

    def turned_away(self, caller: str, reason: Reason) -> None:
        """Notes that a call was refused before it was known what it asks; nobody waits for it.

        At most once a minute for each caller and reason: whoever sends noise fills no disk.
        """
        now = self._clock()
        before = self._refused.get((caller, reason))
        if before is not None and now - before < _PAUSE:
            self._unnoted[caller, reason] += 1
            return
        self._refused[caller, reason] = now
        self._refused.move_to_end((caller, reason))
        if len(self._refused) > _REMEMBERED:
            self._refused.popitem(last=False)
        act = digest_of(f"{caller} {reason} {now.isoformat()}".encode())
        said: dict[str, Any] = {"requester": caller, "reason": str(reason)}
        if earlier := self._unnoted.pop((caller, reason), 0):
            said["earlier"] = earlier
        noting = self.begin(AuditKind.CALLER_REFUSED, act, said)
        noting.add_done_callback(lambda done: self._forget_unwritten(done, caller, reason))

    def begin(self, kind: AuditKind, digest: bytes, said: Mapping[str, Any]) -> asyncio.Task[None]:
        """Begins to write an entry, whoever then waits for it or leaves."""
        task = asyncio.ensure_future(self._write(kind, digest, said))
        self._noting.add(task)
        task.add_done_callback(self._done)
        return task

    async def finish(self) -> None:
        """Waits until everything that was begun is written."""
        await asyncio.gather(*self._noting, return_exceptions=True)

    def _question_said(self, asked: Asked) -> dict[str, Any]:
        question, agreement, words = asked.question, asked.agreement, self._words_of(asked.state)
        return {
            "requester": asked.requester,
            "role": _listed(asked.role, words.roles),
            "agreement": agreement.document.agreement_id if agreement else "",
            "agreement_version": agreement.document.version if agreement else 0,
            "purpose": _listed(question.purpose, words.purposes),
            "basis": question.ground,
            "dataset": question.dataset,
            "elements": sorted(question.elements),
            "level": str(question.level),
            "validate_only": question.validate_only,
            "registry_sequence": asked.state.sequence,
        }

    def _words_of(self, state: FederationState) -> Words:
        # A state comes with every change at the registry, and serves many questions.
        if self._words.agreements is not state.agreements:
            self._words = Words.of(state.agreements)
        return self._words

    async def _write(self, kind: AuditKind, digest: bytes, said: Mapping[str, Any]) -> None:
        await self._log.append(kind, digest, said)

    def _forget_unwritten(self, task: asyncio.Task[None], caller: str, reason: Reason) -> None:
        if task.cancelled() or task.exception() is not None:
            self._refused.pop((caller, reason), None)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._noting.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            self._report(type(failure).__name__)


class Passage:
    """One question on its way, and how each holder's part of the answer ended so far."""

    def __init__(self, log: QuestionLog, digest: bytes, holders: Sequence[str]) -> None:
        self._log = log
        self._digest = digest
        self._ends: dict[str, Ended | None] = dict.fromkeys(holders)
        self._writing: asyncio.Task[None] | None = None

    @property
    def holders(self) -> Sequence[str]:
        """Who is asked."""
        return tuple(self._ends)

    @property
    def count(self) -> int:
        """How many holders are asked."""
        return len(self._ends)

    @property
    def is_over(self) -> bool:
        """Whether every holder's part has ended."""
        return None not in self._ends.values()

    def ended(self, end: Ended) -> None:
        """Notes how one holder's part ended."""
        self._ends[end.holder] = end

    async def close(self) -> None:
        """Writes how every part ended; until then the caller is not told the last of it.

        Raises:
            LogUnavailableError: if it cannot be written.
        """
        await asyncio.shield(self._write())

    def leave(self) -> None:
        """Has it written for a caller who has left, if it is not; nobody waits for it."""
        self._write()

    def _write(self) -> asyncio.Task[None]:
        if self._writing is None:
            self._writing = self._log.begin(AuditKind.QUESTION_ENDED, self._digest, self._said())
        return self._writing

    def _said(self) -> Mapping[str, Any]:
        ends = self._ends.items()
        said: dict[str, Any] = {
            "outcomes": {name: str(end.outcome) if end else "" for name, end in ends},
            "left": not self.is_over,
        }
        reasons = {name: end.error_reason for name, end in ends if end and end.error_reason}
        return {**said, "error_reasons": reasons} if reasons else said


def started_content(
    checkpoint_key: bytes, settings: str, federation_revision: str
) -> Mapping[str, Any]:
    """What the log tells of a start."""
    return {
        "checkpoint_key": key_id_of(checkpoint_key),
        "settings_digest": digest_of(settings.encode()).hex(),
        "federation_revision": federation_revision,
    }


def _listed(word: str, words: frozenset[str]) -> str:
    return word if word in words else UNLISTED
