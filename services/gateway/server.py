"""Builds the gateway from its settings: where its parts meet."""

import datetime as dt
import time
from functools import partial

from homeroom.api.gateway.v1.account_service_pb2_grpc import add_AccountServiceServicer_to_server
from homeroom.api.gateway.v1.destruction_service_pb2_grpc import (
    add_DestructionServiceServicer_to_server,
)
from homeroom.api.gateway.v1.gateway_service_pb2_grpc import add_GatewayServiceServicer_to_server
from homeroom.api.gateway.v1.tunnel_service_pb2_grpc import add_TunnelServiceServicer_to_server
from homeroom.audit.checkpoint import GATEWAY_LOG, log_origin
from homeroom.clock import Clock, utc_now
from homeroom.identity import Identity, Role
from homeroom.signing import SigningKey
from services.gateway.api import (
    QUERY_METHOD,
    RESUME_METHOD,
    AccountServicer,
    DestructionServicer,
    FederationView,
    GatewayServicer,
    Limits,
    Tolerances,
)
from services.gateway.domain.limits import Deadlines, RateLimit
from services.gateway.domain.recording import QuestionLog
from services.gateway.measuring import QuestionCounts, measure
from services.gateway.migrations import VERSION_TABLE
from services.gateway.opening import (
    PatientLog,
    PolicyNotes,
    note_refused_policy,
    note_start,
    open_log,
)
from services.gateway.peers import Nodes
from services.gateway.policy import QuestionPolicy
from services.gateway.settings import GatewaySettings
from services.gateway.store import GatewayLog
from services.gateway.tunnels import Tunnels, TunnelServicer
from services.runtime.access import AccessTable
from services.runtime.audit.standing import WitnessedLog
from services.runtime.audit.witnessing import LogWitness, Witnessing
from services.runtime.channels import Channels
from services.runtime.database import until_it_takes_writes
from services.runtime.logs import log
from services.runtime.metrics import measure_turns
from services.runtime.metrics.log import CountedLog, measure_log, measure_standing
from services.runtime.policy import (
    FEDERATION,
    PolicyEngine,
    PolicyFolder,
    PolicyTrust,
    RunningPolicy,
    WatchedPolicy,
    open_rules,
)
from services.runtime.registry_feed import NoShelf, RegistryFeed
from services.runtime.server import Server
from services.runtime.turns import Turns

ACCESS: AccessTable = dict.fromkeys((QUERY_METHOD, RESUME_METHOD), frozenset({Role.APP}))
ACCOUNT_ACCESS: AccessTable = {
    "/homeroom.api.gateway.v1.AccountService/GetAccount": frozenset({Role.APP})
}
DESTRUCTION_ACCESS: AccessTable = {
    "/homeroom.api.gateway.v1.DestructionService/CertifyDestruction": frozenset({Role.APP})
}
TUNNEL_ACCESS: AccessTable = {
    "/homeroom.api.gateway.v1.TunnelService/OpenTunnel": frozenset({Role.NODE})
}


async def build_server(settings: GatewaySettings, clock: Clock = utc_now) -> Server:
    """A gateway that follows the registry once it is started.

    Raises:
        PolicyUnavailableError: if the policy engine does not start.
        LogUnavailableError: if the log cannot be written.
    """
    server = Server(settings, {**ACCESS, **ACCOUNT_ACCESS, **DESTRUCTION_ACCESS, **TUNNEL_ACCESS})
    kept = await open_log(settings)
    server.resources.callback(kept.close)
    policy = _watched_policy(settings, kept, clock)
    await policy.begin()
    server.resources.push_async_callback(policy.running.close)
    server.in_background(policy.watch(), "watching the policy")
    await note_start(kept, settings, policy.running.revision)
    channels = Channels.of(settings)
    server.resources.push_async_callback(channels.close)
    counts = QuestionCounts()
    taking = _keep_log(server, settings, CountedLog(kept, counts), (kept, channels))
    questions = QuestionLog(taking, clock, _report_unwritten)
    server.resources.push_async_callback(questions.finish)
    policy.tell_refusals(partial(note_refused_policy, questions))
    feed = RegistryFeed(settings.federation, bytes.fromhex(settings.registry_key), clock, NoShelf())
    view = FederationView(feed, _tolerances(settings), clock)
    turns = Turns(settings.turn_limits)
    server.metrics.read(*measure_turns(turns))
    nodes = Nodes(channels, settings.federation, _take_tunnels(server, turns))
    _serve(server, settings, view, policy.running, (nodes, turns, questions))
    _follow(server, settings, feed, channels)
    measure(server.metrics, counts, feed, policy, _tolerances(settings).max_state_age)
    return server


