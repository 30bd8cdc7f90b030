"""Builds the gateway from its settings: where its parts meet."""

import datetime as dt
import time

from homeroom.api.gateway.v1.account_service_pb2_grpc import add_AccountServiceServicer_to_server
from homeroom.api.gateway.v1.gateway_service_pb2_grpc import add_GatewayServiceServicer_to_server
from homeroom.clock import Clock, utc_now
from homeroom.identity import Identity, Role
from services.gateway.api import (
    QUERY_METHOD,
    AccountServicer,
    FederationView,
    GatewayServicer,
    Tolerances,
)
from services.gateway.domain.limits import Deadlines, RateLimit
from services.gateway.peers import Nodes
from services.gateway.policy import QuestionPolicy
from services.gateway.settings import GatewaySettings
from services.runtime.access import AccessTable
from services.runtime.channels import Channels
from services.runtime.policy import (
    FEDERATION,
    MemoryShelf,
    PolicyEngine,
    PolicyFolder,
    PolicyTrust,
    WatchedPolicy,
    open_rules,
)
from services.runtime.registry_feed import NoShelf, RegistryFeed
from services.runtime.server import Server

ACCESS: AccessTable = {QUERY_METHOD: frozenset({Role.APP})}
ACCOUNT_ACCESS: AccessTable = {
    "/homeroom.api.gateway.v1.AccountService/GetAccount": frozenset({Role.APP})
}


async def build_server(settings: GatewaySettings, clock: Clock = utc_now) -> Server:
    """A gateway that follows the registry once it is started.

    Raises:
        PolicyUnavailableError: if the policy engine does not start.
    """
    server = Server(settings, {**ACCESS, **ACCOUNT_ACCESS})
    policy = _watched_policy(settings, clock)
    await policy.begin()
    server.resources.push_async_callback(policy.running.close)
    server.in_background(policy.watch(), "watching the policy")
    channels = Channels.of(settings)
    server.resources.push_async_callback(channels.close)
    feed = RegistryFeed(settings.federation, bytes.fromhex(settings.registry_key), clock, NoShelf())
    _serve(server, settings, feed, policy.running, channels, clock)
    registry = Identity(settings.federation, settings.registry_organization_id, Role.REGISTRY)
    server.in_background(
        feed.follow(channels.to(settings.registry_address, registry)), "following the registry"
    )
    server.ready_after(feed.first_state)
    return server


def _watched_policy(settings: GatewaySettings, clock: Clock) -> WatchedPolicy:
    async def opened(rules: PolicyFolder) -> PolicyEngine:
        return await open_rules(
            settings.policy_engine, rules, settings.policy_address, settings.policy_seconds
        )

    # Nothing is released here: what the policy lets pass, every holder decides again.
    trust = PolicyTrust(
        settings.federation, FEDERATION, bytes.fromhex(settings.registry_key), alone=True
    )
    return WatchedPolicy(settings.federation_policy, trust, opened, MemoryShelf(), clock)


def _serve(
    server: Server,
    settings: GatewaySettings,
    feed: RegistryFeed,
    engine: PolicyEngine,
    channels: Channels,
    clock: Clock,
) -> None:
    tolerances = Tolerances(
        max_state_age=dt.timedelta(seconds=settings.max_state_age_seconds),
        max_clock_skew=dt.timedelta(seconds=settings.max_clock_skew_seconds),
        state_wait_seconds=settings.state_wait_seconds,
    )
    view = FederationView(feed, tolerances, clock)
    nodes = Nodes(channels, settings.federation)
    rate = RateLimit(settings.queries_per_second, settings.query_burst, time.monotonic)
    deadlines = Deadlines(
        settings.deadline_margin_seconds,
        settings.default_deadline_seconds,
        settings.max_deadline_seconds,
    )
    servicer = GatewayServicer(view, QuestionPolicy(engine), nodes, rate, deadlines)
    add_GatewayServiceServicer_to_server(servicer, server.grpc)
    add_AccountServiceServicer_to_server(AccountServicer(view, nodes, rate, deadlines), server.grpc)
