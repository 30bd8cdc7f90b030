"""`homeroom query` and `homeroom explain`: ask one question, or ask what would be answered."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homeroom.cli.exits import exit_of_sources
from homeroom.cli.options import AsJson, Debug, Force, ProfileOption, day, profile_of, read_text
from homeroom.cli.terminal import show_json, show_table, tell
from homeroom.errors import RequestInvalidError

if TYPE_CHECKING:
    from homeroom.answer import Answer, Outcomes
    from homeroom.client import Scope

Dataset = Annotated[str, typer.Argument(help="The dataset; see `homeroom node catalog`.")]
Elements = Annotated[list[str], typer.Argument(help="The elements asked for.")]
Agreement = Annotated[
    str,
    typer.Option("--agreement", "-a", help="The agreement relied on, where the ground needs one."),
]
Purpose = Annotated[str, typer.Option("--purpose", "-p", help="Why the data is needed.")]
Basis = Annotated[str, typer.Option(help="The ground that is claimed.")]
Level = Annotated[str, typer.Option(help="student, deidentified_student or aggregate.")]
Table = Annotated[str, typer.Option(help="The aggregate table, where counts are asked for.")]
Matter = Annotated[str, typer.Option(help="The matter at the holder that is relied on.")]
OnwardTo = Annotated[
    list[str] | None, typer.Option("--onward-to", help="Whom the data is passed on to.")
]
Students = Annotated[
    list[str] | None,
    typer.Option("--student", help="A subject_ref; may be given again. Default: everyone."),
]
StudentsFile = Annotated[
    Path | None, typer.Option(help="A file of subject_refs, one on each line.")
]
Schools = Annotated[list[str] | None, typer.Option("--school", help="Only this school.")]
Holders = Annotated[list[str] | None, typer.Option("--holder", help="Ask only this holder.")]
FirstDay = Annotated[str | None, typer.Option("--from", help="The first day, YYYY-MM-DD.")]
LastDay = Annotated[str | None, typer.Option("--to", help="The last day, YYYY-MM-DD.")]
Timeout = Annotated[float, typer.Option(min=0.1, max=600, help="Seconds for the whole answer.")]

Out = Annotated[
    Path | None, typer.Option(help="Save the rows: FILE.csv, FILE.parquet or FILE.arrow.")
]


def query(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    dataset: Dataset,
    elements: Elements,
    purpose: Purpose,
    agreement: Agreement = "",
    basis: Basis = "consent",
    level: Level = "student",
    table: Table = "",
    matter: Matter = "",
    onward_to: OnwardTo = None,
    student: Students = None,
    students_file: StudentsFile = None,
    school: Schools = None,
    holder: Holders = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    timeout: Timeout = 10.0,
    limit: Annotated[int, typer.Option(min=0, help="How many rows to show.")] = 50,
    out: Out = None,
    force: Force = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Asks every holder at once and shows what each permits."""
    scope = _scope(basis, _students(student, students_file), school, holder, timeout)
    _add_ground(scope, level, table, matter, onward_to)
    _add_period(scope, first_day, last_day)
    asked = (agreement, purpose, dataset, elements)
    if out is not None:
        return _save(profile, asked, scope, out, force=force, as_json=as_json)
    answer = asyncio.run(_ask(profile, asked, scope, validate_only=False))
    if as_json:
        show_json({**outcomes_json(answer), "rows": answer.table.to_pylist()})
    else:
        _show_rows(answer, limit)
        _show_outcomes(answer)
    return exit_of_sources(answer.sources.values())


