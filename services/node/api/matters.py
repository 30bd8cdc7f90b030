"""Lets the holder's own stewards put matters on file."""

import datetime as dt
import re

from google.protobuf.timestamp_pb2 import Timestamp

from homeroom.api.node.v1 import matter_service_pb2 as pb
from homeroom.api.node.v1.matter_service_pb2_grpc import MatterServiceServicer
from homeroom.clock import Clock
from homeroom.errors import RequestInvalidError, TooMuchAskedError
from homeroom.identity import require_organization_id
from homeroom.matters import matter_kind_named, read_facts
from homeroom.question import MAX_SUBJECT_REFS, require_matter_id
from homeroom.users import User
from services.node.api.stewards import Stewards, page_size
from services.node.domain.filing import Filed, Filing
from services.node.domain.on_file import Matter, keys_digest
from services.node.domain.replica import Replica
from services.runtime.identity import ServicerContext
from services.runtime.pages import number_of

_DIGEST = re.compile(r"[0-9a-f]{64}")


class MatterApi(MatterServiceServicer):
    """The RPCs about matters; for the holder's own stewards, each named by a token."""

    def __init__(self, stewards: Stewards, filing: Filing, replica: Replica, clock: Clock) -> None:
        self._stewards = stewards
        self._filing = filing
        self._replica = replica
        self._clock = clock

    async def AddMatter(
        self, request: pb.AddMatterRequest, context: ServicerContext
    ) -> pb.AddMatterResponse:
        del context
        act = self._stewards.act(request)
        if len(request.student_ids) > MAX_SUBJECT_REFS:
            raise TooMuchAskedError("too many students", limit=str(MAX_SUBJECT_REFS))
        matter = self._matter(request.matter, act.user)
        filed = await self._filing.enter(act, matter, request.student_ids)
        return pb.AddMatterResponse(matter=_shown(filed), students=_students(filed))

    async def ListMatters(
        self, request: pb.ListMattersRequest, context: ServicerContext
    ) -> pb.ListMattersResponse:
        del context
        self._stewards.user(request.user_token)
        size = page_size(request.page_size)
        before = number_of(request.page_token)
        found = await self._filing.page(request.requester, before, size, every=request.all)
        return pb.ListMattersResponse(
            matters=[_message(matter, count) for matter, count in found],
            next_page_token=str(found[-1][0].key) if len(found) == size else "",
        )

    async def GetMatter(
        self, request: pb.GetMatterRequest, context: ServicerContext
    ) -> pb.GetMatterResponse:
        del context
        user = self._stewards.user(request.user_token)
        filed = await self._filing.show(user, require_matter_id(request.matter_id))
        return pb.GetMatterResponse(matter=_shown(filed), students=_students(filed))

    async def EndMatter(
        self, request: pb.EndMatterRequest, context: ServicerContext
    ) -> pb.EndMatterResponse:
        del context
        act = self._stewards.act(request)
        ended = await self._filing.end(act, require_matter_id(request.matter_id))
        return pb.EndMatterResponse(matter=_message(ended, 0))

    def _matter(self, said: pb.Matter, user: User) -> Matter:
        """The matter that a steward describes, with the keys that its requester has today."""
        kind = matter_kind_named(said.kind)
        requester = require_organization_id(said.requester)
        known = self._replica.evidence().federation.organizations.get(requester)
        if said.evidence_digest and not _DIGEST.fullmatch(said.evidence_digest):
            raise RequestInvalidError("a digest is 64 hexadecimal digits", field="evidence_digest")
        valid_from, valid_to = instant(said.valid_from, "from"), instant(said.valid_to, "to")
        if valid_to < valid_from:
            raise RequestInvalidError("the matter ends before it begins", field="to")
        return Matter(
            key=0,
            matter_id=require_matter_id(said.matter_id),
            kind=kind,
            requester=requester,
            valid_from=valid_from,
            valid_to=valid_to,
            facts=read_facts(kind, said.facts or "{}"),
            entered_by=user.user_id,
            entered_at=self._clock(),
            evidence_digest=said.evidence_digest,
            requester_keys=keys_digest(known) if known else None,
        )


def instant(written: Timestamp, field: str) -> dt.datetime:
    """The whole second that a message means.

    Raises:
        RequestInvalidError: if it means none.
    """
    try:
        at = written.ToDatetime(dt.UTC).replace(microsecond=0)
    except ValueError:
        raise RequestInvalidError("this is no instant", field=field) from None
    if not written.seconds:
        raise RequestInvalidError("this is no instant", field=field)
    return at


def _shown(filed: Filed) -> pb.Matter:
    message = _message(filed.matter, len(filed.students))
    message.facts = filed.matter.facts.written()
    return message


def _message(matter: Matter, student_count: int) -> pb.Matter:
    message = pb.Matter(
        matter_id=matter.matter_id,
        kind=matter.kind,
        requester=matter.requester,
        evidence_digest=matter.evidence_digest,
        entered_by=matter.entered_by,
        student_count=student_count,
        outside=matter.requester_keys is None,
    )
    message.valid_from.FromDatetime(matter.valid_from)
    message.valid_to.FromDatetime(matter.valid_to)
    message.enter_time.FromDatetime(matter.entered_at)
    if matter.ended_at is not None:
        message.end_time.FromDatetime(matter.ended_at)
    return message


def _students(filed: Filed) -> list[pb.MatterStudent]:
    return [pb.MatterStudent(student_id=own, subject_ref=ref) for own, ref in filed.students]
