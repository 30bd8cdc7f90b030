"""The registry and the consent service of a case: over the wire, signed, and saying it all at once.

They say what a case's facts make them say, and when it was last confirmed. One process speaks for
both, on a port of each.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from homeroom.api.consent.v1 import consent_service_pb2 as consent_pb
from homeroom.api.consent.v1.consent_service_pb2_grpc import (
    ConsentServiceServicer,
    add_ConsentServiceServicer_to_server,
)
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.api.registry.v1 import witness_service_pb2 as witness_pb
from homeroom.api.registry.v1.registry_service_pb2_grpc import (
    RegistryServiceServicer,
    add_RegistryServiceServicer_to_server,
)
from homeroom.api.registry.v1.witness_service_pb2_grpc import (
    WitnessServiceServicer,
    add_WitnessServiceServicer_to_server,
)
from homeroom.evidence import signed
from homeroom.merkle import leaf_hash, tree_of
from homeroom.signing import Domain, SigningKey
from tools.law.members import FEDERATION

HUB = "hub"
_YEAR = dt.timedelta(days=365)
_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass
class Hub(RegistryServiceServicer, WitnessServiceServicer, ConsentServiceServicer):
    """What both services say, for one case after the other.

    Attributes:
        organizations, agreements: the registry's state, confirmed at `registry_at`.
        changes: the consent service's for the holder, confirmed at `consents_at`.
    """

    registry_key: SigningKey = field(default_factory=SigningKey.generate)
    consent_key: SigningKey = field(default_factory=SigningKey.generate)
    organizations: Sequence[pb.Organization] = ()
    agreements: Sequence[pb.Agreement] = ()
    registry_at: dt.datetime = _NEVER
    holder: str = ""
    changes: Sequence[consent_pb.ConsentChange] = ()
    consents_at: dt.datetime = _NEVER

    async def WatchSnapshot(
        self, request: pb.WatchSnapshotRequest, context: Any
    ) -> AsyncIterator[pb.WatchSnapshotResponse]:
        snapshot = pb.Snapshot(
            federation=FEDERATION,
            sequence=1,
            organizations=self.organizations,
            agreements=self.agreements,
        )
        snapshot.issue_time.FromDatetime(self.registry_at)
        snapshot.expire_time.FromDatetime(self.registry_at + _YEAR)
        statement = snapshot.SerializeToString(deterministic=True)
        yield pb.WatchSnapshotResponse(
            snapshot=signed(Domain.SNAPSHOT, statement, HUB, self.registry_key)
        )
        await asyncio.Event().wait()

    async def ListCheckpoints(
        self, request: witness_pb.ListCheckpointsRequest, context: Any
    ) -> witness_pb.ListCheckpointsResponse:
        return witness_pb.ListCheckpointsResponse()

    async def WatchConsents(
        self, request: consent_pb.WatchConsentsRequest, context: Any
    ) -> AsyncIterator[consent_pb.WatchConsentsResponse]:
        if self.changes:
            yield consent_pb.WatchConsentsResponse(
                changes=consent_pb.ConsentChanges(changes=self.changes)
            )
        last = len(self.changes)
        leaves = [leaf_hash(one.SerializeToString(deterministic=True)) for one in self.changes]
        beat = consent_pb.ConsentHeartbeat(
            federation=FEDERATION,
            organization_id=self.holder,
            sequence=last,
            organization_sequence=last,
            log_root=tree_of(leaves)[0],
        )
        beat.beat_time.FromDatetime(self.consents_at)
        statement = beat.SerializeToString(deterministic=True)
        yield consent_pb.WatchConsentsResponse(
            heartbeat=signed(Domain.CONSENT_HEARTBEAT, statement, HUB, self.consent_key)
        )
        await asyncio.Event().wait()

    async def ReportVerdicts(
        self, request: consent_pb.ReportVerdictsRequest, context: Any
    ) -> consent_pb.ReportVerdictsResponse:
        return consent_pb.ReportVerdictsResponse()


def serve(hub: Hub, credentials: grpc.ServerCredentials) -> tuple[grpc.aio.Server, int]:
    """A server that says it, and its port; it still has to be started."""
    server = grpc.aio.server()
    add_RegistryServiceServicer_to_server(hub, server)
    add_WitnessServiceServicer_to_server(hub, server)
    add_ConsentServiceServicer_to_server(hub, server)
    return server, server.add_secure_port("127.0.0.1:0", credentials)
