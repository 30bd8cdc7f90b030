"""Proves who works at the holder's own node: a steward's certificate, and a token of the person."""

from typing import Any

from homeroom.api.common.v1 import evidence_pb2
from homeroom.clock import Clock
from homeroom.errors import CallerUnknownError, NotPermittedError
from homeroom.evidence import key_that_signed
from homeroom.users import User, read_user
from services.node.domain.replica import Replica
from services.node.domain.reviewing import Act
from services.node.domain.ruling import Holder
from services.runtime.admission import MAX_TOKEN_BYTES
from services.runtime.identity import current_caller
from services.runtime.writes import content_digest

_PAGE = 50
_LARGEST_PAGE = 500


def page_size(asked: int) -> int:
    """How many entries a page has for a steward who asks for so many; 0 leaves it to the node."""
    return min(asked or _PAGE, _LARGEST_PAGE)


class Stewards:
    """The people of the holder's own organization."""

    def __init__(self, holder: Holder, replica: Replica, clock: Clock) -> None:
        self._holder = holder
        self._replica = replica
        self._clock = clock

    def user(self, token: str) -> User:
        """The person who calls: of this organization, by a token that checks.

        Raises:
            NotPermittedError: if another organization calls.
            CallerUnknownError: if the token does not check, or is of another organization.
        """
        own = self._holder.organization_id
        if current_caller().organization_id != own:
            raise NotPermittedError("only the node's own organization works here")
        now = self._clock()
        evidence = self._replica.evidence()
        evidence.registry.require("registry", now, self._holder.max_state_age)
        organization = evidence.federation.organizations.get(own)
        if organization is None or len(token) > MAX_TOKEN_BYTES:
            raise CallerUnknownError("the user's token is not accepted")
        user = read_user(token, organization.issuer, evidence.federation.federation, now)
        if user.organization_id != own:
            raise CallerUnknownError("the user's token is of another organization")
        return user

    def key_of(self, evidence: evidence_pb2.SignedStatement) -> bytes:
        """The holder's own key that signed something new; empty if none that counts now did."""
        keys = self._holder.keys_in(self._replica.evidence().federation)
        return key_that_signed(evidence, self._holder.organization_id, keys, self._clock())

    def act(self, request: Any) -> Act:
        """What a person asks to be done; who it is comes first.

        Args:
            request: a message with a `user_token` and a `request_id`.

        Raises:
            HomeroomError: as `user` does.
        """
        user = self.user(request.user_token)
        return Act(user, request.request_id, content_digest(request, request.request_id))
