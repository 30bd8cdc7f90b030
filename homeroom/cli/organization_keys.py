"""`homeroom org rotate-keys`: puts new keys in place of the organization's old ones."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homeroom.cli.options import AsJson, Debug, ProfileOption, profile_of
from homeroom.cli.terminal import show_json, show_table, tell

if TYPE_CHECKING:
    from homeroom.key_exchange import Exchanged


def register(app: typer.Typer) -> None:
    """Adds this verb to a command."""
    app.command("rotate-keys")(rotate_keys)


def rotate_keys(
    sealing: Annotated[
        bool, typer.Option("--sealing", help="The key that opens what is sealed to it.")
    ] = False,
    checkpoint: Annotated[
        bool, typer.Option("--checkpoint", help="The key that signs the log's checkpoints.")
    ] = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Makes new keys, registers them, puts their files in place and keeps the old ones beside."""
    from homeroom.key_exchange import KeyKind, exchange_keys  # noqa: PLC0415 - help is quick

    asked = {KeyKind.SEALING: sealing, KeyKind.CHECKPOINT: checkpoint}
    kinds = [kind for kind, wanted in asked.items() if wanted]
    found = asyncio.run(exchange_keys(profile_of(profile), kinds))
    if as_json:
        show_json(_written(found))
        return
    show_table(
        ("key", "is in", "the former is in"),
        ((one.kind, one.file, one.former) for one in found.keys),
    )
    tell("restart the node now, with these files; keep the former ones")
    for name in found.agreements:
        tell(f"agreement {name} names the former sealing key: propose it anew")


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
