"""The verbs that sign: publish, sign, rollback and key."""

import datetime as dt
from pathlib import Path

import typer

from homeroom.cli import policy_options as options
from homeroom.cli.options import AsJson
from homeroom.cli.terminal import show, show_json, tell
from homeroom.clock import utc_now
from homeroom.development import write_secret
from homeroom.errors import RequestInvalidError
from homeroom.signing import SigningKey
from services.runtime.policy import (
    PolicyBundle,
    PolicyFolder,
    Publication,
    Release,
    find_opa,
    publish,
    sign_also,
)
from services.runtime.policy.lint import lint_folder
from services.runtime.policy.parsing import open_parser
from services.runtime.policy.trial import try_folder


def register(app: typer.Typer) -> None:
    """Adds these verbs to a command."""
    app.command("publish")(publish_policy)
    app.command("sign")(sign)
    app.command("rollback")(rollback)
    app.command("key")(make_key)


def publish_policy(  # noqa: PLR0913, PLR0917  # each argument is one option of the command
    context: typer.Context,
    folder: options.Folder,
    out: options.Out,
    key: options.Key = "",
    federation: options.FederationName = "",
    organization: options.Organization = "",
    days: options.Days = 365,
    sequence: options.Sequence = 0,
    report: options.ReportIn = "",
    as_json: AsJson = False,
) -> None:
    """Signs a policy into a bundle that nodes take up."""
    opa = find_opa(context.obj)
    wrong = [str(finding) for finding in lint_folder(Path(folder), open_parser(opa))]
    wrong += try_folder(Path(folder), opa).wrong
    if wrong:
        raise RequestInvalidError(f"not published: {wrong[0]}", field="folder")
    publication = _publication(federation, organization, days, sequence, report)
    rules = PolicyFolder.read(Path(folder))
    _tell(publish(rules, publication, _loaded(key), Path(out)), as_json=as_json)


def sign(bundle: options.Bundle, key: options.ApproverKey, as_json: AsJson = False) -> None:
    """Adds the signature of a second person, who lets a policy release more."""
    release = sign_also(Path(bundle), SigningKey.load(Path(key)))
    _tell(release, as_json=as_json, second=True)


def rollback(  # noqa: PLR0913, PLR0917  # each argument is one option of the command
    bundle: options.Bundle,
    out: options.Out,
    key: options.Key = "",
    federation: options.FederationName = "",
    organization: options.Organization = "",
    days: options.Days = 365,
    sequence: options.Sequence = 0,
    report: options.ReportIn = "",
    as_json: AsJson = False,
) -> None:
    """Publishes what an older bundle holds once more, under a new sequence."""
    publication = _publication(federation, organization, days, sequence, report)
    rules = PolicyBundle.read(Path(bundle)).rules
    _tell(publish(rules, publication, _loaded(key), Path(out)), as_json=as_json)


def make_key(file: options.KeyFile, as_json: AsJson = False) -> None:
    """Makes the key of a second person, and says the public key for the node's settings."""
    key = SigningKey.generate()
    write_secret(Path(file), key.to_pem())
    if as_json:
        show_json({"public_key": key.public.hex()})
    else:
        show(key.public.hex())


def _loaded(key: str) -> SigningKey:
    if not key:
        raise RequestInvalidError("say --key", field="key")
    return SigningKey.load(Path(key))


def _publication(
    federation: str, organization: str, days: int, sequence: int, report: str
) -> Publication:
    midnight = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    return Publication(
        federation,
        organization,
        midnight + dt.timedelta(days=days),
        sequence or None,
        Path(report).read_bytes() if report else None,
    )


def _tell(release: Release, *, as_json: bool, second: bool = False) -> None:
    needs_second = not second and not release.shown_to_narrow
    if as_json:
        show_json(
            {
                "scope": release.scope,
                "sequence": release.sequence,
                "revision": release.revision,
                "expires": release.expires.isoformat(),
                "needs_second_signature": needs_second,
            }
        )
        return
    show(
        f"{release.scope}: sequence {release.sequence}, revision {release.revision[:12]},"
        f" until {release.expires.date()}"
    )
    if needs_second:
        tell("it is not shown to release no more: a second person signs it, `homeroom policy sign`")
