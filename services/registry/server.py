"""Builds the registry's server from its settings; here its parts meet."""

import asyncio
import datetime as dt

from homeroom.api.registry.v1.registry_service_pb2_grpc import (
    add_RegistryServiceServicer_to_server,
)
from homeroom.api.registry.v1.witness_service_pb2_grpc import add_WitnessServiceServicer_to_server
from homeroom.clock import utc_now
from homeroom.identity import Role
from homeroom.signing import SigningKey
from services.registry.api import (
    Publisher,
    RegistryServicer,
    SnapshotSigner,
    WitnessServicer,
    thin_logs,
)
from services.registry.migrations import REGISTRY, VERSION_TABLE
from services.registry.settings import RegistrySettings
from services.registry.store import SqlRegistryStore, SqlWitnessStore
from services.runtime.access import AccessTable
from services.runtime.database import bring_up_to_date, until_it_takes_writes
from services.runtime.server import Server

_SERVICE = "/homeroom.api.registry.v1.RegistryService/"
_STEWARD = frozenset({Role.STEWARD})
_READERS = frozenset({Role.NODE, Role.GATEWAY, Role.CONSENT, Role.APP, Role.STEWARD, Role.OPERATOR})

ACCESS: AccessTable = {
    _SERVICE + "RegisterOrganization": _STEWARD,
    _SERVICE + "SetStanding": frozenset({Role.OPERATOR}),
    _SERVICE + "SetClasses": frozenset({Role.OPERATOR}),
    _SERVICE + "MarkKeyCompromised": frozenset({Role.OPERATOR}),
    _SERVICE + "ListOrganizations": frozenset(Role),
    _SERVICE + "SubmitAgreementStatement": _STEWARD,
    _SERVICE + "ListAgreements": frozenset({Role.STEWARD, Role.NODE, Role.GATEWAY, Role.APP}),
    _SERVICE + "GetSnapshot": _READERS,
    _SERVICE + "WatchSnapshot": _READERS,
}
"""Which roles may call which RPC; whose agreement or record it is, the rules decide."""

_WITNESS = "/homeroom.api.registry.v1.WitnessService/"
WITNESS_ACCESS: AccessTable = {
    _WITNESS + "SubmitCheckpoint": frozenset({Role.NODE, Role.GATEWAY}),
    _WITNESS + "SubmitCosignature": frozenset({Role.NODE, Role.STEWARD}),
    _WITNESS + "ListCheckpoints": _READERS,
    _WITNESS + "ListContradictions": _READERS,
}
"""Everyone may see what becomes of a log; of each, its own organization alone tells."""


async def build_server(settings: RegistrySettings) -> Server:
    """The registry, with its tables up to date; not yet listening."""
    url = settings.database_url
    await asyncio.to_thread(bring_up_to_date, url, REGISTRY, VERSION_TABLE)
    store = SqlRegistryStore(url)
    await asyncio.to_thread(store.go_on_after, settings.restored_after)
    key = SigningKey.load(settings.signing_key)
    signer = SnapshotSigner(
        federation=settings.federation,
        organization_id=settings.organization_id,
        key=key,
        lifetime=dt.timedelta(hours=settings.snapshot_hours),
    )
    publisher = Publisher(store, signer, utc_now, settings.heartbeat_seconds)
    server = Server(settings, {**ACCESS, **WITNESS_ACCESS})
    server.resources.callback(store.close)
    add_RegistryServiceServicer_to_server(RegistryServicer(store, publisher, utc_now), server.grpc)
    witnessed = SqlWitnessStore(url)
    gateway_key = bytes.fromhex(settings.gateway_checkpoint_key)
    server.resources.callback(witnessed.close)
    add_WitnessServiceServicer_to_server(
        WitnessServicer(witnessed, settings.federation, key, utc_now, gateway_key), server.grpc
    )
    server.in_background(publisher.run(), "publisher")
    server.in_background(thin_logs(witnessed, utc_now), "thinning witnessed logs")
    server.ready_after(lambda: until_it_takes_writes(url, version_table=VERSION_TABLE))
    return server
