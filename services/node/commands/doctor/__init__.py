"""What keeps a node from answering, and what to do: `python -m services.node doctor`.

It is run where the node runs, with the node's settings, whether or not the node is up. It changes
nothing, and shows no record, no key and no password.
"""

import asyncio
import datetime as dt
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import grpc
import typer
from dotenv import dotenv_values
from grpc_health.v1 import health_pb2, health_pb2_grpc

from homeroom.cli.terminal import show_table, tell
from homeroom.clock import Clock, utc_now
from homeroom.errors import HomeroomError, RequestInvalidError
from homeroom.identity import Identity, Role
from services.node.commands.doctor.certificates import examine_certificate
from services.node.commands.doctor.finding import Finding, State, fine, look, nothing_wrong, wrong
from services.node.commands.doctor.keys import examine_keys
from services.node.commands.doctor.machine import examine_databases, examine_ports
from services.node.commands.doctor.policies import examine_policies
from services.node.commands.doctor.reaching import Caller, reach
from services.node.commands.doctor.registered import (
    Told,
    ask_registry,
    clock_unknown,
    examine_clock,
    examine_registration,
    peers_with_nodes,
)
from services.node.settings import NodeSettings
from services.runtime.channels import Channels

_PREFIX = "HOMEROOM_NODE_"
_PROBE_SECONDS = 2.0
_LIVE = "live"

EnvFile = Annotated[
    Path | None,
    typer.Option("--env-file", help="The file with the node's settings; unset: the environment."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def doctor(context: typer.Context, env_file: EnvFile = None, as_json: AsJson = False) -> None:
    """Says of everything that a node needs how it is, and what to do where it is wrong.

    Ends with 1 if anything keeps the node from answering.
    """
    given: Mapping[str, str] = context.obj if env_file is None else _of_file(env_file)
    findings = asyncio.run(examine(given, utc_now))
    if as_json:
        told = [
            {"what": f.what, "state": f.state, "said": f.said, "do": f.remedy} for f in findings
        ]
        sys.stdout.write(json.dumps(told, indent=1) + "\n")
    else:
        _show(findings)
    if not nothing_wrong(findings):
        raise typer.Exit(1)


async def examine(given: Mapping[str, str], clock: Clock) -> list[Finding]:
    """Looks at everything, as far as it can be looked at."""
    now = clock()
    try:
        settings = NodeSettings.read(_PREFIX, given)
    except HomeroomError as refused:
        return [wrong("settings", refused.message, "docs/settings.md says what each must be")]
    found = [fine("settings", f"{settings.organization_id} of {settings.federation}")]
    found += _certificate(settings, now)
    found += examine_keys(settings)
    found += await asyncio.to_thread(examine_databases, settings)
    found += examine_ports(settings, runs=await _runs(settings))
    found += await asyncio.to_thread(examine_policies, settings, now)
    try:
        caller = Caller(settings.certificate, settings.private_key, settings.authorities)
        await asyncio.to_thread(caller.context)
    except OSError:
        # What is wrong with them is said above.
        said = "cannot be reached without a certificate"
        return [*found, wrong("hub", said, "mend that first"), clock_unknown()]
    return [*found, *await _hub(settings, caller, clock)]


def _certificate(settings: NodeSettings, now: dt.datetime) -> list[Finding]:
    try:
        files = [
            path.read_bytes()
            for path in (settings.certificate, settings.private_key, settings.authorities)
        ]
    except OSError as unread:
        said = f"{unread.filename}: {unread.strerror}"
        return [wrong("certificate", said, "set the path of a file that this account may read")]
    return examine_certificate(files[0], files[1], files[2], settings.identity(Role.NODE), now)


async def _runs(settings: NodeSettings) -> bool:
    """Whether a node of this machine serves with these settings now."""
    if not settings.health_address:
        return False
    async with grpc.aio.insecure_channel(settings.health_address) as channel:
        try:
            asked = health_pb2.HealthCheckRequest(service=_LIVE)
            probe = health_pb2_grpc.HealthStub(channel)
            reply = await probe.Check(asked, timeout=_PROBE_SECONDS)
        except grpc.aio.AioRpcError:
            return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


async def _hub(settings: NodeSettings, caller: Caller, clock: Clock) -> list[Finding]:
    """What the registry says, and who can be reached."""
    channels = Channels.of(settings)
    registry = Identity(settings.federation, settings.registry_organization_id, Role.REGISTRY)
    try:
        channel = channels.to(settings.registry_address, registry)
        told = await ask_registry(channel, settings, clock)
    finally:
        await channels.close()
    found = [
        await asyncio.to_thread(reach, str(who.role), address, who, caller)
        for who, address in _services(settings, registry)
    ]
    if not isinstance(told, Told):
        return [told, *found, clock_unknown()]
    found += [examine_clock(told, settings), *examine_registration(told.state, settings)]
    return [*found, *await _peers(settings, told, caller)]


def _services(settings: NodeSettings, registry: Identity) -> Iterable[tuple[Identity, str]]:
    """Whom of the hub the node calls, and where."""
    federation = settings.federation
    yield registry, settings.registry_address
    consent = Identity(federation, settings.consent_organization_id, Role.CONSENT)
    yield consent, settings.consent_address
    if settings.gateway_address:
        # Of any other gateway it is called, and calls none.
        gateway = Identity(federation, settings.gateway_operator, Role.GATEWAY)
        yield gateway, settings.gateway_address


async def _peers(settings: NodeSettings, told: Told, caller: Caller) -> list[Finding]:
    """The partners' nodes; that one is away keeps nobody else from being answered."""
    found = []
    for peer in peers_with_nodes(told.state, settings.organization_id):
        who = Identity(settings.federation, peer.organization_id, Role.NODE)
        what = f"node of {peer.organization_id}"
        one = await asyncio.to_thread(reach, what, peer.node_address, who, caller)
        found.append(look(what, one.said, one.remedy) if one.state is State.WRONG else one)
    return found


def _of_file(path: Path) -> Mapping[str, str]:
    if not path.is_file():
        raise RequestInvalidError("there is no such file of settings", field="env-file")
    return {name: value for name, value in dotenv_values(path).items() if value is not None}


def _show(findings: Sequence[Finding]) -> None:
    show_table(
        ("", "what", "how it is"),
        [("" if f.state is State.FINE else f.state, f.what, f.said) for f in findings],
    )
    for one in findings:
        if one.remedy:
            tell(f"{one.what}: {one.remedy}")
