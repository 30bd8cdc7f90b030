"""Shows members of the federation how the log is, and that it only grew."""

import asyncio
from typing import Protocol

from homeroom.api.node.v1 import audit_service_pb2 as pb
from homeroom.api.node.v1.audit_service_pb2_grpc import AuditServiceServicer
from homeroom.errors import NotPermittedError
from homeroom.identity import Role
from services.runtime.identity import ServicerContext, current_caller


class Checkpointed(Protocol):
    """A checkpoint, and the path to it from an earlier size."""

    @property
    def note(self) -> str: ...

    @property
    def consistency_path(self) -> bytes: ...


class Signer(Protocol):
    """Who signs how the log is."""

    def sign(self, known_size: int = 0) -> Checkpointed:
        """A checkpoint of every entry there is."""
        ...


class AuditApi(AuditServiceServicer):
    """The log's RPCs."""

    def __init__(self, organization_id: str, signer: Signer) -> None:
        self._organization_id = organization_id
        self._signer = signer

    async def GetCheckpoint(
        self, request: pb.GetCheckpointRequest, context: ServicerContext
    ) -> pb.GetCheckpointResponse:
        del context
        caller = current_caller()
        # Through the gateway come members; whoever comes alone must be of this organization.
        if caller.role is not Role.GATEWAY and caller.organization_id != self._organization_id:
            raise NotPermittedError("members ask for a checkpoint through the gateway")
        signed = await asyncio.to_thread(self._signer.sign, request.known_size)
        return pb.GetCheckpointResponse(note=signed.note, consistency_path=signed.consistency_path)
