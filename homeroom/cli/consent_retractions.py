"""`homeroom consent retractions`: what holders want given up of the answers they gave."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from homeroom.cli.options import AsJson, Debug, ProfileOption, profile_of
from homeroom.cli.terminal import show_json, show_table, tell

if TYPE_CHECKING:
    from homeroom.consents import RetractedAnswer


def retractions(
    out: Annotated[
        Path | None, typer.Option(help="A new file to keep them in, one JSON object a line.")
    ] = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Lists the answers that a holder takes back: what they told of a name is to be destroyed."""
    found = [_written(one) for one in asyncio.run(_all(profile))]
    if out is not None:
        from homeroom.cli.consent_report import new_file  # noqa: PLC0415 - help is quick

        with new_file(out) as file:
            file.writelines(json.dumps(one, sort_keys=True) + "\n" for one in found)
    if as_json:
        show_json({"retractions": found})
    elif found:
        show_table(tuple(found[0]), [tuple(one.values()) for one in found])
    else:
        tell("nothing was taken back")


async def _all(profile: str | None) -> "list[RetractedAnswer]":
    from homeroom.client import AsyncClient  # noqa: PLC0415 - help must not wait for gRPC

    async with AsyncClient(profile_of(profile)) as client:
        return [one async for one in client.consents.retractions()]


def _written(one: "RetractedAnswer") -> dict[str, str]:
    return {
        "holder": one.holder,
        "query_digest": one.retraction.query_digest.hex(),
        "subject_ref": one.retraction.subject_ref,
        "time": one.time.isoformat(timespec="seconds"),
    }
