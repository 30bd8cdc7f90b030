"""Lets the holder's own staff work the review queue."""

import asyncio
import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Protocol

from homeroom.api.node.v1 import review_service_pb2 as pb
from homeroom.api.node.v1.review_service_pb2_grpc import ReviewServiceServicer
from homeroom.consent_terms import require_consent_id
from homeroom.errors import RequestInvalidError
from services.node.api.stewards import Stewards, page_size
from services.node.domain.claim_links import ClaimLink
from services.node.domain.matching import Identity
from services.node.domain.reviewing import Disclosed, Reviewing
from services.runtime.identity import ServicerContext


class OwnStudent(Protocol):
    """A student as the holder's own records have it."""

    @property
    def student_id(self) -> str: ...

    @property
    def identity(self) -> Identity: ...


class OwnStudents(Protocol):
    """The holder's own records of students."""

    def students(self, student_keys: Iterable[int]) -> Mapping[int, OwnStudent]: ...

    def key_of(self, student_id: str) -> int | None: ...


class ReviewApi(ReviewServiceServicer):
    """The RPCs of the review queue; for the holder's own stewards, each named by a token."""

    def __init__(
        self,
        stewards: Stewards,
        reviewing: Reviewing,
        students: OwnStudents,
    ) -> None:
        self._stewards = stewards
        self._reviewing = reviewing
        self._students = students

    async def ListReviews(
        self, request: pb.ListReviewsRequest, context: ServicerContext
    ) -> pb.ListReviewsResponse:
        del context
        user = self._stewards.user(request.user_token)
        size = page_size(request.page_size)
        after = require_consent_id(request.page_token) if request.page_token else ""
        found = await self._reviewing.list(user, after, size, shown=request.show_claims)
        keys = {offer.student_key for link in found for offer in link.offers}
        students = await asyncio.to_thread(self._students.students, keys)
        return pb.ListReviewsResponse(
            reviews=[_review(link, students, shown=request.show_claims) for link in found],
            next_page_token=found[-1].consent_id if len(found) == size else "",
            waiting_count=await asyncio.to_thread(self._reviewing.claims.waiting),
        )

    async def DecideReview(
        self, request: pb.DecideReviewRequest, context: ServicerContext
    ) -> pb.DecideReviewResponse:
        del context
        act = self._stewards.act(request)
        consent_id = require_consent_id(request.consent_id)
        match request.WhichOneof("decision"):
            case "confirmed_student_id":
                key = await asyncio.to_thread(self._students.key_of, request.confirmed_student_id)
                if key is None:
                    raise RequestInvalidError(
                        "the student is not among the candidates", field="confirmed_student_id"
                    )
                linked = await self._reviewing.confirm(act, consent_id, key)
                return pb.DecideReviewResponse(second_person_needed=not linked)
            case "rejected" if request.rejected:
                await self._reviewing.reject(act, consent_id)
                return pb.DecideReviewResponse()
        raise RequestInvalidError("a decision confirms or rejects", field="decision")

    async def UndoLink(
        self, request: pb.UndoLinkRequest, context: ServicerContext
    ) -> pb.UndoLinkResponse:
        del context
        act = self._stewards.act(request)
        consent_id = require_consent_id(request.consent_id)
        undone = await self._reviewing.undo(act, consent_id)
        return pb.UndoLinkResponse(
            consent_ids=undone.consent_ids,
            recipients=undone.recipients,
            disclosures=map(_disclosure, undone.disclosed),
        )


def _review(link: ClaimLink, students: Mapping[int, OwnStudent], *, shown: bool) -> pb.Review:
    review = pb.Review(
        consent_id=link.consent_id,
        lane=link.lane,
        candidates=[
            pb.ReviewCandidate(
                student=_person(
                    students[offer.student_key].identity, students[offer.student_key].student_id
                ),
                bits=round(offer.bits, 1),
                pattern=offer.pattern,
                reasons=offer.reasons,
            )
            for offer in link.offers
            if offer.student_key in students
        ],
    )
    if shown:
        review.claim.CopyFrom(_person(link.claim, link.claim.local_id))
    return review


def _person(identity: Identity, student_id: str) -> pb.PersonShown:
    born = identity.birth_date
    return pb.PersonShown(
        student_id=student_id,
        given_name=identity.given,
        middle_name=identity.middle,
        family_name=identity.family,
        birth_date=born.isoformat() if isinstance(born, dt.date) else "",
        school_id=identity.school_id,
    )


def _disclosure(one: Disclosed) -> pb.Disclosure:
    said = pb.Disclosure(
        log_index=one.log_index,
        recipient=one.recipient,
        user_id=one.user,
        purpose=one.purpose,
        dataset=one.dataset,
        elements=one.elements,
    )
    said.decide_time.FromDatetime(one.at)
    return said
