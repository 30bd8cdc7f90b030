"""A registry's witness for a gateway under test: it cosigns whatever it is shown."""

import datetime as dt
from typing import Any

import grpc

from homeroom.api.registry.v1 import witness_service_pb2 as pb
from homeroom.audit.checkpoint import (
    GATEWAY_LOG,
    cosign,
    log_origin,
    read_checkpoint,
    registry_witness_name,
)
from homeroom.signing import SigningKey


class ScriptedWitness:
    """Keeps the gateway's checkpoints in their order, each with its own line."""

    def __init__(self, federation: str, key: SigningKey) -> None:
        self._name = registry_witness_name(federation)
        self._origin = log_origin(federation, GATEWAY_LOG)
        self._key = key
        self.taken: list[pb.WitnessedCheckpoint] = []

    @property
    def size(self) -> int:
        """How many entries the newest one was of."""
        return read_checkpoint(self.taken[-1].note).size if self.taken else 0

    def take(self, note: str) -> pb.WitnessedCheckpoint:
        """Cosigns a checkpoint and keeps it."""
        assert read_checkpoint(note).origin == self._origin
        now = dt.datetime.now(dt.UTC)
        line = cosign(note, self._name, self._key, now)
        taken = pb.WitnessedCheckpoint(position=len(self.taken) + 1, note=note + line)
        self.taken.append(taken)
        return taken

    def handlers(self) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            "homeroom.api.registry.v1.WitnessService",
            {
                "SubmitCheckpoint": grpc.unary_unary_rpc_method_handler(
                    self._submit,
                    pb.SubmitCheckpointRequest.FromString,
                    pb.SubmitCheckpointResponse.SerializeToString,
                ),
                "ListCheckpoints": grpc.unary_unary_rpc_method_handler(
                    self._list,
                    pb.ListCheckpointsRequest.FromString,
                    pb.ListCheckpointsResponse.SerializeToString,
                ),
            },
        )

    async def _submit(
        self, request: pb.SubmitCheckpointRequest, _context: Any
    ) -> pb.SubmitCheckpointResponse:
        return pb.SubmitCheckpointResponse(checkpoint=self.take(request.note))

    async def _list(
        self, request: pb.ListCheckpointsRequest, _context: Any
    ) -> pb.ListCheckpointsResponse:
        assert request.newest
        assert request.organization_id == GATEWAY_LOG
        return pb.ListCheckpointsResponse(checkpoints=self.taken[-1:])
