"""`homeroom agreement keep` and `resubmit`: for a registry that was restored from a backup."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from homeroom.cli.exits import ExitCode
from homeroom.cli.options import AsJson, Debug, ProfileOption, Sure, confirm, profile_of
from homeroom.cli.terminal import show_json, show_table, tell
from homeroom.errors import RequestInvalidError
from homeroom.identity import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeroom.resubmission import Resubmitted


def register(app: typer.Typer) -> None:
    """Adds these verbs to a command."""
    app.command("keep")(keep)
    app.command("resubmit")(resubmit)


def keep(
    out: Annotated[Path, typer.Argument(help="The new file.")],
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Keeps every agreement with all that was signed in it, as the registry has it now."""
    from homeroom.cli.consent_report import new_file  # noqa: PLC0415 - help is quick

    kept = asyncio.run(_kept(profile))
    with new_file(out) as file:
        file.buffer.write(kept)
    if as_json:
        show_json({"bytes": len(kept)})
    else:
        tell(f"{len(kept):,} bytes kept")


def resubmit(
    file: Annotated[Path, typer.Argument(help="What was kept before.")],
    yes: Sure = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Says again what a restored registry has lost of what this organization said."""
    try:
        kept = file.read_bytes()
    except OSError:
        raise RequestInvalidError(f"the file {file} cannot be read", field="file") from None
    confirm("Send the registry what it has lost of this organization's word?", sure=yes)
    done = asyncio.run(_resubmitted(profile, kept))
    if as_json:
        show_json({"agreements": [_written(one) for one in done]})
    elif done:
        rows = [_written(one) for one in done]
        show_table(tuple(rows[0]), [tuple(row.values()) for row in rows])
    else:
        tell("this organization has no agreement in what was kept")
    if any(one.missing or one.problem for one in done):
        raise typer.Exit(ExitCode.INCOMPLETE)


async def _kept(profile: str | None) -> bytes:
    from homeroom.steward import Steward  # noqa: PLC0415 - help must not wait for gRPC

    async with Steward(profile_of(profile), Role.STEWARD) as steward:
        return await steward.keep()


async def _resubmitted(profile: str | None, kept: bytes) -> "Sequence[Resubmitted]":
    from homeroom.steward import Steward  # noqa: PLC0415 - help must not wait for gRPC

    async with Steward(profile_of(profile), Role.STEWARD) as steward:
        return await steward.resubmit(kept)


def _written(one: "Resubmitted") -> dict[str, str | int]:
    return {
        "agreement": one.agreement_id,
        "sent": one.sent,
        "missing": one.missing,
        "next": one.waits_for,
        "problem": one.problem,
    }
