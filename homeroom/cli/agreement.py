"""`homeroom agreement`: an agreement's life, from a proposal to its end."""

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
from homeroom.errors import RequestInvalidError

if TYPE_CHECKING:
    from homeroom.agreement import Schools
    from homeroom.lifecycle import AgreementHistory
    from homeroom.steward import ListedAgreement, Steward

R = TypeVar("R")

app = typer.Typer(
    help="Agreements: propose, sign, join, suspend, amend, end, show.", no_args_is_help=True
)

AgreementId = Annotated[str, typer.Argument(help="The agreement.")]
AgreementFile = Annotated[Path, typer.Argument(help="The agreement as a steward writes it, YAML.")]
Version = Annotated[int, typer.Option(min=1, help="The version; what is signed is exact.")]


@app.command("propose")
def propose(
    file: AgreementFile,
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


@app.command("counter")
def counter(
    file: AgreementFile,
    yes: Sure = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Offers a changed document in place of the one that is proposed; all sign anew."""
    text = read_text(file)

    async def act(steward: "Steward") -> "ListedAgreement":
        document = await steward.compile(text)
        tell(document.encode().decode())
        confirm("Sign this document and offer it in place of the other?", sure=yes)
        return await steward.counter(document)

    _show([_with_steward(profile, act)], as_json=as_json)


@app.command("amend")
def amend(
    file: AgreementFile,
    yes: Sure = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Proposes the next version; the old one stays in force until every party has signed."""
    text = read_text(file)

    async def act(steward: "Steward") -> "ListedAgreement":
        document = await steward.amendment(text)
        tell(document.encode().decode())
        confirm(f"Sign and propose this as version {document.version}?", sure=yes)
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


@app.command("decline")
def decline(
    agreement_id: AgreementId,
    version: Version,
    yes: Sure = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Takes back this organization's proposal, or declines another's."""
    confirm(f"Close the proposal of version {version} of {agreement_id}?", sure=yes)

    async def act(steward: "Steward") -> "ListedAgreement":
        return await steward.decline(agreement_id, version)

    _show([_with_steward(profile, act)], as_json=as_json)


@app.command("join")
def join(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    agreement_id: AgreementId,
    purpose: Annotated[list[str], typer.Option("--purpose", help="What for; may be given again.")],
    school: Annotated[
        list[str],
        typer.Option("--school", metavar="HOLDER:SCHOOL", help="A school to reach, or HOLDER:all."),
    ],
    signatory: Annotated[str, typer.Option(help="Who signs for this organization.")] = "",
    title: Annotated[str, typer.Option(help="In which office.")] = "",
    yes: Sure = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Joins an agreement under its offer; each holder opens its own schools by countersigning."""
    schools = _schools_of(school)

    async def act(steward: "Steward") -> "ListedAgreement":
        in_force = await steward.agreement(agreement_id)
        tell(in_force.statement.decode())
        confirm("Sign this document and ask to join?", sure=yes)
        return await steward.join(agreement_id, purpose, schools, (signatory, title))

    _show([_with_steward(profile, act)], as_json=as_json)


@app.command("countersign")
def countersign(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    agreement_id: AgreementId,
    joiner: Annotated[str, typer.Argument(help="The organization that joins.")],
    take_back: Annotated[
        bool, typer.Option("--take-back", help="Take the countersignature back, at once.")
    ] = False,
    yes: Sure = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Opens this organization's schools to a joiner, as far as its joining asks."""

    async def act(steward: "Steward") -> "ListedAgreement":
        if take_back:
            confirm(f"Close this organization's schools to {joiner}?", sure=yes)
            return await steward.take_back(agreement_id, joiner)
        joined = (await steward.history(agreement_id)).joiner(joiner)
        if joined is None:
            raise RequestInvalidError("there is no such joining", field="joiner")
        _tell_status(await steward.history(agreement_id))
        confirm(f"Open this organization's schools to {joiner} as far as it asks?", sure=yes)
        return await steward.countersign(agreement_id, joiner, joined.digest)

    _show([_with_steward(profile, act)], as_json=as_json)


@app.command("suspend")
def suspend(
    agreement_id: AgreementId,
    reason: Annotated[str, typer.Option(help="Why, as a word; the other parties see it.")] = "",
    yes: Sure = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Suspends this organization's part at once; answers that are running stop."""
    confirm(f"Suspend this organization's part of {agreement_id}?", sure=yes)

    async def act(steward: "Steward") -> "ListedAgreement":
        return await steward.suspend(agreement_id, reason)

    _show([_with_steward(profile, act)], as_json=as_json)


@app.command("resume")
def resume(
    agreement_id: AgreementId,
    yes: Sure = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Resumes the part that this organization suspended."""
    confirm(f"Resume this organization's part of {agreement_id}?", sure=yes)

    async def act(steward: "Steward") -> "ListedAgreement":
        return await steward.resume(agreement_id)

    _show([_with_steward(profile, act)], as_json=as_json)


@app.command("end")
def end(
    agreement_id: AgreementId,
    whole: Annotated[
        bool, typer.Option("--whole", help="For every party, where the document lets one.")
    ] = False,
    yes: Sure = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Ends this organization's part at once and for good; the others go on."""
    part = "all of" if whole else "this organization's part of"
    confirm(f"End {part} {agreement_id} for good?", sure=yes)

    async def act(steward: "Steward") -> "ListedAgreement":
        return await steward.end(agreement_id, whole=whole)

    _show([_with_steward(profile, act)], as_json=as_json)


@app.command("status")
def status(
    agreement_id: AgreementId,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Says where an agreement stands, whose turn it is, and what happened so far."""
    from homeroom.lifecycle.words import statement_in_words  # noqa: PLC0415 - help must not wait

    async def act(steward: "Steward") -> "AgreementHistory":
        return await steward.history(agreement_id)

    history = _with_steward(profile, act)
    steps = [(f"{one.time:%Y-%m-%d %H:%M}", statement_in_words(one)) for one in history.statements]
    if as_json:
        steps_as_json = [{"time": time, "said": said} for time, said in steps]
        show_json({"status": _status(history), "history": steps_as_json})
        return
    show("\n".join(_status(history)))
    show_table(("time", "what was said"), steps)


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
        tell(f"{_state(agreement)}; signed by {', '.join(agreement.signed_by)}")


def _with_steward(profile: str | None, act: "Callable[[Steward], Awaitable[R]]") -> R:
    from homeroom.steward import Steward  # noqa: PLC0415 - help must not wait for gRPC

    loaded = profile_of(profile)

    async def acted() -> R:
        async with Steward(loaded, reading_role(loaded)) as steward:
            return await act(steward)

    return asyncio.run(acted())


def _schools_of(options: Sequence[str]) -> "dict[str, Schools]":
    """The schools that options name, HOLDER:SCHOOL each."""
    named: dict[str, list[str]] = {}
    for option in options:
        holder, _, school = option.partition(":")
        if not holder or not school:
            raise RequestInvalidError("a school is written HOLDER:SCHOOL", field="school")
        named.setdefault(holder, []).append(school)
    return {
        holder: "all" if "all" in schools else tuple(sorted(set(schools)))
        for holder, schools in named.items()
    }


def _status(history: "AgreementHistory") -> list[str]:
    from homeroom.clock import utc_now  # noqa: PLC0415 - help must not wait for it
    from homeroom.lifecycle.words import status_in_words  # noqa: PLC0415 - nor for this

    return status_in_words(history, utc_now().date())


def _tell_status(history: "AgreementHistory") -> None:
    for sentence in _status(history):
        tell(sentence)


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
                _state(a),
                f"{a.document.effective_from} to {a.document.effective_to}",
                ", ".join(party.organization_id for party in a.document.parties),
                ", ".join(a.signed_by),
            )
            for a in agreements
        ),
    )


def _state(agreement: "ListedAgreement") -> str:
    return f"{agreement.state} ({agreement.cause})" if agreement.cause else str(agreement.state)


def _as_json(agreement: "ListedAgreement") -> dict[str, Any]:
    return {
        "agreement_id": agreement.document.agreement_id,
        "version": agreement.document.version,
        "state": agreement.state,
        "cause": agreement.cause or "",
        "signed_by": agreement.signed_by,
        "suspended_by": sorted(agreement.history.suspended_by),
        "ended_by": sorted(agreement.history.ended_by),
        "document": json.loads(agreement.statement),
    }
