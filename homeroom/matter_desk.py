"""Puts matters on file at the organization's own node, for grounds other than consent."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from homeroom.api.node.v1 import matter_service_pb2 as pb
from homeroom.desk import Desk, new_request_id
from homeroom.matters import MatterFacts, MatterKind
from homeroom.session import call

_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMatter:
    """A matter as a steward enters it.

    Attributes:
        matter_id: its name at this holder.
        valid_from, valid_to: the instants between which it counts; both included.
        student_ids: the students that it names, by the organization's own ids.
        evidence_digest: the SHA-256 digest, in hexadecimal, of the paper that it rests on.
    """

    matter_id: str
    kind: MatterKind
    requester: str
    valid_from: dt.datetime
    valid_to: dt.datetime
    facts: MatterFacts
    student_ids: tuple[str, ...] = field(default=(), repr=False)
    evidence_digest: str = ""


class MatterDesk(Desk):
    """One person who keeps the organization's file of matters."""

    async def add(self, new: NewMatter) -> pb.AddMatterResponse:
        """Enters a matter; its students come back by the names that the requester has for them.

        Raises:
            AlreadyRecordedError: if another matter has the name.
            RequestInvalidError: if a fact or a student is not as it has to be.
        """
        matter = pb.Matter(
            matter_id=new.matter_id,
            kind=new.kind,
            requester=new.requester,
            facts=new.facts.written(),
            evidence_digest=new.evidence_digest,
        )
        matter.valid_from.FromDatetime(new.valid_from)
        matter.valid_to.FromDatetime(new.valid_to)
        request = pb.AddMatterRequest(
            user_token=self._token,
            matter=matter,
            student_ids=new.student_ids,
            request_id=new_request_id(),
        )
        return await call(self._session.matters.AddMatter, request)

    async def matters(
        self, requester: str = "", *, every: bool = False
    ) -> AsyncIterator[pb.Matter]:
        """The matters on file, the newest first, without their facts.

        Args:
            requester: only those of this one.
            every: those that ended or lapsed too.
        """
        token = ""
        while True:
            page = await call(
                self._session.matters.ListMatters,
                pb.ListMattersRequest(
                    user_token=self._token,
                    requester=requester,
                    all=every,
                    page_size=_PAGE,
                    page_token=token,
                ),
            )
            for matter in page.matters:
                yield matter
            token = page.next_page_token
            if not token:
                return

    async def show(self, matter_id: str) -> tuple[pb.Matter, Sequence[pb.MatterStudent]]:
        """One matter with all its facts, and its students; the node's log tells of it."""
        request = pb.GetMatterRequest(user_token=self._token, matter_id=matter_id)
        shown = await call(self._session.matters.GetMatter, request)
        return shown.matter, shown.students

    async def end(self, matter_id: str) -> pb.Matter:
        """Ends a matter at once."""
        request = pb.EndMatterRequest(
            user_token=self._token, matter_id=matter_id, request_id=new_request_id()
        )
        return (await call(self._session.matters.EndMatter, request)).matter
