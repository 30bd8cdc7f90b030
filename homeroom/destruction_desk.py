"""Asks the organization's own node which recipients owe a certificate of destruction."""

from collections.abc import Sequence

from homeroom.api.node.v1 import destruction_service_pb2 as pb
from homeroom.desk import Desk
from homeroom.disclosure_desk import Viewer
from homeroom.session import call


class DestructionDesk(Desk):
    """One person who looks after what others must destroy."""

    async def outstanding(self, viewer: Viewer) -> Sequence[pb.OutstandingDestruction]:
        """What is not certified yet, the most pressing first; the node's log tells of the reading.

        Raises:
            NotPermittedError: if this person may not read the disclosure record.
        """
        request = pb.ListOutstandingRequest(user_token=self._token, reader=viewer.message())
        response = await call(self._session.own_destructions.ListOutstanding, request)
        return list(response.outstanding)
