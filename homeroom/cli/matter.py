"""`homeroom matter`: what the organization has on file for grounds other than consent."""

import asyncio
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homeroom.cli.options import (
    AsJson,
    Debug,
    Force,
    ProfileOption,
    Sure,
    confirm,
    instant,
    lines_of,
    profile_of,
)
from homeroom.cli.terminal import show_json, show_table, tell
from homeroom.errors import RequestInvalidError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeroom.api.node.v1.matter_service_pb2 import AddMatterResponse, Matter, MatterStudent
    from homeroom.matter_desk import NewMatter

app = typer.Typer(help="What is on file for grounds other than consent.", no_args_is_help=True)

MatterId = Annotated[str, typer.Argument(metavar="MATTER", help="The matter.")]
Out = Annotated[
    Path | None,
    typer.Option(help="Save whom it names, for the requester: student_id and subject_ref, CSV."),
]


@app.command("add")
def add(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    kind: Annotated[str, typer.Argument(help="transfer, order, emergency … see docs/grounds.md.")],
    requester: Annotated[str, typer.Option(help="The organization that may ask by it.")],
    until: Annotated[str, typer.Option(help="Until when it counts: a day, or an instant in UTC.")],
    since: Annotated[str, typer.Option(help="From when it counts; by default now.")] = "",
    fact: Annotated[list[str] | None, typer.Option(help="A fact of its kind, NAME=VALUE.")] = None,
    student: Annotated[
        list[str] | None, typer.Option(help="A student it names, by the organization's own id.")
    ] = None,
    students_file: Annotated[
        Path | None, typer.Option(help="A file of such ids, one on each line.")
    ] = None,
    evidence: Annotated[
        Path | None, typer.Option(help="The paper it rests on; only its digest is kept.")
    ] = None,
    matter_id: Annotated[str, typer.Option("--id", help="Its name; by default a new one.")] = "",
    out: Out = None,
    force: Force = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Puts a matter on file, and gives its students names for the requester."""
    from homeroom.matter_desk import NewMatter  # noqa: PLC0415 - help must not wait for gRPC
    from homeroom.matters import facts_of_words, matter_kind_named  # noqa: PLC0415

    _require_place(out, force=force)
    named = matter_kind_named(kind)
    new = NewMatter(
        matter_id=matter_id or _new_id(kind),
        kind=named,
        requester=requester,
        valid_from=instant(since, "--since", last=False),
        valid_to=instant(until, "--until", last=True),
        facts=facts_of_words(named, _words(fact or [])),
        student_ids=tuple(dict.fromkeys([*(student or []), *lines_of(students_file)])),
        evidence_digest=_digest(evidence),
    )
    added = asyncio.run(_add(profile, new))
    _hand_over(added.matter, added.students, out, as_json=as_json)


@app.command("list")
def list_matters(
    requester: Annotated[str, typer.Option(help="Only those of this organization.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Also what ended or lapsed.")] = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Lists the matters on file, the newest first; no student."""
    found = asyncio.run(_list(profile, requester, every=every))
    if as_json:
        show_json({"matters": [_matter_json(one) for one in found]})
        return
    columns = ("matter", "kind", "requester", "from", "to", "ended", "students")
    show_table(columns, [tuple(_matter_json(one)[c] for c in columns) for one in found])


@app.command("show")
def show(
    matter_id: MatterId,
    out: Out = None,
    force: Force = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Shows a matter, all its facts and whom it names; the node's log tells of it."""
    _require_place(out, force=force)
    matter, students = asyncio.run(_show(profile, matter_id))
    _hand_over(matter, students, out, as_json=as_json)


@app.command("end")
def end(
    matter_id: MatterId,
    yes: Sure = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Ends a matter at once: nothing more leaves by it."""
    confirm("End this matter? Nothing more leaves by it.", sure=yes)
    ended = asyncio.run(_end(profile, matter_id))
    if as_json:
        show_json({"matter": _matter_json(ended)})
    else:
        tell(f"{ended.matter_id} has ended")


async def _add(profile: str | None, new: "NewMatter") -> "AddMatterResponse":
    from homeroom.matter_desk import MatterDesk  # noqa: PLC0415 - help must not wait for gRPC

    async with MatterDesk(profile_of(profile)) as desk:
        return await desk.add(new)


async def _list(profile: str | None, requester: str, *, every: bool) -> "list[Matter]":
    from homeroom.matter_desk import MatterDesk  # noqa: PLC0415 - help must not wait for gRPC

    async with MatterDesk(profile_of(profile)) as desk:
        return [one async for one in desk.matters(requester, every=every)]


async def _show(profile: str | None, matter_id: str) -> "tuple[Matter, Sequence[MatterStudent]]":
    from homeroom.matter_desk import MatterDesk  # noqa: PLC0415 - help must not wait for gRPC

    async with MatterDesk(profile_of(profile)) as desk:
        return await desk.show(matter_id)


async def _end(profile: str | None, matter_id: str) -> "Matter":
    from homeroom.matter_desk import MatterDesk  # noqa: PLC0415 - help must not wait for gRPC

    async with MatterDesk(profile_of(profile)) as desk:
        return await desk.end(matter_id)


def _require_place(out: Path | None, *, force: bool) -> None:
    if out is not None:
        from homeroom.cli.saving import require_place  # noqa: PLC0415 - help must not wait

        require_place(out, force=force)


def _words(facts: list[str]) -> dict[str, str]:
    words = dict(fact.split("=", 1) for fact in facts if "=" in fact)
    if len(words) != len(facts):
        raise RequestInvalidError("a fact is written NAME=VALUE, each once", field="fact")
    return words


def _new_id(kind: str) -> str:
    from homeroom.desk import new_request_id  # noqa: PLC0415 - help must not wait for gRPC

    return f"{kind}-{new_request_id()[:12]}"


def _digest(paper: Path | None) -> str:
    if paper is None:
        return ""
    try:
        return hashlib.sha256(paper.read_bytes()).hexdigest()
    except OSError:
        raise RequestInvalidError(f"the file {paper} cannot be read", field="evidence") from None


def _hand_over(
    matter: "Matter",
    students: "Sequence[MatterStudent]",
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    """Shows a matter, and whom it names where that was asked for."""
    rows = [(one.student_id, one.subject_ref) for one in students]
    if out is not None:
        import pyarrow as pa  # noqa: PLC0415 - help must not wait for Arrow

        from homeroom.cli.saving import save_table  # noqa: PLC0415

        columns = {"student_id": [own for own, _ in rows], "subject_ref": [r for _, r in rows]}
        save_table(out, pa.table(columns))
    if as_json:
        shown = [] if out else [{"student_id": own, "subject_ref": ref} for own, ref in rows]
        show_json({"matter": _matter_json(matter), "students": shown})
        return
    content = {name: value for name, value in _matter_json(matter).items() if value != ""}
    show_table(("what", "is"), list(content.items()))
    if out is not None:
        tell(f"{len(rows)} students saved in {out}, which only you can read; hand it over safely")
    elif rows:
        show_table(("student_id", "subject_ref"), rows)
    if matter.outside:
        tell("the requester is not of this federation: only a steward can ask by this matter")


def _matter_json(matter: "Matter") -> dict[str, Any]:
    def at(field: str) -> str:
        return getattr(matter, field).ToJsonString() if matter.HasField(field) else ""  # type: ignore[arg-type]  # its own fields

    return {
        "matter": matter.matter_id,
        "kind": matter.kind,
        "requester": matter.requester,
        "from": at("valid_from"),
        "to": at("valid_to"),
        "ended": at("end_time"),
        "students": matter.student_count,
        "facts": matter.facts,
        "evidence_digest": matter.evidence_digest,
        "entered_by": matter.entered_by,
        "entered": at("enter_time"),
        "outside": matter.outside,
    }
