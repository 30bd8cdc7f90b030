"""`homeroom org rotate-keys` and its kin: new keys in place of old, lost or stolen ones."""

import asyncio
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homeroom.cli.options import AsJson, Debug, ProfileOption, profile_of
from homeroom.cli.terminal import show_json, show_table, tell
from homeroom.identity import Role

if TYPE_CHECKING:
    from homeroom.federation import Organization
    from homeroom.key_exchange import Exchanged


def register(app: typer.Typer) -> None:
    """Adds this verb to a command."""
    app.command("rotate-keys")(rotate_keys)
    app.command("recovery-key")(make_recovery_key)
    app.command("recover")(recover)
    app.command("compromised")(mark_compromised)


def rotate_keys(
    sealing: Annotated[
        bool, typer.Option("--sealing", help="The key that opens what is sealed to it.")
    ] = False,
    checkpoint: Annotated[
        bool, typer.Option("--checkpoint", help="The key that signs the log's checkpoints.")
    ] = False,
    signing: Annotated[
        bool, typer.Option("--signing", help="The key that signs for the organization.")
    ] = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Makes new keys, registers them, puts their files in place and keeps the old ones beside."""
    from homeroom.key_exchange import KeyKind, exchange_keys  # noqa: PLC0415 - help is quick

    asked = {
        KeyKind.SEALING: sealing,
        KeyKind.CHECKPOINT: checkpoint,
        KeyKind.SIGNING: signing,
    }
    kinds = [kind for kind, wanted in asked.items() if wanted]
    found = asyncio.run(exchange_keys(profile_of(profile), kinds))
    if as_json:
        show_json(_written(found))
        return
    show_table(
        ("key", "is in", "the former is in"),
        ((one.kind, one.file, one.former) for one in found.keys),
    )
    if sealing or checkpoint:
        tell("restart the node now, with these files; keep the former ones")
    if signing:
        tell("the node signs with the new key by itself; the former signs nothing any more")
    for name in found.agreements:
        tell(f"agreement {name} names the former sealing key: propose it anew")


def make_recovery_key(
    file: Annotated[Path, typer.Argument(help="Where the key is written; there must be none.")],
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Makes a recovery key, to be kept offline; its public half goes into the profile."""
    from homeroom.development import write_secret  # noqa: PLC0415 - help is quick
    from homeroom.signing import SigningKey  # noqa: PLC0415 - help is quick

    key = SigningKey.generate()
    write_secret(file, key.to_pem())
    if as_json:
        show_json({"file": str(file), "recovery_key": key.public.hex()})
        return
    tell(f'put this line into the profile and register: recovery_key = "{key.public.hex()}"')
    tell(f"then take {file} offline, and keep it where no thief of the other keys finds it")


def recover(
    recovery_key: Annotated[Path, typer.Option(help="The recovery key, PEM.")],
    kept: Annotated[
        Path | None,
        typer.Option(help="A file of `agreement keep` from before the theft; else all stands."),
    ] = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Puts a new signing key in place of one that was lost or stolen."""
    from homeroom.key_exchange import recover_key  # noqa: PLC0415 - help is quick

    found = asyncio.run(
        recover_key(profile_of(profile), recovery_key, kept.read_bytes() if kept else None)
    )
    if as_json:
        show_json(_written(found))
        return
    show_table(("key", "is in"), ((one.kind, one.file) for one in found.keys))
    tell("restart the node now, with this file")
    for name in found.agreements:
        tell(f"agreement {name} names the former key: propose it anew, and have all sign")


def mark_compromised(
    organization_id: Annotated[str, typer.Argument(help="Whose key it is.")],
    key_id: Annotated[str, typer.Option(help="The key's fingerprint: 64 hexadecimal digits.")],
    since: Annotated[
        dt.datetime,
        typer.Option(formats=["%Y-%m-%dT%H:%M:%SZ"], help="From when on it counts no more; UTC."),
    ],
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Says from when on nothing counts that a key signed; for the operator, and for good."""
    from homeroom.steward import Steward  # noqa: PLC0415 - help is quick

    async def mark() -> "Organization":
        async with Steward(profile_of(profile), Role.OPERATOR) as operator:
            at = since.replace(tzinfo=dt.UTC)
            return await operator.mark_key_compromised(organization_id, key_id, at)

    found = asyncio.run(mark())
    if as_json:
        show_json({"organization_id": organization_id, "standing": str(found.standing)})
        return
    tell(f"{organization_id} is {found.standing}")


def _written(found: "Exchanged") -> dict[str, Any]:
    return {
        "record_version": found.organization.record_version,
        "keys": [
            {
                "kind": one.kind,
                "file": str(one.file),
                "former": str(one.former),
                "key_id": one.key_id,
            }
            for one in found.keys
        ],
        "agreements": list(found.agreements),
    }
