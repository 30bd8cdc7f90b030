"""`homeroom agreement`: propose, sign, end, list and show agreements."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from homeroom.cli.options import (
    AsJson,
    Debug,
    ProfileOption,
    Sure,
    confirm,
    profile_of,
    read_text,
    reading_role,
)
from homeroom.cli.terminal import show, show_json, show_table, tell

if TYPE_CHECKING:
    from homeroom.steward import ListedAgreement, Steward

R = TypeVar("R")

app = typer.Typer(help="Agreements: propose, sign, end, list, show.", no_args_is_help=True)

AgreementId = Annotated[str, typer.Argument(help="The agreement.")]
Version = Annotated[int, typer.Option(min=1, help="The version; what is signed is exact.")]


@app.command("propose")
def propose(
    file: Annotated[Path, typer.Argument(help="The agreement as a steward writes it, YAML.")],
    yes: Sure = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Offers an agreement to its parties, signed by this organization."""
    text = read_text(file)

    async def act(steward: "Steward") -> "ListedAgreement":
        document = await steward.compile(text)
        tell(document.encode().decode())
        confirm("Sign and propose this document?", sure=yes)
        return await steward.propose(document)

    _show([_with_steward(profile, act)], as_json=as_json)


@app.command("sign")
def sign(
    agreement_id: AgreementId,
    version: Version,
    yes: Sure = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Adds this organization's signature to a proposed agreement."""

    async def act(steward: "Steward") -> "ListedAgreement":
        proposed = await steward.agreement(agreement_id, version)
        tell(proposed.statement.decode())
        confirm("Sign this document?", sure=yes)
        return await steward.sign(agreement_id, version, proposed.statement)

    _show([_with_steward(profile, act)], as_json=as_json)


@app.command("end")
def end(
    agreement_id: AgreementId,
    version: Version,
    yes: Sure = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Ends an agreement at once, for every party."""
    confirm(f"End version {version} of {agreement_id}, for every party?", sure=yes)

    async def act(steward: "Steward") -> "ListedAgreement":
        return await steward.end(agreement_id, version)

    _show([_with_steward(profile, act)], as_json=as_json)


@app.command("list")
def list_agreements(
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Lists the agreements of this organization."""

    async def act(steward: "Steward") -> "Sequence[ListedAgreement]":
        return await steward.agreements()

    _show(_with_steward(profile, act), as_json=as_json)


@app.command("show")
def show_agreement(
    agreement_id: AgreementId,
    version: Annotated[int, typer.Option(min=0, help="The version; by default the newest.")] = 0,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Shows an agreement's exact document, and who has signed it."""

    async def act(steward: "Steward") -> "ListedAgreement":
        return await steward.agreement(agreement_id, version)

    agreement = _with_steward(profile, act)
    if as_json:
        show_json({"agreements": [_as_json(agreement)]})
    else:
        show(agreement.statement.decode())
        tell(f"{agreement.state}; signed by {', '.join(agreement.signed_by)}")


def _with_steward(profile: str | None, act: "Callable[[Steward], Awaitable[R]]") -> R:
    from homeroom.steward import Steward  # noqa: PLC0415 - help must not wait for gRPC

    loaded = profile_of(profile)

    async def acted() -> R:
        async with Steward(loaded, reading_role(loaded)) as steward:
            return await act(steward)

    return asyncio.run(acted())


def _show(agreements: "Sequence[ListedAgreement]", *, as_json: bool) -> None:
    if as_json:
        show_json({"agreements": [_as_json(agreement) for agreement in agreements]})
        return
    show_table(
        ("agreement", "version", "title", "state", "in effect", "parties", "signed by"),
        (
            (
                a.document.agreement_id,
                a.document.version,
                a.document.title,
                a.state,
                f"{a.document.effective_from} to {a.document.effective_to}",
                ", ".join(party.organization_id for party in a.document.parties),
                ", ".join(a.signed_by),
            )
            for a in agreements
        ),
    )


def _as_json(agreement: "ListedAgreement") -> dict[str, Any]:
    return {
        "agreement_id": agreement.document.agreement_id,
        "version": agreement.document.version,
        "state": agreement.state,
        "signed_by": agreement.signed_by,
        "document": json.loads(agreement.statement),
    }
