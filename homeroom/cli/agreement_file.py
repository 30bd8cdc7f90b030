"""`homeroom agreement new|validate|render|diff|export|import`: the work before anyone signs."""

import asyncio
import datetime as dt
import json
import re
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homeroom.cli.exits import ExitCode
from homeroom.cli.options import (
    AsJson,
    Debug,
    Force,
    ProfileOption,
    profile_of,
    read_text,
    reading_role,
)
from homeroom.cli.terminal import show, show_json, show_table, tell
from homeroom.errors import RequestInvalidError
from homeroom.vocabulary import AgreementKind

if TYPE_CHECKING:
    from homeroom.agreement import AgreementDocument
    from homeroom.agreement.mandatory import MissingTerm

Source = Annotated[
    str,
    typer.Argument(metavar="FILE|ID[@VERSION]", help="A file, or an agreement of the registry."),
]
Out = Annotated[Path | None, typer.Option(help="The file to write; by default standard output.")]


class Form(StrEnum):
    """Another form of agreements."""

    SIF_POD = "sif-pod"


FormOption = Annotated[Form, typer.Option("--format", help="The other form.")]

_REGISTERED = re.compile(r"(?P<agreement_id>[A-Za-z0-9][A-Za-z0-9_.-]{0,63})(@(?P<version>\d+))?")


def register(app: typer.Typer) -> None:
    """Adds these verbs to those of `homeroom agreement`."""
    app.command("new")(new)
    app.command("validate")(validate)
    app.command("render")(render)
    app.command("diff")(diff)
    app.command("export")(export)
    app.command("import")(import_file)


