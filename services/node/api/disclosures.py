"""Shows the disclosure record to the holder's own people, for themselves or for a family."""

import datetime as dt

import pyarrow as pa
from google.protobuf.timestamp_pb2 import Timestamp

from homeroom.api.node.v1 import disclosure_service_pb2 as pb
from homeroom.api.node.v1.disclosure_service_pb2_grpc import DisclosureServiceServicer
from homeroom.errors import RequestInvalidError
from homeroom.question import elements_named
from services.node.api.matters import instant
from services.node.api.stewards import Stewards, page_size
from services.node.domain.disclosing import Disclosing, Reader
from services.node.domain.kept_record import CertifiedDestruction, KeptRecord, RecordFilter
from services.runtime.identity import ServicerContext
from services.runtime.pages import number_of


class DisclosureApi(DisclosureServiceServicer):
    """The RPCs of the disclosure record; for the holder's own people, each named by a token."""

    def __init__(self, stewards: Stewards, disclosing: Disclosing) -> None:
        self._stewards = stewards
        self._disclosing = disclosing

    async def ListDisclosures(
        self, request: pb.ListDisclosuresRequest, context: ServicerContext
    ) -> pb.ListDisclosuresResponse:
        del context
        user = self._stewards.user(request.user_token)
        size = page_size(request.page_size)
        # A page ends at a log index, and the first entry of all has 0.
        after = number_of(request.page_token) - 1
        found = await self._disclosing.page(
            user, reader_of(request.reader), _filter(request), request.student_id, after, size
        )
        return pb.ListDisclosuresResponse(
            entries=map(_entry, found),
            next_page_token=str(found[-1].log_index + 1) if len(found) == size else "",
        )

    async def GetReleasedCopy(
        self, request: pb.GetReleasedCopyRequest, context: ServicerContext
    ) -> pb.GetReleasedCopyResponse:
        del context
        user = self._stewards.user(request.user_token)
        if not request.student_id:
            raise RequestInvalidError("a copy is of one student", field="student_id")
        reader = reader_of(request.reader)
        copied = await self._disclosing.copy(user, reader, request.student_id, request.log_index)
        return pb.GetReleasedCopyResponse(rows=_stream(copied.rows), proved=copied.proved)


def reader_of(said: pb.Reader) -> Reader:
    """For whom the record is read."""
    return Reader(
        view=said.view,
        relation=said.relation,
        person=said.person,
        identified=said.identified,
        dependent_for_tax=said.dependent_for_tax,
    )


def _filter(request: pb.ListDisclosuresRequest) -> RecordFilter:
    named = elements_named([request.element] if request.element else [])
    return RecordFilter(
        requester=request.requester,
        agreement_id=request.agreement_id,
        element=named[0] if named else None,
        user_id=request.user_id,
        since=instant(request.since, "since") if request.HasField("since") else None,
        until=instant(request.until, "until") if request.HasField("until") else None,
    )


def _entry(one: KeptRecord) -> pb.DisclosureEntry:
    entry = pb.DisclosureEntry(
        log_index=one.log_index,
        query_digest=one.query_digest,
        event=one.event,
        regimes=one.regimes,
        onward=[
            pb.OnwardParty(organization_id=to, interest=one.onward.get(to, ""))
            for to in one.onward_to
        ],
        authorities=one.authorities,
        first_day=_day(one.first_day),
        last_day=_day(one.last_day),
        elements=one.elements,
        released=one.released,
        reasons=one.reasons,
        withheld=one.withheld,
        obligations=one.obligations,
        federation_revision=one.revisions[0],
        local_revision=one.revisions[1],
        consent_ids=one.consent_ids,
        declared_by=one.threat.declared_by if one.threat else "",
        threat=one.threat.words if one.threat else "",
        **{name: getattr(one, name) for name in _AS_THEY_ARE},
    )
    entry.write_time.FromDatetime(one.at)
    entry.certified.extend(map(_certified, one.certified))
    _put(entry.secret_until, one.secret_until)
    if one.ended is not None:
        entry.ended.row_count, entry.ended.cut = one.ended.rows, one.ended.cut
        entry.ended.frames_digest = one.ended.frames_digest
        entry.ended.end_time.FromDatetime(one.ended.at)
    return entry


def _certified(said: CertifiedDestruction) -> pb.CertifiedDestruction:
    told = pb.CertifiedDestruction(
        destroy_date=said.destroyed_on.isoformat(),
        method=said.method,
        kept_because=said.kept_because,
        consent_id=said.consent_id,
    )
    told.receive_time.FromDatetime(said.received_at)
    return told


_AS_THEY_ARE = (
    *("requester", "affiliation", "user_id", "role", "purpose", "interest", "basis"),
    *("agreement_id", "agreement_version", "matter_id", "dataset", "released_by"),
    *("releaser_role", "releaser_key", "everyone", "secret", "student_count"),
)


def _put(written: Timestamp, at: dt.datetime | None) -> None:
    if at is not None:
        written.FromDatetime(at)


def _day(day: dt.date | None) -> str:
    return day.isoformat() if day else ""


def _stream(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream
