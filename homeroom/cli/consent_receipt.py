"""`homeroom consent receipt` and `verify-receipt`: what a family keeps, and what it proves."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from homeroom.cli.options import AsJson, Debug, ProfileOption, profile_of, read_text
from homeroom.cli.terminal import show_json, show_table, tell
from homeroom.errors import RequestInvalidError


def receipt(
    consent_id: Annotated[str, typer.Argument(help="The consent.")],
    out: Annotated[Path, typer.Option(help="Where to save it; an .html page is saved beside it.")],
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Saves a family's receipt of a consent, signed, with the proof that it was logged."""
    from homeroom.cli.consent_report import new_file  # noqa: PLC0415 - help is quick
    from homeroom.consent_receipt import printable  # noqa: PLC0415 - help is quick

    text = asyncio.run(_receipt(profile, consent_id))
    page = out.with_suffix(".html")
    for path, content in ((out, text), (page, printable(text))):
        with new_file(path) as file:
            file.write(content)
    if as_json:
        show_json({"receipt": str(out), "page": str(page)})
    else:
        tell(f"the receipt is {out}; {page} is for paper")


def verify_receipt(
    file: Annotated[Path, typer.Argument(help="The receipt.")],
    recorder_key: Annotated[
        str | None,
        typer.Option(help="The recorder's public signing key, hexadecimal; by default one's own."),
    ] = None,
    consent_key: Annotated[
        str | None,
        typer.Option(help="The consent service's, hexadecimal; by default the profile's."),
    ] = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Checks a receipt without asking anyone: who signed it, and what stands in the log."""
    from homeroom.consent_receipt import check_receipt  # noqa: PLC0415 - help is quick

    keys = _keys(recorder_key, consent_key, profile)
    checked = check_receipt(read_text(file), *keys)
    if as_json:
        show_json(
            {
                "consent_id": checked.consent_id,
                "recorder": checked.recorder,
                "events": [{"state": state, "sequence": at} for state, at in checked.events],
                "log_size": checked.log_size,
                "log_time": checked.log_time.isoformat(),
            }
        )
    else:
        show_table(("state", "entry of the log"), checked.events)
        tell(f"the log had {checked.log_size:,} entries at {checked.log_time.isoformat()}")


def _keys(
    recorder_key: str | None, consent_key: str | None, profile: str | None
) -> tuple[bytes, bytes]:
    """The recorder's and the consent service's public keys; those not given, from the profile."""
    recorder = _key(recorder_key, "recorder_key") if recorder_key else None
    consent = _key(consent_key, "consent_key") if consent_key else None
    if recorder is None or consent is None:
        from homeroom.credentials import signing_key_of  # noqa: PLC0415 - help is quick
        from homeroom.profile import required  # noqa: PLC0415 - help is quick

        chosen = profile_of(profile)
        recorder = recorder or signing_key_of(chosen).public
        consent = consent or required(chosen.consent_key, "consent_key")
    return recorder, consent


def _key(text: str, field: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:  # noqa: PLR2004 - the length of every public key here
        raise RequestInvalidError("a public key has 64 hexadecimal digits", field=field)
    return key


async def _receipt(profile: str | None, consent_id: str) -> str:
    from homeroom.client import AsyncClient  # noqa: PLC0415 - help must not wait for gRPC
    from homeroom.clock import utc_now  # noqa: PLC0415 - beside its only use
    from homeroom.consent_receipt import make_receipt  # noqa: PLC0415 - help is quick
    from homeroom.credentials import signing_key_of  # noqa: PLC0415 - help is quick

    chosen = profile_of(profile)
    async with AsyncClient(chosen) as client:
        proved = await client.consents.prove(consent_id)
    if proved.consent.recorder != chosen.organization_id:
        raise RequestInvalidError("the organization that recorded a consent gives the receipt")
    return make_receipt(proved, chosen.federation, signing_key_of(chosen), utc_now())