def _take_tunnels(server: Server, turns: Turns) -> Tunnels:
    """Takes the streams of nodes that dial out; they carry on while questions are answered."""
    tunnels = Tunnels()
    server.resources.push_async_callback(tunnels.close)
    add_TunnelServiceServicer_to_server(TunnelServicer(tunnels), server.grpc)
    server.on_drain(lambda: tunnels.drain(lambda: turns.are_free))
    return tunnels


def _follow(
    server: Server, settings: GatewaySettings, feed: RegistryFeed, channels: Channels
) -> None:
    registry = Identity(settings.federation, settings.registry_organization_id, Role.REGISTRY)
    server.in_background(
        feed.follow(channels.to(settings.registry_address, registry)), "following the registry"
    )
    server.ready_after(feed.first_state)


def _keep_log(
    server: Server,
    settings: GatewaySettings,
    taking: WitnessedLog[None],
    beside: tuple[GatewayLog, Channels],
) -> PatientLog:
    """Signs the log while it grows and when the gateway stops, and has the registry witness it."""
    kept, channels = beside
    origin = log_origin(settings.federation, GATEWAY_LOG)
    signer = kept.signer(origin, SigningKey.load(settings.checkpoint_key))
    server.resources.push_async_callback(signer.sign_last)
    server.in_background(signer.keep_signing(), "signing the log")
    server.metrics.read(*measure_log(kept, signer), *measure_standing(taking.standing))
    witnessing = Witnessing.of(settings, kept, taking.standing)
    witness = LogWitness.of(settings, GATEWAY_LOG, channels)
    server.ready_after(witnessing.first_comparison)
    server.ready_after(
        lambda: until_it_takes_writes(settings.database_url, version_table=VERSION_TABLE)
    )
    server.in_background(witnessing.run(witness), "having the log witnessed")
    return PatientLog(taking, witnessing.first_comparison, settings.state_wait_seconds)


def _report_unwritten(error_type: str) -> None:
    log.error("an entry of the log was not written", error_type=error_type)


def _watched_policy(settings: GatewaySettings, kept: GatewayLog, clock: Clock) -> WatchedPolicy:
    async def opened(rules: PolicyFolder) -> PolicyEngine:
        return await open_rules(
            settings.policy_engine, rules, settings.policy_address, settings.policy_seconds
        )

    # Nothing is released here: what the policy lets pass, every holder decides again.
    trust = PolicyTrust(
        settings.federation, FEDERATION, bytes.fromhex(settings.registry_key), alone=True
    )
    return WatchedPolicy(settings.federation_policy, trust, opened, PolicyNotes(kept), clock)


def _tolerances(settings: GatewaySettings) -> Tolerances:
    return Tolerances(
        max_state_age=dt.timedelta(seconds=settings.max_state_age_seconds),
        max_clock_skew=dt.timedelta(seconds=settings.max_clock_skew_seconds),
        state_wait_seconds=settings.state_wait_seconds,
        query_life=dt.timedelta(seconds=settings.query_life_seconds),
    )


def _serve(
    server: Server,
    settings: GatewaySettings,
    view: FederationView,
    engine: RunningPolicy,
    beside: tuple[Nodes, Turns, QuestionLog],
) -> None:
    """Answers questions, and what is asked beside them."""
    nodes, turns, questions = beside
    rate = RateLimit(settings.queries_per_second, settings.query_burst, time.monotonic)
    deadlines = Deadlines(
        settings.deadline_margin_seconds,
        settings.default_deadline_seconds,
        settings.max_deadline_seconds,
    )
    limits = Limits(rate, deadlines, turns)
    servicer = GatewayServicer(view, QuestionPolicy(engine), nodes, limits, questions)
    add_GatewayServiceServicer_to_server(servicer, server.grpc)
    carried = (view, nodes, limits, questions)
    add_AccountServiceServicer_to_server(AccountServicer(*carried), server.grpc)
    add_DestructionServiceServicer_to_server(DestructionServicer(*carried), server.grpc)
