"""Builds a node from its settings: where the parts meet."""

import asyncio
import datetime as dt
from dataclasses import dataclass
from functools import partial

from homeroom.api.node.v1.account_service_pb2_grpc import add_AccountServiceServicer_to_server
from homeroom.api.node.v1.approval_service_pb2_grpc import add_ApprovalServiceServicer_to_server
from homeroom.api.node.v1.audit_service_pb2_grpc import add_AuditServiceServicer_to_server
from homeroom.api.node.v1.destruction_service_pb2_grpc import (
    add_DestructionServiceServicer_to_server,
)
from homeroom.api.node.v1.disclosure_service_pb2_grpc import (
    add_DisclosureServiceServicer_to_server,
)
from homeroom.api.node.v1.matter_service_pb2_grpc import add_MatterServiceServicer_to_server
from homeroom.api.node.v1.node_service_pb2_grpc import add_NodeServiceServicer_to_server
from homeroom.api.node.v1.outside_service_pb2_grpc import add_OutsideServiceServicer_to_server
from homeroom.api.node.v1.review_service_pb2_grpc import add_ReviewServiceServicer_to_server
from homeroom.audit.checkpoint import log_origin
from homeroom.clock import Clock, utc_now
from homeroom.federation import FederationState
from homeroom.held_keys import HeldKeys, keys_beside
from homeroom.identity import Identity, Role
from homeroom.sealing import SealingKey
from homeroom.signing import SigningKey
from homeroom.strict_yaml import read_mapping
from services.node.api import (
    AccountApi,
    ApprovalApi,
    AuditApi,
    DestructionApi,
    DisclosureApi,
    MatterApi,
    NodeApi,
    OutsideApi,
    OwnKeys,
    ReviewApi,
    Stewards,
)
from services.node.api.access import ACCESS
from services.node.api.node import Door
from services.node.api.outside import Outside
from services.node.domain.accounting import Accounting
from services.node.domain.administration import Administration, started_content
from services.node.domain.admissions import Admissions
from services.node.domain.answer import Answerer, Stock
from services.node.domain.approving import Approving
from services.node.domain.certifying import Certifying
from services.node.domain.consent_book import ConsentBook
from services.node.domain.consent_check import ConsentCheck
from services.node.domain.copies import forget_old_copies
from services.node.domain.decision_record import forget_old_decisions
from services.node.domain.disclosing import Disclosing, Shelves
from services.node.domain.filing import Filing
from services.node.domain.holder_facts import HolderFacts
from services.node.domain.log import Log
from services.node.domain.outstanding import OverdueTally, Overseeing
from services.node.domain.register import Keeping
from services.node.domain.resuming import OpenAnswers
from services.node.domain.reviewing import Reviewing
from services.node.domain.ruling import Holder, Judge
from services.node.measuring import DecisionCounts, Measured, measured
from services.node.migrations import STATE_VERSION_TABLE
from services.node.opening import Counts, former_keys, open_from
from services.node.peers import (
    ConsentFeed,
    DiallingOut,
    NodeReplica,
    PartnerLogs,
    Reporting,
    Settling,
    readers_for,
)
from services.node.policy import (
    ConsentPolicy,
    NodePolicies,
    PolicyFiles,
    ReadingPolicy,
    open_policies,
)
from services.node.settings import NodeSettings
from services.node.store.copies import CopyStore
from services.node.store.log import LogStore
from services.node.store.matcher import StudentMatcher
from services.node.store.stores import Stores
from services.runtime.audit.standing import LogStanding
from services.runtime.audit.witnessing import LogWitness, Witnessing
from services.runtime.channels import Channels
from services.runtime.database import until_it_takes_writes
from services.runtime.metrics import measure_turns
from services.runtime.metrics.log import CountedLog, measure_log
from services.runtime.registry_feed import RegistryFeed
from services.runtime.server import Server
from services.runtime.standby import Seat
from services.runtime.turns import Turns


