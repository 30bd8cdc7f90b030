"""Lets people of the holder judge the claims that do not link by themselves, and undo wrong links.

Every decision is in the log with its user before it takes effect.
"""

import asyncio
import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol

from homeroom.audit import AuditKind, encode_content
from homeroom.clock import Clock
from homeroom.errors import QueryReplayedError
from homeroom.users import User
from services.node.domain.claim_links import ClaimLink
from services.node.domain.log import Log


@dataclass(frozen=True, slots=True)
class Act:
    """What a person asks to be done.

    Attributes:
        request_id: chosen by the caller: the same again is not done again.
        digest: of all that is asked.
    """

    user: User
    request_id: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Disclosed:
    """One answer that may have held a student's records.

    Attributes:
        log_index: where the log tells of it.
    """

    log_index: int
    at: dt.datetime
    recipient: str
    user: str
    purpose: str
    dataset: str
    elements: tuple[str, ...]


class ToRetract(NamedTuple):
    """An answer that a requester has to give up, about one of the names that it knows."""

    recipient: str
    query_digest: str
    subject_ref: str


@dataclass(frozen=True, slots=True)
class Undone:
    """A link that a person undid.

    Attributes:
        consent_ids: this consent and those that named the same child in the same words.
        recipients: who could receive by them; disclosed: what may have gone to them.
    """

    consent_ids: tuple[str, ...]
    recipients: tuple[str, ...]
    disclosed: tuple[Disclosed, ...]

    def to_json(self) -> Mapping[str, Any]:
        """As it is kept, for whoever asks again."""
        return {
            "consent_ids": self.consent_ids,
            "recipients": self.recipients,
            "disclosed": [{**asdict(one), "at": one.at.timestamp()} for one in self.disclosed],
        }

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> "Undone":
        """As it was kept."""
        return cls(
            tuple(kept["consent_ids"]),
            tuple(kept["recipients"]),
            tuple(
                Disclosed(
                    **{
                        **one,
                        "at": dt.datetime.fromtimestamp(one["at"], dt.UTC),
                        "elements": tuple(one["elements"]),
                    }
                )
                for one in kept["disclosed"]
            ),
        )


class ReviewQueue(Protocol):
    """Where claims wait for a person."""

    def queue(self, after: str, most: int) -> Sequence[ClaimLink]:
        """The claims that wait, in the order of their consents, after one of them."""
        ...

    def waiting(self) -> int:
        """How many claims wait."""
        ...

    def require_waiting(self, consent_id: str, student_key: int | None) -> None:
        """Returns if the claim waits for a person, with this student among its candidates."""
        ...

    def require_linked(self, consent_id: str) -> None:
        """Returns if the consent is linked by its claim."""
        ...

    def done(self, act: Act) -> Mapping[str, Any] | None:
        """How an act ended that was done before; None if it was not."""
        ...

    def confirm(self, act: Act, consent_id: str, student_key: int) -> bool:
        """Links a claim to a candidate; False if a second person has to say so first."""
        ...

    def reject(self, act: Act, consent_id: str) -> None:
        """Notes that a claim is about none of its candidates."""
        ...

    def undo(self, act: Act, consent_id: str, now: dt.datetime) -> Undone:
        """Undoes a link."""
        ...


class Notified(Protocol):
    """Who has to know at once that less may be permitted than before."""

    def note_change(self) -> None:
        """Has running answers look again."""
        ...


@dataclass(frozen=True, slots=True)
class Reviewing:
    """Works the queue for one holder."""

    claims: ReviewQueue
    log: Log
    feed: Notified
    clock: Clock

    async def list(self, user: User, after: str, most: int, *, shown: bool) -> Sequence[ClaimLink]:
        """The claims that wait; what the forms say is shown only if asked, and then logged."""
        found = await asyncio.to_thread(self.claims.queue, after, most)
        if shown and found:
            at = self.clock().isoformat(timespec="microseconds")
            content = {"consents": [each.consent_id for each in found], "at": at, **_who(user)}
            digest = hashlib.sha256(encode_content(content).encode()).digest()
            await self.log.append(AuditKind.CLAIMS_SHOWN, digest, content)
        return found

    async def confirm(self, act: Act, consent_id: str, student_key: int) -> bool:
        """Links a claim to a candidate; False if a second person has to say so first."""
        done = await asyncio.to_thread(self.claims.done, act)
        if done is not None:
            return bool(done["linked"])
        await asyncio.to_thread(self.claims.require_waiting, consent_id, student_key)
        said = {"consent": consent_id, "decision": "confirmed"}
        await self._note(AuditKind.LINK_REVIEWED, act, said)
        linked = await asyncio.to_thread(self.claims.confirm, act, consent_id, student_key)
        self.feed.note_change()
        return linked

    async def reject(self, act: Act, consent_id: str) -> None:
        """Notes that a claim is about none of its candidates."""
        if await asyncio.to_thread(self.claims.done, act) is not None:
            return
        await asyncio.to_thread(self.claims.require_waiting, consent_id, None)
        said = {"consent": consent_id, "decision": "rejected"}
        await self._note(AuditKind.LINK_REVIEWED, act, said)
        await asyncio.to_thread(self.claims.reject, act, consent_id)
        self.feed.note_change()

    async def undo(self, act: Act, consent_id: str) -> Undone:
        """Undoes a link at once, and says what may have been disclosed by it."""
        done = await asyncio.to_thread(self.claims.done, act)
        if done is not None:
            return Undone.of_json(done)
        await asyncio.to_thread(self.claims.require_linked, consent_id)
        await self._note(AuditKind.LINK_UNDONE, act, {"consent": consent_id})
        undone = await asyncio.to_thread(self.claims.undo, act, consent_id, self.clock())
        self.feed.note_change()
        return undone

    async def _note(self, kind: AuditKind, act: Act, said: Mapping[str, Any]) -> None:
        # Noted before and then not done: it is done now.
        with suppress(QueryReplayedError):
            await self.log.append(kind, act.digest, {**said, **_who(act.user)})


def _who(user: User) -> Mapping[str, str]:
    return {"user": user.user_id, "role": user.role}
