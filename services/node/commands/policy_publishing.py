"""What the verbs that sign do: publish, sign, rollback and key."""

import datetime as dt
from pathlib import Path

import typer

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


def publish_policy(  # noqa: PLR0913  # each argument is one option of the command
    context: typer.Context,
    folder: str,
    *,
    out: str,
    key: str,
    federation: str,
    organization: str,
    days: int,
    sequence: int,
    report: str,
    as_json: bool,
) -> None:
    """Signs a policy into a bundle."""
    opa = find_opa(context.obj)
    wrong = [str(finding) for finding in lint_folder(Path(folder), open_parser(opa))]
    wrong += try_folder(Path(folder), opa).wrong
    if wrong:
        raise RequestInvalidError(f"not published: {wrong[0]}", field="folder")
    publication = _publication(federation, organization, days, sequence, report)
    rules = PolicyFolder.read(Path(folder))
    _tell(publish(rules, publication, _loaded(key), Path(out)), as_json=as_json)


def sign(_context: typer.Context, bundle: str, *, key: str, as_json: bool) -> None:
    """Adds a second person's signature to a bundle."""
    release = sign_also(Path(bundle), SigningKey.load(Path(key)))
    _tell(release, as_json=as_json, second=True)


def rollback(  # noqa: PLR0913  # each argument is one option of the command
    _context: typer.Context,
    bundle: str,
    *,
    out: str,
    key: str,
    federation: str,
    organization: str,
    days: int,
    sequence: int,
    report: str,
    as_json: bool,
) -> None:
    """Publishes an older bundle's policy once more."""
    publication = _publication(federation, organization, days, sequence, report)
    rules = PolicyBundle.read(Path(bundle)).rules
    _tell(publish(rules, publication, _loaded(key), Path(out)), as_json=as_json)


def make_key(_context: typer.Context, file: str, *, as_json: bool) -> None:
    """Makes a second person's key."""
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