def explain(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    dataset: Dataset,
    elements: Elements,
    purpose: Purpose,
    agreement: Agreement = "",
    basis: Basis = "consent",
    level: Level = "student",
    table: Table = "",
    matter: Matter = "",
    onward_to: OnwardTo = None,
    student: Students = None,
    school: Schools = None,
    holder: Holders = None,
    timeout: Timeout = 10.0,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Asks what each holder would release and refuse, and why; no row is released."""
    scope = _scope(basis, student or None, school, holder, timeout)
    _add_ground(scope, level, table, matter, onward_to)
    asked = (agreement, purpose, dataset, elements)
    answer = asyncio.run(_ask(profile, asked, scope, validate_only=True))
    if as_json:
        show_json(outcomes_json(answer))
    else:
        rows = [(s.holder, ", ".join(s.released_elements)) for s in answer.sources.values()]
        show_table(("source", "would release"), rows)
        _show_outcomes(answer)
    return exit_of_sources(answer.sources.values())


def _save(
    profile: str | None,
    asked: tuple[str, str, str, list[str]],
    scope: "Scope",
    out: Path,
    *,
    force: bool,
    as_json: bool,
) -> int:
    from homeroom.cli.saving import save_answer  # noqa: PLC0415 - help must not wait for Arrow

    outcomes, rows = asyncio.run(save_answer(profile_of(profile), asked, scope, out, force=force))
    _show_saved(outcomes, rows, out, as_json=as_json)
    return exit_of_sources(outcomes.sources.values())


async def _ask(
    profile: str | None,
    asked: tuple[str, str, str, list[str]],
    scope: "Scope",
    *,
    validate_only: bool,
) -> "Answer":
    from homeroom.client import AsyncClient  # noqa: PLC0415 - help must not wait for gRPC

    async with AsyncClient(profile_of(profile)) as client:
        ask = client.explain if validate_only else client.query
        return await ask(*asked, **scope)


def _scope(
    basis: str,
    subject_refs: list[str] | None,
    school: list[str] | None,
    holder: list[str] | None,
    timeout: float,
) -> "Scope":
    return {
        "basis": basis,
        "subject_refs": subject_refs,
        "school_ids": school or [],
        "holders": holder or [],
        "timeout": timeout,
    }


def _add_ground(
    scope: "Scope", level: str, table: str, matter: str, onward_to: list[str] | None
) -> None:
    scope["level"] = level
    scope["table"] = table
    scope["matter_id"] = matter
    scope["onward_to"] = onward_to or []


def _add_period(scope: "Scope", first_day: str | None, last_day: str | None) -> None:
    if first_day is None and last_day is None:
        return
    if first_day is None or last_day is None:
        raise RequestInvalidError("a period has --from and --to", field="period")
    scope["period"] = (day(first_day, "--from"), day(last_day, "--to"))


def _students(named: list[str] | None, file: Path | None) -> list[str] | None:
    if file is None:
        return named or None
    lines = [line.strip() for line in read_text(file).splitlines()]
    # An empty file names nobody: it stays an empty list, which is refused.
    return [*(named or []), *(line for line in lines if line)]


def outcomes_json(answer: "Outcomes") -> dict[str, Any]:
    """What became of a question, as `--json` writes it."""
    return {
        "complete": answer.complete,
        "sources": [
            {
                "holder": source.holder,
                "outcome": source.outcome,
                "row_count": source.row_count,
                "released_elements": source.released_elements,
                "withheld": source.withheld,
                "reason_codes": source.reason_codes,
                "error_reason": source.error_reason,
                "seconds": round(source.seconds, 3),
            }
            for source in answer.sources.values()
        ],
        "refusals": [
            {"holder": r.holder, "element": r.element, "code": r.code, "text": r.text}
            for r in answer.refusals
        ],
        "obligations": answer.obligations,
    }


def _show_rows(answer: "Answer", limit: int) -> None:
    count = answer.table.num_rows
    if count:
        rows = answer.table.slice(0, limit).to_pylist()
        show_table(answer.table.column_names, (row.values() for row in rows))
    if count > limit:
        tell(f"{limit} of {count:,} rows are shown; --out FILE saves all of them")


def _show_saved(outcomes: "Outcomes", rows: int, out: Path, *, as_json: bool) -> None:
    if as_json:
        show_json({**outcomes_json(outcomes), "saved": str(out), "row_count": rows})
    else:
        tell(f"{rows:,} rows saved in {out}, which only you can read")
        _show_outcomes(outcomes)


def _show_outcomes(answer: "Outcomes") -> None:
    for source in answer.sources.values():
        why = f" ({source.error_reason})" if source.error_reason else ""
        tell(
            f"{source.holder}: {source.outcome}{why}, {source.row_count:,} rows, "
            f"{source.seconds:.2f} s"
        )
    for refusal in answer.refusals:
        what = refusal.element or "the question"
        tell(f"{refusal.holder} refused {what}: {refusal.text}")
    if answer.obligations:
        tell(f"you have to: {', '.join(answer.obligations)}")