def new(
    kind: Annotated[AgreementKind, typer.Option(help="What kind of agreement it is.")],
    out: Out = None,
    force: Force = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Writes the file that a steward begins with, with every term that its kind has to have."""
    from homeroom.agreement.file import template_of  # noqa: PLC0415 - help must not wait for YAML

    text = template_of(kind, dt.datetime.now(dt.UTC).date())
    _give(text.encode(), out, force=force, told={"text": text} if as_json else None)


def validate(
    file: Annotated[Path, typer.Argument(help="The agreement as a steward writes it, YAML.")],
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Says what an agreement lacks: by law, by good practice, and what is still to be written."""
    from homeroom.agreement.file import blanks_of, read_draft  # noqa: PLC0415 - as above
    from homeroom.agreement.mandatory import advised_terms, missing_terms  # noqa: PLC0415

    document = read_draft(read_text(file))
    missing, advised, blanks = (
        missing_terms(document),
        advised_terms(document),
        list(blanks_of(document)),
    )
    complete = not missing and not blanks
    if as_json:
        terms = {"missing": _as_json(missing), "advised": _as_json(advised)}
        show_json({"complete": complete, **terms, "to_write": blanks})
    else:
        _show_terms(missing, advised, blanks)
    return int(ExitCode.OK if complete else ExitCode.USAGE)


def render(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    source: Source,
    pdf: Annotated[bool, typer.Option("--pdf/--html", help="The form of the page.")] = False,
    out: Out = None,
    force: Force = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Renders an agreement for people to read and print; a file is rendered as a draft."""
    from homeroom.agreement.rendering import (  # noqa: PLC0415 - help must not wait for Jinja
        rendering_digest,
        rendering_of,
    )

    document = document_of(source, profile)
    page = _printed(document) if pdf else rendering_of(document)
    told = {
        "document_digest": document.digest,
        "rendering_digest": rendering_digest(document),
    }
    _give(page, out, force=force, told=told if as_json else None)
    if not as_json:
        tell("\n".join(f"{name}: {digest}" for name, digest in told.items()))


def diff(
    old: Source,
    new: Source,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Says in words what one version widens and narrows against another."""
    from homeroom.agreement.difference import difference  # noqa: PLC0415 - as above
    from homeroom.agreement.file import with_keys_of  # noqa: PLC0415

    before, after = document_of(old, profile), document_of(new, profile)
    changes = difference(with_keys_of(before, after), with_keys_of(after, before))
    if as_json:
        fields = ("direction", "field", "sentence")
        show_json({"changes": [{name: getattr(c, name) for name in fields} for c in changes]})
    elif changes:
        show_table(("", "what changes"), ((c.direction, c.sentence) for c in changes))
    else:
        show("The two are the same.")


def export(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    source: Source,
    form: FormOption = Form.SIF_POD,
    out: Out = None,
    force: Force = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Writes an agreement in another form, and lists what that form has no place for."""
    from homeroom.agreement.privacy_obligations import export_pods  # noqa: PLC0415 - as above

    made = export_pods(document_of(source, profile))
    text = json.dumps(made.content, ensure_ascii=False, indent=2) + "\n"
    told = {"content": made.content, "left_out": made.left_out}
    _give(text.encode(), out, force=force, told=told if as_json else None)
    _tell_left_out(made.left_out, as_json=as_json)


def import_file(
    file: Annotated[Path, typer.Argument(help="The file in the other form.")],
    form: FormOption = Form.SIF_POD,
    out: Out = None,
    force: Force = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Reads an agreement from another form into a file that a steward completes."""
    from homeroom.agreement.privacy_obligations_import import (  # noqa: PLC0415 - as above
        as_file,
        import_pods,
    )

    made = import_pods(read_text(file))
    told = {"content": made.content, "left_out": made.left_out}
    text = as_file(made.content)
    _give(text.encode(), out, force=force, told=told if as_json else None)
    _tell_left_out(made.left_out, as_json=as_json)


def document_of(source: str, profile: str | None) -> "AgreementDocument":
    """The document that an argument names: a file's, or a version that the registry has.

    Raises:
        RequestInvalidError: if it names neither.
    """
    from homeroom.agreement import AgreementDocument  # noqa: PLC0415 - help must not wait for it
    from homeroom.agreement.file import read_draft  # noqa: PLC0415

    path = Path(source)
    if path.suffix == ".json" and path.is_file():
        return AgreementDocument.parse(path.read_bytes())
    if path.is_file():
        return read_draft(read_text(path))
    named = _REGISTERED.fullmatch(source)
    if named is None:
        raise RequestInvalidError("it names neither a file nor an agreement", field="source")
    return _registered(named["agreement_id"], int(named["version"] or 0), profile)


def _give(content: bytes, out: Path | None, *, force: bool, told: Any) -> None:
    """Writes what a verb made to a file, or to standard output; or there what is told of it.

    Raises:
        AlreadyRecordedError: if the file is there already, and `force` is not given.
    """
    from homeroom.development import write_public  # noqa: PLC0415 - help must not wait for keys

    if out is not None:
        write_public(out, content, force=force)
        tell(f"wrote {out}")
    if told is not None:
        show_json(told)
    elif out is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)


def _tell_left_out(left_out: Sequence[str], *, as_json: bool) -> None:
    for path in left_out if not as_json else ():
        tell(f"has no place there: {path}")


def _registered(agreement_id: str, version: int, profile: str | None) -> "AgreementDocument":
    from homeroom.steward import Steward  # noqa: PLC0415 - help must not wait for gRPC

    loaded = profile_of(profile)

    async def read() -> "AgreementDocument":
        async with Steward(loaded, reading_role(loaded)) as steward:
            return (await steward.agreement(agreement_id, version)).document

    return asyncio.run(read())


def _printed(document: "AgreementDocument") -> bytes:
    try:
        from homeroom.agreement.printing import print_agreement  # noqa: PLC0415 - an extra
    except ImportError:
        raise RequestInvalidError(
            "printing needs the extra homeroom[print]; --html does not", field="pdf"
        ) from None
    return print_agreement(document)


def _show_terms(
    missing: "Sequence[MissingTerm]", advised: "Sequence[MissingTerm]", blanks: Sequence[str]
) -> None:
    rows = [("by law", t.field, t.why, t.citation) for t in missing]
    rows += [("to write", field, "still to be written", "") for field in blanks]
    rows += [("advised", t.field, t.why, t.citation) for t in advised]
    if rows:
        show_table(("missing", "field", "what it settles", "who asks"), rows)
    else:
        show("Nothing is missing.")


def _as_json(terms: "Sequence[MissingTerm]") -> list[dict[str, str]]:
    return [{"field": t.field, "why": t.why, "citation": t.citation} for t in terms]
