"""Builds the consent service's server from its settings; here its parts meet."""

import asyncio

from homeroom.api.consent.v1.consent_service_pb2_grpc import add_ConsentServiceServicer_to_server
from homeroom.clock import utc_now
from homeroom.identity import Identity, Role
from homeroom.signing import SigningKey
from services.consent.api import ConsentServicer, HeartbeatSigner, Pulse
from services.consent.migrations import CONSENTS, VERSION_TABLE
from services.consent.settings import ConsentSettings
from services.consent.store import SqlConsentStore, SqlSnapshotShelf
from services.runtime.access import AccessTable
from services.runtime.channels import Channels
from services.runtime.database import bring_up_to_date, until_it_takes_writes
from services.runtime.metrics import ages_of, sequences_of
from services.runtime.registry_feed import RegistryFeed
from services.runtime.server import Server

_SERVICE = "/homeroom.api.consent.v1.ConsentService/"
_CONCERNED = frozenset({Role.APP, Role.STEWARD, Role.NODE})

ACCESS: AccessTable = {
    _SERVICE + "RecordConsents": frozenset({Role.APP, Role.STEWARD}),
    _SERVICE + "RevokeConsent": _CONCERNED,
    _SERVICE + "NarrowConsent": _CONCERNED,
    _SERVICE + "ReportVerdicts": frozenset({Role.NODE}),
    _SERVICE + "RotateSubjectRefs": frozenset({Role.APP, Role.STEWARD}),
    _SERVICE + "ListReports": frozenset({Role.APP, Role.STEWARD}),
    _SERVICE + "GetConsentProof": _CONCERNED,
    _SERVICE + "GetConsentLog": _CONCERNED,
    _SERVICE + "ListConsents": _CONCERNED,
    _SERVICE + "WatchConsents": frozenset({Role.NODE}),
}
"""Which roles may call which RPC; whose consents they are, the rules decide."""


async def build_server(settings: ConsentSettings) -> Server:
    """The consent service, with its tables up to date; not yet listening."""
    url = settings.database_url
    await asyncio.to_thread(bring_up_to_date, url, CONSENTS, VERSION_TABLE)
    store = SqlConsentStore(url)
    signer = HeartbeatSigner(
        settings.federation, settings.organization_id, SigningKey.load(settings.signing_key)
    )
    pulse = Pulse(store, utc_now, settings.heartbeat_seconds)
    server = Server(settings, ACCESS)
    server.resources.callback(store.close)
    registry = _follow_registry(server, settings)
    servicer = ConsentServicer(store, pulse, signer, registry, utc_now)
    add_ConsentServiceServicer_to_server(servicer, server.grpc)
    server.in_background(pulse.run(), "pulse")
    server.ready_after(lambda: until_it_takes_writes(url, version_table=VERSION_TABLE))
    return server


def _follow_registry(server: Server, settings: ConsentSettings) -> RegistryFeed:
    shelf = SqlSnapshotShelf(settings.database_url)
    server.resources.callback(shelf.close)
    feed = RegistryFeed(settings.federation, bytes.fromhex(settings.registry_key), utc_now, shelf)
    channels = Channels.of(settings)
    server.resources.push_async_callback(channels.close)
    registry = Identity(settings.federation, settings.registry_organization_id, Role.REGISTRY)
    channel = channels.to(settings.registry_address, registry)
    server.in_background(feed.follow(channel), "registry feed")
    server.metrics.read(
        *ages_of({"registry": lambda: feed.confirmed_at}, utc_now),
        sequences_of({"registry": lambda: feed.sequence}),
    )
    return feed
