"""`homeroom dev-ca`: certificates, keys and tokens for a federation on one laptop."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from homeroom.cli.options import AsJson, Debug, Force, day
from homeroom.cli.terminal import show, show_json, tell

if TYPE_CHECKING:
    from homeroom.development import Hub

app = typer.Typer(help="Development only: an authority on this laptop.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option(help="The folder of the development federation.")]


@app.command("init")
def init(
    folder: Folder,
    federation: Annotated[str, typer.Option(help="The federation's name.")] = "demo.homeroom",
    force: Force = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Makes a new authority."""
    from homeroom.development import DevelopmentAuthority  # noqa: PLC0415 - help is quick

    DevelopmentAuthority.create(folder, federation, _now(), force=force)
    _show_made(folder / "authority", as_json=as_json)


@app.command("hub")
def hub(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    folder: Folder,
    organization_id: Annotated[str, typer.Option(help="Who runs the shared services.")] = "hub",
    registry_address: Annotated[str, typer.Option(help="host:port")] = "127.0.0.1:7001",
    consent_address: Annotated[str, typer.Option(help="host:port")] = "127.0.0.1:7002",
    gateway_address: Annotated[str, typer.Option(help="host:port")] = "127.0.0.1:7003",
    force: Force = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Makes certificates and keys for the registry, consent service, gateway and operator."""
    from homeroom.development import (  # noqa: PLC0415 - help is quick
        HUB_ROLES,
        DevelopmentAuthority,
        Hub,
        write_profile,
    )
    from homeroom.signing import SigningKey  # noqa: PLC0415 - help is quick

    authority = DevelopmentAuthority.open(folder)
    made = authority.make_organization(organization_id, HUB_ROLES, _now(), force=force)
    key = SigningKey.load(made / "signing_key.pem").public
    described = Hub(organization_id, registry_address, consent_address, gateway_address, key)
    write_profile(made, authority.federation, described, force=force)
    _show_made(made, as_json=as_json)


@app.command("organization")
def organization(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    organization_id: Annotated[str, typer.Argument(help="The organization.")],
    folder: Folder,
    node_address: Annotated[str, typer.Option(help="Where its node will answer.")] = "",
    hub_id: Annotated[str, typer.Option("--hub", help="Who runs the shared services.")] = "hub",
    force: Force = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Makes an organization's certificates, keys and profile; after `dev-ca hub`."""
    from homeroom.development import (  # noqa: PLC0415 - help is quick
        ORGANIZATION_ROLES,
        DevelopmentAuthority,
        write_profile,
    )

    authority = DevelopmentAuthority.open(folder)
    described = _hub_of(folder / hub_id)
    made = authority.make_organization(organization_id, ORGANIZATION_ROLES, _now(), force=force)
    write_profile(made, authority.federation, described, node_address=node_address, force=force)
    _show_made(made, as_json=as_json)


@app.command("token")
def token(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    organization_id: Annotated[str, typer.Argument(help="The person's organization.")],
    folder: Folder,
    user: Annotated[str, typer.Option(help="The issuer's name for the person.")],
    role: Annotated[str, typer.Option(help="The person's role, such as case_worker.")],
    trained_to: Annotated[
        str | None, typer.Option(help="The last day of the person's training.")
    ] = None,
    hours: Annotated[float, typer.Option(min=0.01, max=720, help="How long it is good.")] = 8,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Makes a person's token and saves it where the organization's profile looks for it."""
    from homeroom.development import (  # noqa: PLC0415 - help is quick
        DevelopmentAuthority,
        development_issuer,
        write_secret,
    )
    from homeroom.users import User  # noqa: PLC0415 - help is quick

    federation = DevelopmentAuthority.open(folder).federation
    made = folder / organization_id
    trained = day(trained_to, "--trained-to") if trained_to else None
    person = User(user, organization_id, role, trained)
    text = development_issuer(made, federation).token(person, federation, _now(), hours)
    # A token is made anew every day; there is nothing in the old one to keep.
    write_secret(made / "user.token", text.encode(), force=True)
    _show_made(made / "user.token", as_json=as_json)


def _hub_of(folder: Path) -> "Hub":
    from homeroom.development import Hub  # noqa: PLC0415 - help is quick
    from homeroom.profile import load_profile, required  # noqa: PLC0415 - help is quick

    profile = load_profile(folder / "profile.toml", {})
    return Hub(
        profile.organization_id,
        profile.registry.address,
        required(profile.consent, "consent").address,
        required(profile.gateway, "gateway").address,
        profile.registry_key,
        profile.consent_key,
    )


def _show_made(path: Path, *, as_json: bool) -> None:
    if as_json:
        show_json({"made": str(path)})
    else:
        show(str(path))
        tell("for development only: whoever has this folder can be anyone in the federation")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
