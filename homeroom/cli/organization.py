"""`homeroom org`: register the organization, list all, admit and suspend."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homeroom.cli.options import (
    AsJson,
    Debug,
    ProfileOption,
    day,
    profile_of,
    read_text,
    reading_role,
)
from homeroom.cli.terminal import show_json, show_table
from homeroom.errors import RequestInvalidError
from homeroom.identity import Role

if TYPE_CHECKING:
    from homeroom.federation import ClassMembership, Organization
    from homeroom.steward import OrganizationRecord

app = typer.Typer(help="Organizations: register, list, admit and suspend.", no_args_is_help=True)


@app.command("register")
def register(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    name: Annotated[str, typer.Option(help="The name people know it by.")],
    kind: Annotated[str, typer.Option(help="district, community_org, shelter …")],
    issuer: Annotated[str, typer.Option(help="The issuer of its users' tokens.")],
    issuer_keys: Annotated[Path, typer.Option(help="The issuer's JSON Web Key Set.")],
    node_address: Annotated[
        str,
        typer.Option(help="Where its node answers; `dials-out` where nobody can connect to it."),
    ] = "",
    dataset: Annotated[
        list[str] | None, typer.Option("--dataset", help="A dataset its node holds.")
    ] = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Registers the profile's organization, or replaces its record."""
    record: OrganizationRecord = {
        "display_name": name,
        "kind": kind,
        "node_address": node_address,
        "datasets": dataset or [],
        "user_issuer": issuer,
        "user_keys": read_text(issuer_keys),
    }
    _show([asyncio.run(_register(profile, record))], as_json=as_json)


@app.command("list")
def list_organizations(
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Lists the organizations whose own records check."""
    _show(asyncio.run(_organizations(profile)), as_json=as_json)


@app.command("standing")
def set_standing(
    organization_id: Annotated[str, typer.Argument(help="The organization.")],
    standing: Annotated[str, typer.Argument(help="active, suspended, debarred or pending.")],
    until: Annotated[
        dt.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The last day of a bar; else until it is lifted."),
    ] = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Admits, suspends or debars an organization; for the federation's operator alone."""
    last_day = until.date() if until else None
    changed = asyncio.run(_set_standing(profile, organization_id, standing, last_day))
    _show([changed], as_json=as_json)


@app.command("classes")
def set_classes(
    organization_id: Annotated[str, typer.Argument(help="The organization.")],
    member_of: Annotated[
        list[str] | None,
        typer.Option("--class", metavar="NAME:FROM[:TO]", help="A class and its days; again."),
    ] = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Says in which classes of recipients an organization is; for the operator alone."""
    classes = [_class_membership(text) for text in member_of or []]
    _show([asyncio.run(_set_classes(profile, organization_id, classes))], as_json=as_json)


async def _register(profile: str | None, record: "OrganizationRecord") -> "Organization":
    from homeroom.steward import Steward  # noqa: PLC0415 - help must not wait for gRPC

    async with Steward(profile_of(profile)) as steward:
        return await steward.register(**record)


async def _organizations(profile: str | None) -> "Sequence[Organization]":
    from homeroom.steward import Steward  # noqa: PLC0415 - help must not wait for gRPC

    loaded = profile_of(profile)
    async with Steward(loaded, reading_role(loaded)) as steward:
        state = await steward.federation()
        return [state.organizations[name] for name in sorted(state.organizations)]


async def _set_standing(
    profile: str | None, organization_id: str, standing: str, until: dt.date | None
) -> "Organization":
    from homeroom.steward import Steward  # noqa: PLC0415 - help must not wait for gRPC

    async with Steward(profile_of(profile), Role.OPERATOR) as operator:
        return await operator.set_standing(organization_id, standing, until)


async def _set_classes(
    profile: str | None, organization_id: str, classes: "Sequence[ClassMembership]"
) -> "Organization":
    from homeroom.steward import Steward  # noqa: PLC0415 - help must not wait for gRPC

    async with Steward(profile_of(profile), Role.OPERATOR) as operator:
        return await operator.set_classes(organization_id, classes)


def _class_membership(text: str) -> "ClassMembership":
    from homeroom.federation import ClassMembership  # noqa: PLC0415 - help must not wait for it

    name, *days = text.split(":")
    if len(days) not in (1, 2):
        raise RequestInvalidError("a class is written NAME:FROM or NAME:FROM:TO", field="class")
    return ClassMembership(name, *(day(one, "class") for one in days))


def _show(organizations: "Sequence[Organization]", *, as_json: bool) -> None:
    if as_json:
        show_json({"organizations": [_as_json(o) for o in organizations]})
        return
    show_table(
        ("organization", "name", "kind", "standing", "node", "datasets"),
        (
            (
                o.organization_id,
                o.display_name,
                o.kind,
                o.standing,
                o.node_address,
                ", ".join(sorted(o.datasets)),
            )
            for o in organizations
        ),
    )


def _as_json(organization: "Organization") -> dict[str, Any]:
    return {
        "organization_id": organization.organization_id,
        "display_name": organization.display_name,
        "kind": organization.kind,
        "standing": organization.standing,
        "node_address": organization.node_address,
        "datasets": sorted(organization.datasets),
        "signing_key": organization.signing_key.hex(),
        "sealing_key": organization.sealing_key.hex(),
        "checkpoint_key": organization.checkpoint_key.hex(),
        "record_version": organization.record_version,
        "classes": [
            {"name": one.name, "from": str(one.from_day), "to": str(one.to_day or "")}
            for one in organization.classes
        ],
    }
