"""`homeroom request`: what waits for approval here, and what someone outside asks for."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homeroom.cli.exits import exit_of_sources
from homeroom.cli.options import (
    AsJson,
    Debug,
    Force,
    ProfileOption,
    Sure,
    confirm,
    day,
    instant,
    lines_of,
    profile_of,
)
from homeroom.cli.query import outcomes_json
from homeroom.cli.terminal import show_json, show_table, tell
from homeroom.errors import RequestInvalidError

if TYPE_CHECKING:
    import datetime as dt

    import pyarrow as pa

    from homeroom.api.node.v1.approval_service_pb2 import Approval
    from homeroom.outside import OutsideRequest
    from homeroom.question import Question
    from homeroom.request_desk import OutsideAnswer

app = typer.Typer(help="What waits for a steward, or is asked from outside.", no_args_is_help=True)

RequestId = Annotated[str, typer.Argument(metavar="REQUEST", help="The request.")]
Requester = Annotated[str, typer.Argument(help="Who asks, by a name of letters and _.")]
Dataset = Annotated[str, typer.Argument(help="The dataset.")]
Elements = Annotated[list[str], typer.Argument(help="The elements asked for.")]
Basis = Annotated[str, typer.Option(help="The ground that is claimed.")]
Purpose = Annotated[str, typer.Option("--purpose", "-p", help="What for.")]
PersonRole = Annotated[str, typer.Option("--role", help="The role of the person who asks.")]
Authenticated = Annotated[bool, typer.Option("--authenticated", help="The person was identified.")]
TrainedUntil = Annotated[str, typer.Option(help="The last day of the training.")]
WorksWithThem = Annotated[
    bool, typer.Option("--works-with-them", help="The person works with these students.")
]
Kind = Annotated[str, typer.Option(help="What the requester is, if nobody knows it.")]
Agreement = Annotated[str, typer.Option("--agreement", "-a", help="The agreement.")]
Matter = Annotated[str, typer.Option(help="The matter that is relied on.")]
Students = Annotated[
    list[str] | None, typer.Option("--student", help="A student, by the organization's own id.")
]
StudentsFile = Annotated[Path | None, typer.Option(help="A file of such ids.")]
OnwardTo = Annotated[list[str] | None, typer.Option("--onward-to", help="Whom it is passed on to.")]
Out = Annotated[Path | None, typer.Option(help="Save what may be handed over.")]
_COLUMNS = ("request", "requester", "agreement", "purpose", "element", "state", "from", "to")


@app.command("list")
def list_requests(
    every: Annotated[bool, typer.Option("--all", help="Also what was decided.")] = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Lists the elements that wait for a steward's approval, the oldest first."""
    found = [_approval_json(one) for one in asyncio.run(_list(profile, every=every))]
    if as_json:
        show_json({"requests": found})
    else:
        show_table(_COLUMNS, [tuple(one[column] for column in _COLUMNS) for one in found])


