"""The verbs of `python -m services.gateway` about its log, where it is kept."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from homeroom.audit.checkpoint import GATEWAY_LOG, Checkpoint, log_origin
from homeroom.cli.options import AsJson
from homeroom.cli.terminal import tell
from homeroom.signing import SigningKey
from services.gateway.migrations import GATEWAY, VERSION_TABLE
from services.gateway.opening import open_log
from services.gateway.settings import GatewaySettings
from services.gateway.store import GatewayLog
from services.runtime.audit import verbs
from services.runtime.audit.accepting import accept_loss
from services.runtime.audit.witnessing import LogWitness
from services.runtime.channels import Channels
from services.runtime.database import bring_up_to_date

DatabaseUrl = Annotated[
    str, typer.Option(envvar="HOMEROOM_GATEWAY_DATABASE_URL", help="The database of the log.")
]
Federation = Annotated[
    str, typer.Option(envvar="HOMEROOM_GATEWAY_FEDERATION", help="The federation's name.")
]
CheckpointKey = Annotated[
    Path,
    typer.Option(envvar="HOMEROOM_GATEWAY_CHECKPOINT_KEY", help="The key of checkpoints, PEM."),
]


def register(app: typer.Typer) -> None:
    """Adds these verbs to a command."""
    app.command("verify-log")(verify_log)
    app.command("export-log")(export_log)
    app.command("accept-log")(accept_log)


def verify_log(database_url: DatabaseUrl, as_json: AsJson = False) -> None:
    """Verifies every entry, checkpoint and hash of the gateway's log against the others."""
    with _opened(database_url) as log:
        verbs.verify(log, as_json=as_json)


def export_log(
    out: Annotated[Path, typer.Argument(help="The new file.")],
    database_url: DatabaseUrl,
    federation: Federation,
    checkpoint_key: CheckpointKey,
    as_json: AsJson = False,
) -> None:
    """Signs the log as it is now, and writes all of it to a file for `homeroom audit verify`."""
    with _opened(database_url) as log:
        verbs.export(log, log_origin(federation, GATEWAY_LOG), checkpoint_key, out, as_json=as_json)


def accept_log(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="What happened, as a sentence for everyone.")],
    registry_signing_key: Annotated[
        Path, typer.Option(help="The key that the registry signs with, PEM: its owner says so.")
    ],
) -> None:
    """Lets a log go on that lost entries; the loss stays visible to everyone, for good.

    Run it with the gateway's settings, while no gateway serves.
    """
    settings = GatewaySettings.read("HOMEROOM_GATEWAY_", context.obj)
    lost, kept = asyncio.run(_accept(settings, SigningKey.load(registry_signing_key), reason))
    tell(f"the log goes on after {kept:,} entries; {lost.size:,} had been witnessed")


async def _accept(
    settings: GatewaySettings, signing_key: SigningKey, reason: str
) -> tuple[Checkpoint, int]:
    channels = Channels.of(settings)
    log = await open_log(settings)
    try:
        witness = LogWitness.of(settings, GATEWAY_LOG, channels)
        key = SigningKey.load(settings.checkpoint_key)
        return await accept_loss(witness, log, key, signing_key, reason)
    finally:
        log.close()
        await channels.close()


@contextmanager
def _opened(url: str) -> Iterator[GatewayLog]:
    bring_up_to_date(url, GATEWAY, VERSION_TABLE)
    log = GatewayLog(url)
    try:
        yield log
    finally:
        log.close()
