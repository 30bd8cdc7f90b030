"""Works the review queue of the organization's own node: claims that do not link by themselves."""

from collections.abc import AsyncIterator

from homeroom.api.node.v1 import review_service_pb2 as pb
from homeroom.desk import Desk, new_request_id
from homeroom.session import call

_PAGE = 100


class ReviewDesk(Desk):
    """One person at the review queue, with a steward's certificate and a token of their own."""

    async def reviews(self, *, show_claims: bool = False) -> AsyncIterator[pb.Review]:
        """The claims that wait for a person.

        Args:
            show_claims: show what the forms say too; the node's log tells of it.
        """
        token = ""
        while True:
            page = await call(
                self._session.reviews.ListReviews,
                pb.ListReviewsRequest(
                    user_token=self._token,
                    page_size=_PAGE,
                    page_token=token,
                    show_claims=show_claims,
                ),
            )
            for review in page.reviews:
                yield review
            token = page.next_page_token
            if not token:
                return

    async def confirm(self, consent_id: str, student_id: str) -> bool:
        """Says whom a claim is about; False if a second person has to say so too.

        Raises:
            ChangedMeanwhileError: if the claim does not wait for a person.
            RequestInvalidError: if the student is not among its candidates.
        """
        response = await call(
            self._session.reviews.DecideReview,
            pb.DecideReviewRequest(
                user_token=self._token,
                consent_id=consent_id,
                confirmed_student_id=student_id,
                request_id=new_request_id(),
            ),
        )
        return not response.second_person_needed

    async def reject(self, consent_id: str) -> None:
        """Says that a claim is about none of its candidates.

        Raises:
            ChangedMeanwhileError: if the claim does not wait for a person.
        """
        await call(
            self._session.reviews.DecideReview,
            pb.DecideReviewRequest(
                user_token=self._token,
                consent_id=consent_id,
                rejected=True,
                request_id=new_request_id(),
            ),
        )

    async def undo_link(self, consent_id: str) -> pb.UndoLinkResponse:
        """Undoes a wrong link at once; says what may have been disclosed by it.

        Raises:
            ChangedMeanwhileError: if the consent is not linked by a claim.
        """
        return await call(
            self._session.reviews.UndoLink,
            pb.UndoLinkRequest(
                user_token=self._token, consent_id=consent_id, request_id=new_request_id()
            ),
        )
