"""The work on an agreement's file at the command line: no service is asked."""

import json
import re
from pathlib import Path

import pytest
from pypdf import PdfReader
from typer.testing import CliRunner, Result

from homeroom.cli.app import app
from homeroom.cli.exits import ExitCode
from homeroom.vocabulary import AgreementKind

EXAMPLE = "docs/examples/school-year-agreement.yaml"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["agreement", *arguments])


@pytest.mark.parametrize("kind", AgreementKind)
def test_a_new_file_lacks_only_what_is_to_be_written(kind: AgreementKind, tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    assert run("new", "--kind", kind, "--out", str(file)).exit_code == ExitCode.OK
    told = run("validate", str(file), "--json")

    assert told.exit_code == ExitCode.USAGE
    said = json.loads(told.stdout)
    assert said["missing"] == said["advised"] == []
    assert "title" in said["to_write"]
    file.write_text(file.read_text().replace("TO WRITE: ", ""))
    assert run("validate", str(file)).exit_code == ExitCode.OK


def test_a_file_that_is_there_already_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "kept.yaml"
    file.write_text("mine")

    assert run("new", "--kind", "study", "--out", str(file)).exit_code == ExitCode.FAILED
    assert file.read_text() == "mine"
    assert run("new", "--kind", "study", "--out", str(file), "--force").exit_code == ExitCode.OK
    assert "kind: study" in file.read_text()


def test_every_missing_term_is_shown_with_the_law(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    written = run("new", "--kind", "study").stdout.replace("TO WRITE: ", "")
    file.write_text(re.sub(r"\n  destruction:(\n    .*)+", "", written))
    told = run("validate", str(file))

    assert told.exit_code == ExitCode.USAGE
    assert "clauses.destruction.deadline" in told.stdout
    assert "34 CFR 99.31(a)(6)(iii)(C)(4)" in told.stdout


def test_a_file_is_rendered_as_a_page_and_as_a_print(tmp_path: Path) -> None:
    page, printed = run("render", EXAMPLE), tmp_path / "agreement.pdf"
    digests = json.loads(run("render", EXAMPLE, "--pdf", "--out", str(printed), "--json").stdout)

    assert page.stdout.startswith("<!DOCTYPE html>")
    assert digests["document_digest"] in page.stdout
    assert digests["rendering_digest"] in page.stderr
    text = PdfReader(printed).pages[0].extract_text()
    assert digests["document_digest"] in text
    assert digests["rendering_digest"] in text


def test_a_difference_is_told_in_words_and_as_json(tmp_path: Path) -> None:
    wider = tmp_path / "wider.yaml"
    text = Path(EXAMPLE).read_text()
    wider.write_text(text.replace("effective_to: 2027-07-31", "effective_to: 2028-07-31"))

    assert "The two are the same." in run("diff", EXAMPLE, EXAMPLE).stdout
    assert "widens" in run("diff", EXAMPLE, str(wider)).stdout
    assert json.loads(run("diff", str(wider), EXAMPLE, "--json").stdout)["changes"] == [
        {
            "direction": "narrows",
            "field": "effective_to",
            "sentence": "In effect to: July 31, 2028 becomes July 31, 2027.",
        }
    ]


def test_an_agreement_goes_to_sif_and_back(tmp_path: Path) -> None:
    pods, back = tmp_path / "pods.json", tmp_path / "back.yaml"
    exported = run("export", EXAMPLE, "--format", "sif-pod", "--out", str(pods))
    imported = run("import", str(pods), "--format", "sif-pod", "--out", str(back))

    assert (exported.exit_code, imported.exit_code) == (ExitCode.OK, ExitCode.OK)
    assert "has no place there: joining" in exported.stderr
    assert "neighborhood-2026" in back.read_text()
    assert json.loads(run("export", EXAMPLE, "--json").stdout)["content"] == json.loads(
        pods.read_text()
    )


@pytest.mark.parametrize("source", ["no such thing", "missing/file.yaml", ""])
def test_what_names_neither_a_file_nor_an_agreement_is_refused(source: str) -> None:
    assert run("render", source).exit_code == ExitCode.USAGE
