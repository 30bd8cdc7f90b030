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


def instant(text: str, option: str, *, last: bool) -> "dt.datetime":
    """The instant that an option names; now if it names none.

    A day means its first second, or its last one.

    Raises:
        RequestInvalidError: if it is written in another way.
    """
    import datetime as dt  # noqa: PLC0415 - beside the others

    from homeroom.clock import utc_now  # noqa: PLC0415 - help must not wait

    if not text:
        return utc_now().replace(microsecond=0)
    if len(text) == len("2026-01-31"):
        of_day = dt.time(23, 59, 59) if last else dt.time()
        return dt.datetime.combine(day(text, option), of_day, dt.UTC)
    try:
        return dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC)
    except ValueError:
        raise RequestInvalidError(
            "an instant is written YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ", field=option
        ) from None


def lines_of(path: Path | None) -> list[str]:
    """What a file of names has on each line; blank lines left out."""
    if path is None:
        return []
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


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
