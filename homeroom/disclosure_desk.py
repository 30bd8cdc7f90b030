"""Reads the disclosure record at the organization's own node, for a family or for its own use."""

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pyarrow as pa

from homeroom.api.node.v1 import disclosure_service_pb2 as pb
from homeroom.desk import Desk
from homeroom.session import call

_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """For whom the record is read.

    Attributes:
        view: family, custodian or record_audit.
        relation: for a family, parent, eligible_student or minor_student.
        person: for a family, the person's name, to compare with court orders on file.
        identified: whether the office made sure who it is.
    """

    view: str = "custodian"
    relation: str = ""
    person: str = ""
    identified: bool = False
    dependent_for_tax: bool = False

    def message(self) -> pb.Reader:
        """As it travels."""
        return pb.Reader(
            view=self.view,
            relation=self.relation,
            person=self.person,
            identified=self.identified,
            dependent_for_tax=self.dependent_for_tax,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries are wanted; what is left out asks for every one."""

    student_id: str = ""
    requester: str = ""
    agreement_id: str = ""
    element: str = ""
    user_id: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None


class DisclosureDesk(Desk):
    """One person who keeps the organization's disclosure record."""

    async def entries(self, viewer: Viewer, wanted: Wanted) -> AsyncIterator[pb.DisclosureEntry]:
        """The entries, the oldest first; the node's log tells of the reading."""
        request = pb.ListDisclosuresRequest(
            user_token=self._token,
            reader=viewer.message(),
            student_id=wanted.student_id,
            requester=wanted.requester,
            agreement_id=wanted.agreement_id,
            element=wanted.element,
            user_id=wanted.user_id,
            page_size=_PAGE,
        )
        for field, at in (("since", wanted.since), ("until", wanted.until)):
            if at is not None:
                getattr(request, field).FromDatetime(at)
        while True:
            page = await call(self._session.disclosures.ListDisclosures, request)
            for entry in page.entries:
                yield entry
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def copy(self, viewer: Viewer, student_id: str, log_index: int) -> tuple[pa.Table, bool]:
        """What left of one student under one entry, and whether it is proved to be that.

        Raises:
            NotPermittedError: if this reader may not have it, or there is none.
        """
        request = pb.GetReleasedCopyRequest(
            user_token=self._token,
            reader=viewer.message(),
            student_id=student_id,
            log_index=log_index,
        )
        copied = await call(self._session.disclosures.GetReleasedCopy, request)
        return pa.ipc.open_stream(copied.rows).read_all(), copied.proved