async def build_server(
    settings: NodeSettings, clock: Clock = utc_now, seat: Seat | None = None
) -> Server:
    """A node that listens once it is started, and is ready once it has started to follow.

    Args:
        settings: what it was told.
        clock: by which it decides; another than the machine's only where a case sets the time.
        seat: of the one elected of several replicas.
    """
    stores = await open_from(settings, seat.tenure if seat else None)
    log = CountedLog(stores.log, decisions := DecisionCounts())
    held = HeldKeys(SigningKey.load(settings.signing_key), keys_beside(settings.signing_key))
    policies, files = await open_policies(
        settings, held.signer.public, stores.bundles, stores.decisions, clock
    )
    sealing_key = SealingKey.load(settings.sealing_key)
    holder = _holder(settings, held, sealing_key.public)
    registry = _registry(settings, stores, held, clock)
    consents = _consent_feed(settings, stores, policies, sealing_key, registry, clock)
    replica = NodeReplica(registry, consents, stores.state)
    copies = await asyncio.to_thread(
        stores.begin_copies, sealing_key, holder, former_keys(settings.former_sealing_keys)
    )
    stock = _stock(settings, stores, copies)
    judge = Judge(holder, policies, stores.on_file(holder))
    answerer = Answerer(holder, replica, judge, stock, log, clock)
    server = seat.server if seat else Server(settings, ACCESS)
    counts, door = Counts(stores, files, log.standing), _door(server, settings, log, clock)
    node = NodeApi(holder, held, replica, answerer, counts, door)
    own = (stores, log, consents, clock, copies, ReadingPolicy(policies.federation), counts.overdue)
    _serve(server, Premises(holder, OwnKeys(sealing_key, held), replica, *own), node, settings)
    server.resources.push_async_callback(policies.close)
    reporting = Reporting(holder.organization_id, held, *stores.words, registry, clock)
    _follow(
        server,
        settings,
        (registry, consents, reporting),
        _logs(settings, stores, log.standing, registry, clock),
    )
    _settle(server, stores, (policies, files), consents, registry)
    await _keep_house(server, settings, stores, files, holder)
    # The log is still open when those end that wait.
    server.resources.push_async_callback(stock.open.close)
    return measured(server, settings, Measured(counts, registry, consents, decisions), clock)


def _stock(settings: NodeSettings, stores: Stores, copies: CopyStore) -> Stock:
    kept = copies if settings.released_copy_days else None
    return stores.stock(kept, OpenAnswers(settings.open_answers))


def _door(server: Server, settings: NodeSettings, log: Log, clock: Clock) -> Door:
    turns = Turns(settings.turn_limits)
    server.metrics.read(*measure_turns(turns))
    return Door(Admissions(log, clock), turns)


def _registry(settings: NodeSettings, stores: Stores, held: HeldKeys, clock: Clock) -> RegistryFeed:
    key = bytes.fromhex(settings.registry_key)
    registry = RegistryFeed(settings.federation, key, clock, stores.state)
    registry.before_taking(partial(_follow_own_keys, held, settings.organization_id))
    return registry


def _follow_own_keys(held: HeldKeys, organization_id: str, state: FederationState) -> None:
    """Signs with the key that the registry has, before anything is decided by that state."""
    own = state.organizations.get(organization_id)
    held.follow(own.keys if own else None)


@dataclass(frozen=True, slots=True)
class Premises:
    """What the holder's own people work with, and what others hold it to its log by."""

    holder: Holder
    keys: OwnKeys
    replica: NodeReplica
    stores: Stores
    log: Log
    feed: ConsentFeed
    clock: Clock
    copies: CopyStore
    reading: ReadingPolicy
    tally: OverdueTally


def _serve(server: Server, here: Premises, node: NodeApi, settings: NodeSettings) -> None:
    """Answers, and what is served beside them."""
    add_NodeServiceServicer_to_server(node, server.grpc)
    server.ready_after(here.stores.views.found_right)
    _forget_old_copies(server, settings, here.copies)
    _serve_accounts(server, here, settings)
    _serve_log(server, settings, here.stores.log)
    _serve_stewards(server, here, node)


def _serve_accounts(server: Server, here: Premises, settings: NodeSettings) -> None:
    """By what others hold this node to its log."""
    origin = log_origin(settings.federation, settings.organization_id)
    signer = here.stores.log.signer(origin, SigningKey.load(settings.checkpoint_key))
    accounting = Accounting(here.holder, here.stores.accounts, signer)
    api = AccountApi(here.holder, here.keys.held, here.replica, accounting, here.clock)
    add_AccountServiceServicer_to_server(api, server.grpc)