@app.command("approve")
def approve(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    request_id: RequestId,
    until: Annotated[str, typer.Option(help="Until when: a day, or an instant in UTC.")],
    since: Annotated[str, typer.Option(help="From when; by default now.")] = "",
    yes: Sure = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Approves one element for one use and a time, by the organization's signature."""
    between = (instant(since, "--since", last=False), instant(until, "--until", last=True))
    confirm("Approve this request? The element may leave then.", sure=yes)
    _tell_decided(asyncio.run(_approve(profile, request_id, *between)), as_json=as_json)


@app.command("deny")
def deny(
    request_id: RequestId,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Denies a request, or takes an approval back at once."""
    _tell_decided(asyncio.run(_deny(profile, request_id)), as_json=as_json)


@app.command("enter")
def enter(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    requester: Requester,
    dataset: Dataset,
    elements: Elements,
    basis: Basis,
    purpose: Purpose,
    role: PersonRole,
    authenticated: Authenticated = False,
    trained_until: TrainedUntil = "",
    works_with_them: WorksWithThem = False,
    kind: Kind = "",
    agreement: Agreement = "",
    matter: Matter = "",
    student: Students = None,
    students_file: StudentsFile = None,
    onward_to: OnwardTo = None,
    out: Out = None,
    force: Force = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Enters what someone outside asks for, and shows what may be handed over."""
    _require_place(out, force=force)
    relied_on = (agreement, matter, tuple(onward_to or ()))
    person = (role, authenticated, trained_until, works_with_them)
    request = _request(
        (requester, kind),
        _question(dataset, elements, purpose, basis, relied_on),
        person,
        _students(student, students_file),
    )
    answer = asyncio.run(_enter(profile, request))
    _show_answer(answer, out, as_json=as_json)
    return exit_of_sources([answer.source])


def _require_place(out: Path | None, *, force: bool) -> None:
    if out is not None:
        from homeroom.cli.saving import require_place  # noqa: PLC0415 - help must not wait

        require_place(out, force=force)


def _students(named: list[str] | None, file: Path | None) -> tuple[str, ...]:
    students = tuple(dict.fromkeys([*(named or []), *lines_of(file)]))
    if file is not None and not students:
        # An empty file names nobody; it must not come to mean everyone.
        raise RequestInvalidError("the file names nobody", field="students_file")
    return students


def _request(
    requester: tuple[str, str],
    question: "Question",
    person: tuple[str, bool, str, bool],
    students: tuple[str, ...],
) -> "OutsideRequest":
    """The request as it is signed."""
    from homeroom.outside import OutsideRequest  # noqa: PLC0415 - help must not wait for gRPC

    name, kind = requester
    role, authenticated, trained_until, works_with_them = person
    return OutsideRequest(
        requester=name,
        question=question,
        role=role,
        authenticated=authenticated,
        student_ids=students,
        requester_kind=kind,
        training_valid_to=day(trained_until, "--trained-until") if trained_until else None,
        works_with_students=works_with_them,
    )


async def _list(profile: str | None, *, every: bool) -> "list[Approval]":
    from homeroom.request_desk import RequestDesk  # noqa: PLC0415 - help must not wait for gRPC

    async with RequestDesk(profile_of(profile)) as desk:
        return [one async for one in desk.waiting(every=every)]


async def _approve(
    profile: str | None, request_id: str, since: "dt.datetime", until: "dt.datetime"
) -> "Approval":
    from homeroom.request_desk import RequestDesk  # noqa: PLC0415 - help must not wait for gRPC

    async with RequestDesk(profile_of(profile)) as desk:
        return await desk.approve(request_id, since, until)


async def _deny(profile: str | None, request_id: str) -> "Approval":
    from homeroom.request_desk import RequestDesk  # noqa: PLC0415 - help must not wait for gRPC

    async with RequestDesk(profile_of(profile)) as desk:
        return await desk.deny(request_id)


async def _enter(profile: str | None, request: "OutsideRequest") -> "OutsideAnswer":
    from homeroom.request_desk import RequestDesk  # noqa: PLC0415 - help must not wait for gRPC

    async with RequestDesk(profile_of(profile)) as desk:
        return await desk.enter(request)


def _question(
    dataset: str,
    elements: list[str],
    purpose: str,
    basis: str,
    relied_on: tuple[str, str, tuple[str, ...]],
) -> "Question":
    """What is asked; its students travel beside it, by the organization's own ids."""
    from homeroom.question import Question, basis_named, elements_named  # noqa: PLC0415 - as above

    agreement, matter, onward_to = relied_on
    return Question(
        purpose=purpose,
        dataset=dataset,
        elements=elements_named(elements),
        agreement_id=agreement,
        basis=basis_named(basis),
        matter_id=matter,
        onward_to=onward_to,
        everyone=True,
    )


def _show_answer(answer: "OutsideAnswer", out: Path | None, *, as_json: bool) -> None:
    from homeroom.answer import Outcomes  # noqa: PLC0415 - help must not wait for Arrow

    table = _by_own_ids(answer)
    outcomes = Outcomes({answer.source.holder: answer.source})
    if out is not None:
        from homeroom.cli.saving import save_table  # noqa: PLC0415 - help must not wait for Arrow

        save_table(out, table)
    if as_json:
        rows = {} if out else {"rows": table.to_pylist()}
        show_json({**outcomes_json(outcomes), **rows})
        return
    if out is None and table.num_rows:
        show_table(table.column_names, (row.values() for row in table.to_pylist()))
    tell(f"{answer.source.outcome}: {table.num_rows:,} rows may be handed over")
    for refusal in outcomes.refusals:
        tell(f"refused {refusal.element or 'the request'}: {refusal.text}")
    if outcomes.obligations:
        tell(f"whoever receives it has to: {', '.join(outcomes.obligations)}")


def _by_own_ids(answer: "OutsideAnswer") -> "pa.Table":
    """The rows, their students by the organization's own ids; who was not named keeps a name."""
    import pyarrow as pa  # noqa: PLC0415 - help must not wait for Arrow

    from homeroom.catalog import SUBJECT_REF  # noqa: PLC0415

    known = answer.student_ids
    ids = [known.get(ref, ref) for ref in answer.table.column(SUBJECT_REF).to_pylist()]
    field = pa.field("student_id", pa.string(), nullable=False)
    return answer.table.set_column(0, field, pa.array(ids, pa.string()))


def _tell_decided(decided: "Approval", *, as_json: bool) -> None:
    content = _approval_json(decided)
    if as_json:
        show_json({"request": content})
    else:
        until = f" until {content['to']}" if content["to"] else ""
        tell(f"{content['element']} for {content['requester']}: {content['state']}{until}")


def _approval_json(one: "Approval") -> dict[str, Any]:
    from homeroom.api.node.v1 import approval_service_pb2 as pb  # noqa: PLC0415 - as above

    state = pb.ApprovalState.Name(one.state).removeprefix("APPROVAL_STATE_").lower()
    return {
        "request": one.approval_id,
        "requester": one.requester,
        "agreement": one.agreement_id,
        "purpose": one.purpose,
        "element": one.element,
        "state": state,
        "from": one.valid_from.ToJsonString() if one.HasField("valid_from") else "",
        "to": one.valid_to.ToJsonString() if one.HasField("valid_to") else "",
        "opened": one.open_time.ToJsonString(),
        "decided_by": one.decided_by,
    }
