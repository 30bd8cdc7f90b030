"""`homeroom audit checkpoints`: how an organization's log grew, as the registry witnessed it."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homeroom.cli.options import AsJson, Debug, ProfileOption, profile_of, reading_role
from homeroom.cli.terminal import show_json, show_table, tell

if TYPE_CHECKING:
    from homeroom.witnessed_logs import WitnessedLog

_TELLING_DIGITS = 16


def register(app: typer.Typer) -> None:
    """Adds these verbs to a command."""
    app.command("checkpoints")(checkpoints)


def checkpoints(
    organization_id: Annotated[str, typer.Argument(help="Whose log it is; or gateway-log.")],
    after: Annotated[int, typer.Option(help="Only checkpoints after this place.")] = 0,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Shows how an organization's log grew, who witnessed it, and what was refused of it."""
    found = asyncio.run(_read(profile, organization_id, after))
    if as_json:
        show_json(_written(found))
        return
    show_table(
        ("place", "entries", "root", "witnessed", "cosigned by", "began anew"),
        [
            (
                one.position,
                one.checkpoint.size,
                one.checkpoint.root.hex()[:_TELLING_DIGITS],
                one.witnessed_at.isoformat(),
                ", ".join(one.cosigned_by),
                one.reason,
            )
            for one in found.steps
        ],
    )
    for one in found.contradictions:
        tell(f"this log contradicts itself: {one.kind}, refused {one.refused_at.isoformat()}")


async def _read(profile: str | None, organization_id: str, after: int) -> "WitnessedLog":
    from homeroom.session import Session  # noqa: PLC0415 - help must not wait for gRPC
    from homeroom.witnessed_logs import read_log  # noqa: PLC0415 - likewise

    loaded = profile_of(profile)
    session = Session(loaded, reading_role(loaded))
    try:
        return await read_log(session, organization_id, after)
    finally:
        await session.close()


def _written(found: "WitnessedLog") -> dict[str, Any]:
    return {
        "checkpoints": [
            {
                "position": one.position,
                "size": one.checkpoint.size,
                "root": one.checkpoint.root.hex(),
                "witnessed_at": one.witnessed_at.isoformat(),
                "cosigned_by": list(one.cosigned_by),
                "began_anew": one.reason,
                "note": one.note,
            }
            for one in found.steps
        ],
        "contradictions": [
            {
                "kind": one.kind,
                "refused_at": one.refused_at.isoformat(),
                "known_note": one.known_note,
                "refused_note": one.refused_note,
            }
            for one in found.contradictions
        ],
    }
