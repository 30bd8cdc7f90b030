"""Works the review queue of the organization's own node: claims that do not link by themselves."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Self

from homeroom.api.node.v1 import review_service_pb2 as pb
from homeroom.identity import Role
from homeroom.profile import Profile, load_profile
from homeroom.session import Session, call

_PAGE = 100
_REQUEST_ID_BYTES = 16


class ReviewDesk:
    """One person at the review queue, with a steward's certificate and a token of their own."""

    def __init__(self, profile: Profile | str | Path | None = None) -> None:
        """Reads a profile: its steward's certificate and its user's token."""
        loaded = profile if isinstance(profile, Profile) else load_profile(profile)
        self._session = Session(loaded, Role.STEWARD)
        self._token = loaded.read_user_token()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection."""
        await self._session.close()

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
                request_id=_request_id(),
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
                request_id=_request_id(),
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
                user_token=self._token, consent_id=consent_id, request_id=_request_id()
            ),
        )


def _request_id() -> str:
    return secrets.token_hex(_REQUEST_ID_BYTES)
