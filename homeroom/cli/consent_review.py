"""`homeroom consent review` and `undo-link`: people judge what does not link by itself."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homeroom.cli.options import AsJson, Debug, ProfileOption, Sure, confirm, profile_of
from homeroom.cli.terminal import show_json, show_table, tell
from homeroom.errors import RequestInvalidError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeroom.api.node.v1.review_service_pb2 import (
        Disclosure,
        PersonShown,
        Review,
        UndoLinkResponse,
    )

_SKIP, _NONE_OF_THEM, _QUIT = "s", "n", "q"


def review(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    confirmed: Annotated[
        str | None, typer.Option("--confirm", help="The consent whose claim is about --student.")
    ] = None,
    student: Annotated[
        str | None, typer.Option(help="The candidate, by the organization's own id.")
    ] = None,
    rejected: Annotated[
        str | None,
        typer.Option("--reject", help="The consent whose claim is about none of the candidates."),
    ] = None,
    show_claims: Annotated[
        bool, typer.Option("--show-claims", help="Show what the forms say; the log tells of it.")
    ] = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Works the queue of claims that do not link to a student by themselves."""
    if (confirmed is None) is not (student is None) or (confirmed and rejected):
        raise RequestInvalidError(
            "say --confirm with --student, or --reject, or neither", field="confirm"
        )
    if confirmed and student:
        linked = asyncio.run(_confirm(profile, confirmed, student))
        _tell_decided(confirmed, as_json=as_json, linked=linked)
    elif rejected:
        asyncio.run(_reject(profile, rejected))
        _tell_decided(rejected, as_json=as_json, linked=None)
    elif as_json:
        waiting = asyncio.run(_list(profile, show_claims=show_claims))
        show_json({"reviews": [_review_json(one) for one in waiting]})
    else:
        asyncio.run(_work(profile, show_claims=show_claims))


def undo_link(
    consent_id: Annotated[str, typer.Argument(help="A consent that is linked to a wrong student.")],
    yes: Sure = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Undoes a wrong link at once, and lists what may have been disclosed by it."""
    confirm("Undo this link? What it allows ends at once.", sure=yes)
    undone = asyncio.run(_undo(profile, consent_id))
    if as_json:
        show_json(_undone_json(undone))
        return
    tell(f"{len(undone.consent_ids)} consents allow nothing now")
    if undone.disclosures:
        show_table(
            ("log", "time", "recipient", "user", "purpose", "dataset", "elements"),
            [tuple(_disclosure_json(one).values()) for one in undone.disclosures],
        )
    else:
        tell("nothing was disclosed by it")


async def _work(profile: str | None, *, show_claims: bool) -> None:
    from homeroom.reviews import ReviewDesk  # noqa: PLC0415 - help must not wait for gRPC

    async with ReviewDesk(profile_of(profile)) as desk:
        async for one in desk.reviews(show_claims=show_claims):
            _show(one)
            answer = await asyncio.to_thread(_ask, len(one.candidates))
            if answer == _QUIT:
                return
            if answer == _NONE_OF_THEM:
                await desk.reject(one.consent_id)
            elif answer != _SKIP:
                chosen = one.candidates[int(answer) - 1].student.student_id
                if not await desk.confirm(one.consent_id, chosen):
                    tell("this link was undone before: a second person has to confirm it")
    tell("nothing more waits")


def _ask(candidates: int) -> str:
    """What a person says of one claim.

    Raises:
        RequestInvalidError: if there is nobody to ask.
    """
    if not typer.get_text_stream("stdin").isatty():
        raise RequestInvalidError("nobody is there to be asked: say --json", field="json")
    allowed = [str(number) for number in range(1, candidates + 1)]
    while True:
        said = typer.prompt(
            "The number of the student, n for none of them, s to skip, q to quit", err=True
        )
        if said in {*allowed, _SKIP, _NONE_OF_THEM, _QUIT}:
            return str(said)


def _show(one: "Review") -> None:
    tell(f"consent {one.consent_id} ({one.lane})")
    if one.HasField("claim"):
        show_table(("the form says",), [(" ".join(_person_json(one.claim).values()),)])
    show_table(
        ("", "student", "name", "born", "school", "agrees or not", "why a person"),
        (
            (
                str(number),
                each.student.student_id,
                _name(each.student),
                each.student.birth_date,
                each.student.school_id,
                ", ".join(each.pattern),
                ", ".join(each.reasons),
            )
            for number, each in enumerate(one.candidates, 1)
        ),
    )


def _tell_decided(consent_id: str, *, as_json: bool, linked: bool | None) -> None:
    state = {True: "linked", False: "second_person_needed", None: "rejected"}[linked]
    if as_json:
        show_json({"consent_id": consent_id, "state": state})
    elif linked is False:
        tell("this link was undone before: a second person has to confirm it")
    else:
        tell(state)


async def _list(profile: str | None, *, show_claims: bool) -> "Sequence[Review]":
    from homeroom.reviews import ReviewDesk  # noqa: PLC0415 - help must not wait for gRPC

    async with ReviewDesk(profile_of(profile)) as desk:
        return [one async for one in desk.reviews(show_claims=show_claims)]


async def _confirm(profile: str | None, consent_id: str, student_id: str) -> bool:
    from homeroom.reviews import ReviewDesk  # noqa: PLC0415 - help must not wait for gRPC

    async with ReviewDesk(profile_of(profile)) as desk:
        return await desk.confirm(consent_id, student_id)


async def _reject(profile: str | None, consent_id: str) -> None:
    from homeroom.reviews import ReviewDesk  # noqa: PLC0415 - help must not wait for gRPC

    async with ReviewDesk(profile_of(profile)) as desk:
        await desk.reject(consent_id)


async def _undo(profile: str | None, consent_id: str) -> "UndoLinkResponse":
    from homeroom.reviews import ReviewDesk  # noqa: PLC0415 - help must not wait for gRPC

    async with ReviewDesk(profile_of(profile)) as desk:
        return await desk.undo_link(consent_id)


def _name(person: "PersonShown") -> str:
    return " ".join(filter(None, (person.given_name, person.middle_name, person.family_name)))


def _person_json(person: "PersonShown") -> dict[str, str]:
    return {
        "student_id": person.student_id,
        "given_name": person.given_name,
        "middle_name": person.middle_name,
        "family_name": person.family_name,
        "birth_date": person.birth_date,
        "school_id": person.school_id,
    }


def _review_json(one: "Review") -> dict[str, Any]:
    return {
        "consent_id": one.consent_id,
        "lane": one.lane,
        "claim": _person_json(one.claim) if one.HasField("claim") else None,
        "candidates": [
            {
                **_person_json(each.student),
                "bits": each.bits,
                "pattern": list(each.pattern),
                "reasons": list(each.reasons),
            }
            for each in one.candidates
        ],
    }


def _undone_json(undone: "UndoLinkResponse") -> dict[str, Any]:
    return {
        "consent_ids": list(undone.consent_ids),
        "recipients": list(undone.recipients),
        "disclosures": [_disclosure_json(one) for one in undone.disclosures],
    }


def _disclosure_json(one: "Disclosure") -> dict[str, Any]:
    return {
        "log_index": one.log_index,
        "time": one.decide_time.ToJsonString(),
        "recipient": one.recipient,
        "user": one.user_id,
        "purpose": one.purpose,
        "dataset": one.dataset,
        "elements": ", ".join(one.elements),
    }