def _serve_stewards(server: Server, here: Premises, node: NodeApi) -> None:
    """What the holder's stewards do at their own node."""
    stores, beside = here.stores, (here.log, here.feed, here.clock)
    stewards = Stewards(here.holder, here.replica, here.clock)
    add_ReviewServiceServicer_to_server(
        ReviewApi(stewards, Reviewing(stores.claims, *beside), stores.roster), server.grpc
    )
    filing = Filing(stores.matters, *beside)
    add_MatterServiceServicer_to_server(
        MatterApi(stewards, filing, here.replica, here.clock), server.grpc
    )
    approving = Approving(stores.approvals, *beside)
    add_ApprovalServiceServicer_to_server(
        ApprovalApi(here.holder, stewards, approving), server.grpc
    )
    outside = Outside(here.holder, here.replica, filing, here.log, here.clock)
    add_OutsideServiceServicer_to_server(OutsideApi(stewards, outside, node), server.grpc)
    _serve_disclosures(server, here, stewards)


def _serve_disclosures(server: Server, here: Premises, stewards: Stewards) -> None:
    """The disclosure record, for the holder's own people."""
    stores = here.stores
    shelves = Shelves(stores.register, here.copies, stores.students, stores.names, stores.log)
    disclosing = Disclosing(here.holder, here.reading, shelves, here.log, here.clock)
    add_DisclosureServiceServicer_to_server(DisclosureApi(stewards, disclosing), server.grpc)
    _serve_destructions(server, here, stewards, disclosing)


def _serve_destructions(
    server: Server, here: Premises, stewards: Stewards, disclosing: Disclosing
) -> None:
    """What recipients certify, and what they still owe."""
    shelf = here.stores.destructions
    certifying = Certifying(here.holder, shelf, here.stores.acts, here.clock)
    overseeing = Overseeing(disclosing, here.replica, shelf, here.stores.acts, here.tally)
    api = DestructionApi(here.keys, here.replica, certifying, stewards, overseeing)
    add_DestructionServiceServicer_to_server(api, server.grpc)
    server.in_background(overseeing.run(), "noting overdue certificates")


def _serve_log(server: Server, settings: NodeSettings, log: LogStore) -> None:
    """Signs the log while it grows and when the node stops, and shows what was signed."""
    origin = log_origin(settings.federation, settings.organization_id)
    signer = log.signer(origin, SigningKey.load(settings.checkpoint_key))
    add_AuditServiceServicer_to_server(AuditApi(settings.organization_id, signer), server.grpc)
    server.resources.push_async_callback(signer.sign_last)
    server.in_background(signer.keep_signing(), "signing the log")
    server.metrics.read(*measure_log(log, signer))


def _settle(
    server: Server,
    stores: Stores,
    deciding: tuple[NodePolicies, PolicyFiles],
    consents: ConsentFeed,
    registry: RegistryFeed,
) -> None:
    """Settles consents again when what they rest on changes: policies, agreements, records."""
    policies, files = deciding
    settling = Settling(consents, stores.consents, registry, stores.changed_consents)
    server.in_background(
        settling.run(lambda: policies.federation.revision), "settling consents again"
    )
    files.on_change(consents.note_change)
    server.in_background(files.watch(), "watching policies")


def _forget_old_copies(server: Server, settings: NodeSettings, copies: CopyStore) -> None:
    kept = dt.timedelta(days=settings.released_copy_days)
    server.in_background(forget_old_copies(copies, kept, utc_now), "forgetting old copies")


