"""The options that many verbs share, and how a verb reads what it was given."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from homeroom.errors import RequestInvalidError
from homeroom.identity import Role

if TYPE_CHECKING:
    import datetime as dt

    from homeroom.profile import Profile

ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile", metavar="NAME|FILE", help="Whom to act for; by default HOMEROOM_PROFILE."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON on standard output.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where an unexpected error came from.")]
Sure = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there already.")]


def profile_of(named: str | None) -> "Profile":
    """The profile that a verb acts with."""
    from homeroom.profile import load_profile  # noqa: PLC0415 - help must not wait for pydantic

    return load_profile(named)


def reading_role(profile: "Profile") -> Role:
    """A role of the profile that may read the registry."""
    roles = {
        Role.STEWARD: profile.steward,
        Role.APP: profile.app,
        Role.OPERATOR: profile.operator,
    }
    return next((role for role, bearer in roles.items() if bearer is not None), Role.APP)


def day(text: str, option: str) -> "dt.date":
    """The day that an option names."""
    from homeroom.question import day_of  # noqa: PLC0415 - help must not wait for Arrow

    return day_of(text, option)


def confirm(question: str, *, sure: bool) -> None:
    """Asks a person before an act that others see; a program says `--yes`.

    Raises:
        RequestInvalidError: if there is nobody to ask.
    """
    if sure:
        return
    if not typer.get_text_stream("stdin").isatty():
        raise RequestInvalidError("nobody is there to be asked: say --yes", field="yes")
    typer.confirm(question, abort=True, err=True)


def read_text(path: Path) -> str:
    """The text of a file that an option names.

    Raises:
        RequestInvalidError: if it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise RequestInvalidError(f"the file {path} cannot be read", field="file") from None
