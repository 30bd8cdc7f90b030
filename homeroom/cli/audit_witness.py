"""`homeroom audit witness`: whether the partners' logs continue what was witnessed of them."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homeroom.cli.exits import ExitCode
from homeroom.cli.options import AsJson, Debug, ProfileOption, profile_of, reading_role
from homeroom.cli.terminal import show_json, show_table, tell

if TYPE_CHECKING:
    from homeroom.witnessed_logs import PartnersLog

VERDICT_TEXT = {
    "continues": "every checkpoint continues the one before it",
    "began_anew": "it lost entries and went on, as its organization says itself",
    "contradicted": "the registry refused a checkpoint of it that contradicts another",
    "not_checked": "what the registry shows of it does not check",
    "not_witnessed": "nothing of it was witnessed yet",
}
"""What each verdict means, in words."""


def register(app: typer.Typer) -> None:
    """Adds this verb to a command."""
    app.command("witness")(witness)


def witness(
    holder: Annotated[
        list[str] | None,
        typer.Option(help="Only this organization; may be given again. Default: every partner."),
    ] = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Reads the partners' logs at the registry, checks every step, and shows contradictions."""
    found = asyncio.run(_read(profile, holder or []))
    if as_json:
        show_json({"logs": [_written(one) for one in found]})
    else:
        _show(found)
    return int(ExitCode.OK if all(one.sound for one in found) else ExitCode.EVIDENCE_INVALID)


async def _read(profile: str | None, holders: list[str]) -> "Sequence[PartnersLog]":
    from homeroom.session import Session  # noqa: PLC0415 - help must not wait for gRPC
    from homeroom.witnessed_logs import read_partners_logs  # noqa: PLC0415 - likewise

    loaded = profile_of(profile)
    session = Session(loaded, reading_role(loaded))
    try:
        return await read_partners_logs(session, holders)
    finally:
        await session.close()


def _written(one: "PartnersLog") -> dict[str, Any]:
    newest = one.newest
    return {
        "organization_id": one.organization_id,
        "verdict": one.verdict,
        "entries": newest.checkpoint.size if newest else 0,
        "witnessed_at": newest.witnessed_at.isoformat() if newest else None,
        "cosigned_size": one.cosigned_size,
        "began_anew": [step.reason for step in one.log.steps if step.reason],
        "contradictions": [
            {
                "kind": refused.kind,
                "refused_at": refused.refused_at.isoformat(),
                "known_note": refused.known_note,
                "refused_note": refused.refused_note,
            }
            for refused in one.log.contradictions
        ],
    }


def _show(found: "Sequence[PartnersLog]") -> None:
    show_table(
        ("organization", "log", "entries", "witnessed", "cosigned here"),
        [
            (
                one["organization_id"],
                one["verdict"],
                one["entries"],
                one["witnessed_at"],
                one["cosigned_size"],
            )
            for one in map(_written, found)
        ],
    )
    for one in found:
        if one.verdict != "continues":
            tell(f"{one.organization_id}: {VERDICT_TEXT[one.verdict]}")
        for refused in one.log.contradictions:
            when = refused.refused_at.isoformat()
            tell(f"{one.organization_id}: {refused.kind}, refused {when}")