async def _keep_house(
    server: Server, settings: NodeSettings, stores: Stores, files: PolicyFiles, holder: Holder
) -> None:
    """Forgets old decisions, and has the log tell of the start, of imports and of policies."""
    # By the machine's clock, by which the log notes when an entry was written.
    kept = dt.timedelta(days=settings.decision_record_days)
    forgetting = forget_old_decisions(stores.decisions, kept, utc_now)
    server.in_background(forgetting, "forgetting old decisions")
    administration = Administration(stores.acts, stores.intakes)
    # Without what may be secret, or be guessed from a digest: how a database is reached.
    known = settings.model_dump_json(exclude={"records_url", "state_url", "views_url"})
    keys, revisions = (holder.signing_key, holder.sealing_key), files.revisions
    await administration.begin(started_content(keys, known, revisions, stores.views.names))
    files.on_refusal(administration.refused)
    server.in_background(administration.run(), "noting imports")


def _holder(settings: NodeSettings, held: HeldKeys, sealing_key: bytes) -> Holder:
    """The holder, with what its own file says of it.

    Raises:
        RequestInvalidError: if the file is not exactly as it has to be.
    """
    own = HolderFacts()
    if settings.holder_file is not None:
        own = HolderFacts.read(read_mapping(settings.holder_file.read_text("utf-8"), "holder file"))
    return Holder(
        settings.organization_id,
        held.signer.public,
        sealing_key,
        dt.timedelta(seconds=settings.max_state_age_seconds),
        dt.timedelta(seconds=settings.max_clock_skew_seconds),
        keeping=Keeping(own.ferpa_covered is not False, own.jurisdiction or ""),
        own=own,
        held=held,
        query_life=dt.timedelta(seconds=settings.query_life_seconds),
    )


def _consent_feed(
    settings: NodeSettings,
    stores: Stores,
    policies: NodePolicies,
    sealing_key: SealingKey,
    registry: RegistryFeed,
    clock: Clock,
) -> ConsentFeed:
    book = ConsentBook(
        settings.organization_id,
        stores.consents,
        StudentMatcher(stores.students, stores.claims),
        ConsentCheck(ConsentPolicy(policies.federation)),
    )
    return ConsentFeed(
        settings.identity(Role.NODE),
        bytes.fromhex(settings.consent_key),
        readers_for(
            settings.organization_id,
            (sealing_key, *former_keys(settings.former_sealing_keys)),
            settings.records_url,
            stores.roster.is_large,
        ),
        book,
        registry,
        clock,
    )


@dataclass(frozen=True, slots=True)
class Logs:
    """The node's own log before its witness, and its partners' before this node."""

    witnessing: Witnessing
    partners: PartnerLogs


def _logs(
    settings: NodeSettings,
    stores: Stores,
    standing: LogStanding,
    registry: RegistryFeed,
    clock: Clock,
) -> Logs:
    partners = PartnerLogs.of(settings, registry.state, stores.partner_logs, clock)
    witnessing = Witnessing.of(settings, stores.log, standing, registry.state)
    return Logs(witnessing, partners)


def _follow(
    server: Server,
    settings: NodeSettings,
    following: tuple[RegistryFeed, ConsentFeed, Reporting],
    logs: Logs,
) -> None:
    registry, consents, reporting = following
    channels = Channels.of(settings)
    server.resources.push_async_callback(channels.close)
    server.resources.push_async_callback(consents.close)
    registry_channel = channels.to(
        settings.registry_address,
        Identity(settings.federation, settings.registry_organization_id, Role.REGISTRY),
    )
    consent_channel = channels.to(
        settings.consent_address,
        Identity(settings.federation, settings.consent_organization_id, Role.CONSENT),
    )
    server.ready_after(registry.first_state)
    server.ready_after(consents.first_confirmation)
    server.ready_after(logs.witnessing.first_comparison)
    server.ready_after(
        lambda: until_it_takes_writes(settings.state_url, version_table=STATE_VERSION_TABLE)
    )
    server.in_background(registry.follow(registry_channel), "registry feed")
    server.in_background(consents.follow(consent_channel), "consent feed")
    server.in_background(reporting.run(consent_channel, consents.lull), "verdicts")
    witness = LogWitness.of(settings, settings.organization_id, channels)
    server.in_background(logs.witnessing.run(witness), "having the log witnessed")
    server.in_background(logs.partners.run(registry_channel), "following partners' logs")
    dialling = DiallingOut.of(settings, channels, lambda: server.port)
    server.metrics.read(dialling.reading)
    server.in_background(dialling.run(), "dialling out to the gateway")
