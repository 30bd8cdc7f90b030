"""The command against real gRPC and TLS: what it writes where, and with which exit code."""

import asyncio
import csv
import datetime as dt
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from homeroom.api.common.v1 import answer_pb2
from homeroom.cli import query as query_module
from homeroom.cli.app import app
from homeroom.cli.exits import ExitCode
from homeroom.errors import ChangedMeanwhileError, EvidenceInvalidError, NotPermittedError
from homeroom.steward import Steward
from tests.contract.scripted_federation import (
    AGREEMENT,
    HOLDERS,
    STUDENT,
    ScriptedFederation,
    ended,
    federation,
)

__all__ = ["federation"]

QUERY = (
    *("query", "attendance", "school_of_enrollment", "daily_attendance"),
    *("-a", AGREEMENT, "-p", "direct_service"),
)
Run = Callable[..., Awaitable[Result]]


@pytest.fixture
def run(federation: ScriptedFederation) -> Run:
    """Runs the command as the requester, on a thread beside the scripted services."""

    async def run(*arguments: str, profile: str = "dsni", **options: Any) -> Result:
        path = str(federation.folder / profile / "profile.toml")
        environment = {"HOMEROOM_PROFILE": path}
        return await asyncio.to_thread(
            CliRunner().invoke, app, list(arguments), env=environment, **options
        )

    return run


async def test_a_query_shows_rows_then_sources_then_refusals(
    federation: ScriptedFederation, run: Run
) -> None:
    """Rows are the result; one line for each source and each refusal stands beside it."""
    federation.says(
        federation.honest("bps", 3), federation.refusing("cambridge", "agreement_purpose_mismatch")
    )

    result = await run(*QUERY, "--limit", "2")

    assert result.exit_code == ExitCode.OK
    assert result.stdout.count("unexcused_absence") == 2
    assert "2 of 3 rows are shown" in result.stderr
    assert "bps: ANSWERED, 3 rows" in result.stderr
    assert "cambridge refused the question: the stated purpose" in result.stderr
    assert "inform_redisclosure_limits" in result.stderr


async def test_json_has_one_shape(federation: ScriptedFederation, run: Run) -> None:
    """`--json` writes one document with rows, sources, refusals and obligations."""
    federation.says(federation.honest("bps", 1), federation.honest("cambridge", 1))

    result = await run(*QUERY, "--json")

    content = json.loads(result.stdout)
    assert set(content) == {"complete", "sources", "refusals", "obligations", "rows"}
    assert content["complete"] is True
    assert content["rows"][0]["subject_ref"] == STUDENT
    assert [source["holder"] for source in content["sources"]] == sorted(HOLDERS)


SILENT = [ended("bps", answer_pb2.OUTCOME_TIMED_OUT)]


async def test_exit_codes_say_what_became_of_a_question(
    federation: ScriptedFederation, run: Run
) -> None:
    """Incomplete, unreachable, undecided, refused and false evidence are told apart."""

    def both(say: Callable[[str], Any]) -> None:
        federation.says(*(say(holder) for holder in HOLDERS))

    federation.says(lambda _: SILENT, federation.honest("cambridge", 1))
    assert (await run(*QUERY)).exit_code == ExitCode.INCOMPLETE
    both(lambda h: lambda _: [ended(h, answer_pb2.OUTCOME_UNREACHABLE)])
    assert (await run(*QUERY)).exit_code == ExitCode.UNREACHABLE
    both(lambda h: lambda _: [ended(h, answer_pb2.OUTCOME_CANNOT_DECIDE, "STATE_STALE")])
    assert (await run(*QUERY)).exit_code == ExitCode.CANNOT_DECIDE
    both(lambda h: federation.refusing(h, "agreement_missing"))
    assert (await run(*QUERY)).exit_code == ExitCode.REFUSED
    both(lambda h: federation.honest(h, 1, row_count=2))
    assert (await run(*QUERY)).exit_code == ExitCode.EVIDENCE_INVALID


async def test_a_refused_question_is_told_in_words(
    federation: ScriptedFederation, run: Run
) -> None:
    """Each code comes with its sentence; `--json` has the same in one shape."""
    federation.wire.refusal = NotPermittedError("refused", codes="agreement_purpose_mismatch")

    result = await run(*QUERY, "--json")

    assert result.exit_code == ExitCode.REFUSED
    assert "the stated purpose is not one of the agreement" in result.stderr
    error = json.loads(result.stdout)["error"]
    assert set(error) == {"reason", "message", "metadata"}
    assert error["reason"] == "NOT_PERMITTED"
    assert error["metadata"] == {"codes": "agreement_purpose_mismatch"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["frob"],
        ["query", "--json"],
        [*QUERY, "--from", "2026-01-01"],
        [*QUERY, "--from", "1.1.2026", "--to", "2026-02-01"],
        [*QUERY, "--out", "rows.xlsx"],
        [*QUERY, "--profile", "/no/such/profile.toml"],
        ["query", "attendance", "shoe_size", "-a", AGREEMENT, "-p", "direct_service"],
        ["agreement", "end", AGREEMENT, "--version", "1"],
    ],
)
async def test_a_malformed_command_is_a_sentence(run: Run, arguments: list[str]) -> None:
    """Usage, profile and request errors have one exit code and never a traceback."""
    result = await run(*arguments)

    assert result.exit_code == ExitCode.USAGE
    assert result.stderr.startswith("homeroom: ")
    assert "Traceback" not in result.output


async def test_an_unexpected_error_tells_nothing_but_its_kind(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was being worked on may be in the error's text; only `--debug` shows where."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("Ana Silva")

    monkeypatch.setattr(query_module, "profile_of", broken)

    result = await run(*QUERY)
    assert result.exit_code == ExitCode.FAILED
    assert "ZeroDivisionError" in result.stderr
    assert "Ana" not in result.output
    assert "Traceback" not in result.output
    assert "Traceback" in (await run(*QUERY, "--debug")).stderr


async def test_ctrl_c_exits_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(query_module, "profile_of", interrupted)

    assert (await run(*QUERY)).exit_code == ExitCode.INTERRUPTED


@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow"])
async def test_rows_are_saved_whole_and_privately(
    federation: ScriptedFederation, run: Run, tmp_path: Path, suffix: str
) -> None:
    """The file has every checked row, is its owner's alone, and is not replaced unasked."""
    federation.says(federation.honest("bps", 3), federation.honest("cambridge", 2))
    out = tmp_path / f"rows.{suffix}"

    result = await run(*QUERY, "--out", str(out), "--json")

    assert result.exit_code == ExitCode.OK
    assert json.loads(result.stdout)["row_count"] == 5
    assert out.stat().st_mode & 0o777 == 0o600
    assert _rows_in(out) == 5
    assert (await run(*QUERY, "--out", str(out))).exit_code == ExitCode.FAILED
    assert (await run(*QUERY, "--out", str(out), "--force")).exit_code == ExitCode.OK
    assert _files_named(tmp_path, ".part") == []


def _files_named(folder: Path, part: str) -> list[str]:
    return [path.name for path in folder.iterdir() if part in path.name]


def _rows_in(out: Path) -> int:
    match out.suffix:
        case ".csv":
            return len(list(csv.DictReader(out.read_text().splitlines())))
        case ".parquet":
            return int(pq.read_table(out).num_rows)
        case _:
            with pa.OSFile(str(out)) as file:
                return int(pa.ipc.open_file(file).read_all().num_rows)


async def test_a_failed_save_leaves_no_file(
    federation: ScriptedFederation, run: Run, tmp_path: Path
) -> None:
    federation.wire.refusal = NotPermittedError("refused")
    out = tmp_path / "rows.csv"

    assert (await run(*QUERY, "--out", str(out))).exit_code == ExitCode.REFUSED
    assert _files_named(tmp_path, "rows") == []


async def test_explain_shows_what_would_be_released(
    federation: ScriptedFederation, run: Run
) -> None:
    federation.says(
        federation.refusing("bps", "local_rule_withheld"),
        federation.refusing("cambridge", "consent_missing"),
    )

    result = await run("explain", *QUERY[1:])

    assert federation.wire.queries[0].validate_only
    assert result.exit_code == ExitCode.REFUSED
    assert "bps refused the question" in result.stderr


async def test_a_steward_registers_proposes_signs_and_ends(
    federation: ScriptedFederation, run: Run, tmp_path: Path
) -> None:
    """A steward's file becomes a document with registered fingerprints, signed by each party."""
    file = tmp_path / "agreement.yaml"
    file.write_text(AGREEMENT_FILE)
    keys = str(federation.folder / "dsni/issuer_public.json")
    registered = await run(
        *("org", "register", "--name", "Dudley", "--kind", "community_org"),
        *("--issuer", "https://issuer", "--issuer-keys", keys, "--json"),
    )
    assert json.loads(registered.stdout)["organizations"][0]["standing"] == "pending"
    # The scripted registry publishes what it published before; its client must not believe less.
    proposed = await run("agreement", "propose", str(file), "--yes", "--json")
    assert proposed.exit_code == ExitCode.OK, proposed.output
    document = json.loads(proposed.stdout)["agreements"][0]["document"]
    fingerprints = {p["organization_id"]: p["signing_key_id"] for p in document["parties"]}
    assert fingerprints["bps"] == federation.holders["bps"].signing_key.key_id

    signing = ("agreement", "sign", "tutoring", "--version", "1")
    assert (await run(*signing, profile="bps")).exit_code == ExitCode.USAGE
    signed = await run(*signing, "--yes", "--json", profile="bps")
    assert json.loads(signed.stdout)["agreements"][0]["signed_by"] == ["bps", "dsni"]
    stranger = await run(*signing, "--yes", profile="cambridge")
    assert stranger.exit_code == ExitCode.USAGE
    shown = await run("agreement", "show", "tutoring")
    assert json.loads(shown.stdout) == document
    ended_one = await run("agreement", "end", "tutoring", "--yes", "--json")
    assert json.loads(ended_one.stdout)["agreements"][0]["state"] == "ended"
    assert "tutoring" in (await run("agreement", "list")).stdout


AGREEMENT_FILE = """
agreement_id: tutoring
version: 1
title: Tutoring
kind: consented_sharing
parties: {bps: discloser, dsni: recipient}
legal_basis: [consent]
schedules:
- {purpose: direct_service, text: Tutoring after school, elements: [daily_attendance]}
schools: {bps: all}
effective_from: 2026-01-01
effective_to: 2026-12-31
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("bps: discloser", "worcester: discloser"),
        ("version: 1", "version: 1\nversion: 2"),
        ("[daily_attendance]", "[shoe_size]"),
        ("effective_to: 2026", "effective_to: 2025"),
        ("parties: {bps: discloser, dsni: recipient}", "parties: [bps, dsni]"),
        ("kind:", "sort:"),
    ],
)
async def test_a_malformed_agreement_is_not_proposed(
    federation: ScriptedFederation, run: Run, tmp_path: Path, old: str, new: str
) -> None:
    file = tmp_path / "agreement.yaml"
    file.write_text(AGREEMENT_FILE.replace(old, new))

    result = await run("agreement", "propose", str(file), "--yes")

    assert result.exit_code == ExitCode.USAGE
    assert federation.wire.acts == []


async def test_the_operator_says_in_which_classes_an_organization_is(run: Run) -> None:
    given = ("--class", "mentors:2026-08-01:2027-07-31", "--class", "tutors:2026-09-01")
    done = await run("org", "classes", "bps", *given, "--json", profile="hub")

    assert json.loads(done.stdout)["organizations"][0]["classes"] == [
        {"name": "mentors", "from": "2026-08-01", "to": "2027-07-31"},
        {"name": "tutors", "from": "2026-09-01", "to": ""},
    ]
    wrong = await run("org", "classes", "bps", "--class", "mentors", profile="hub")
    assert wrong.exit_code == ExitCode.USAGE


async def test_only_the_operator_sets_standings(run: Run) -> None:
    """The hub's profile has the operator's certificate; an organization's has none."""
    done = await run("org", "standing", "bps", "suspended", "--json", profile="hub")
    assert json.loads(done.stdout)["organizations"][0]["standing"] == "suspended"
    assert (await run("org", "standing", "bps", "active")).exit_code == ExitCode.USAGE
    wrong = await run("org", "standing", "bps", "famous", profile="hub")
    assert wrong.exit_code == ExitCode.USAGE
    listed = await run("org", "list", "--json")
    names = [o["organization_id"] for o in json.loads(listed.stdout)["organizations"]]
    assert names == ["bps", "cambridge", "dsni"]


IMPORT = (
    "reference,holder,link_code,agreement_id,elements,purposes,signer_relation,form,"
    "sign_date,start_date,end_date\n"
    "case-1,bps,code-1,after-school,daily_attendance;school_of_enrollment,direct_service,"
    "parent,written,2026-01-05,2026-01-05,2026-06-30\n"
    "case-2,bps,code-2,after-school,daily_attendance,direct_service,"
    "guardian,written,2026-01-05,2026-01-05,2026-06-30\n"
)


async def test_consents_are_imported_listed_and_withdrawn(
    federation: ScriptedFederation, run: Run, tmp_path: Path
) -> None:
    """Each line becomes a consent; its subject_ref is saved beside the reference, privately."""
    file, out = tmp_path / "consents.csv", tmp_path / "report.csv"
    file.write_text(IMPORT)

    done = await run("consent", "import", str(file), "--report", str(out), "--json")

    assert json.loads(done.stdout)["recorded"] == 2
    saved = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["reference"] for row in saved] == ["case-1", "case-2"]
    assert out.stat().st_mode & 0o777 == 0o600
    again = await run("consent", "import", str(file), "--report", str(out))
    assert again.exit_code == ExitCode.FAILED
    assert len(federation.wire.consents) == 2
    gone = await run("consent", "withdraw", saved[0]["consent_id"], "--yes", "--json")
    assert json.loads(gone.stdout)["sequence"] == 3
    listed = json.loads((await run("consent", "list", "--json")).stdout)["consents"]
    assert [consent["active"] for consent in listed] == [False, True]
    assert listed[1]["subject_refs"] == {"dsni": saved[1]["subject_ref"]}
    assert [consent["reference"] for consent in listed] == ["case-1", "case-2"]
    missing = await run("consent", "withdraw", "0" * 32, "--yes")
    assert missing.exit_code == ExitCode.REFUSED


async def test_a_wrong_line_is_reported_and_the_others_are_recorded(
    federation: ScriptedFederation, run: Run, tmp_path: Path
) -> None:
    """The report names line and column, never a value; the exit code says that one is missing."""
    file = tmp_path / "consents.csv"
    file.write_text(IMPORT.replace("parent,written", "neighbour,written"))

    result = await run("consent", "import", str(file))

    assert result.exit_code == ExitCode.INCOMPLETE
    report = (tmp_path / "consents.report.csv").read_text()
    wrong, right = csv.DictReader(report.splitlines())
    assert (wrong["line"], wrong["status"], wrong["field"]) == ("2", "rejected", "signer_relation")
    assert (right["line"], right["status"]) == ("3", "recorded")
    assert all(value not in report + result.output for value in ("code-1", "neighbour"))
    assert len(federation.wire.consents) == 1


async def test_a_file_with_an_unknown_column_is_not_imported(
    federation: ScriptedFederation, run: Run, tmp_path: Path
) -> None:
    """A column that is misspelt would otherwise be left out in silence."""
    file = tmp_path / "consents.csv"
    file.write_text(IMPORT.replace("link_code", "link_cod"))

    result = await run("consent", "import", str(file))

    assert result.exit_code == ExitCode.USAGE
    assert "link_cod" in result.stderr
    assert federation.wire.consents == {}


async def test_what_ends_soon_is_listed_with_a_line_for_each_new_form(
    federation: ScriptedFederation, run: Run, tmp_path: Path
) -> None:
    """The lines keep what goes on, and leave blank what the new form says."""
    today = dt.datetime.now(dt.UTC).date()
    soon, later = today + dt.timedelta(days=20), today + dt.timedelta(days=90)
    file, out = tmp_path / "consents.csv", tmp_path / "renewals.csv"
    lines = IMPORT.splitlines()
    file.write_text(
        "\n".join(
            [
                lines[0],
                lines[1].replace("2026-06-30", f"{soon}"),
                lines[2].replace("2026-06-30", f"{later}"),
            ]
        )
    )
    await run("consent", "import", str(file))

    done = await run("consent", "ending", "--within", "30", "--renewals", str(out), "--json")

    (ending,) = json.loads(done.stdout)["consents"]
    assert (ending["reference"], ending["last_date"]) == ("case-1", f"{soon}")
    (renewal,) = csv.DictReader(out.read_text().splitlines())
    assert renewal["subject_ref"] == ending["subject_refs"]["dsni"]
    assert (renewal["holder"], renewal["link_code"], renewal["sign_date"]) == ("bps", "", "")
    assert out.stat().st_mode & 0o777 == 0o600


async def test_one_consent_is_recorded_with_a_hidden_code(
    federation: ScriptedFederation, run: Run
) -> None:
    """The link code is asked for, and shown nowhere."""
    result = await run(
        *("consent", "record", "--holder", "bps", "--agreement", AGREEMENT),
        *("--element", "daily_attendance", "--purpose", "direct_service", "--signer", "parent"),
        *("--form", "written", "--signed", "2026-01-05", "--start", "2026-01-05"),
        *("--end", "2026-06-30"),
        input="K7-secret\n",
    )

    assert result.exit_code == ExitCode.OK, result.output
    assert len(federation.wire.consents) == 1
    assert "K7" not in result.output


async def test_a_nodes_status_and_catalog_are_shown(run: Run) -> None:
    status = json.loads((await run("node", "status", "--json")).stdout)
    assert status["datasets"] == {"services": 7, "programs": 0}
    assert status["views"] == ["programs"]
    (intake,) = status["intakes"]
    assert (status["change_sequence"], intake["run"], intake["rejected"]) == (4, 4, 2)
    assert intake["tables"]["service_event"]["added"] == 7
    (school,) = status["schools"]
    assert school["last_reported_date"] == "2026-09-09"
    shown = (await run("node", "status")).stdout
    assert {"opa", "sis", "service_event", "exceptions", "2026-09-09"} <= set(shown.split())
    assert re.search(r"programs +a view", shown)
    assert "000083" in (await run("node", "catalog", "suspensions")).stdout
    assert (await run("node", "catalog", "secrets")).exit_code == ExitCode.USAGE


async def test_the_development_authority_is_made_from_the_command(run: Run, tmp_path: Path) -> None:
    """Four verbs make a federation's keys, a profile that loads, and a token."""
    folder = ("--folder", str(tmp_path / "laptop"))
    for arguments in (
        ("init", *folder),
        ("hub", *folder),
        ("organization", "ymca", *folder, "--node-address", "127.0.0.1:7011"),
        ("token", "ymca", *folder, "--user", "u1", "--role", "tutor"),
    ):
        result = await run("dev-ca", *arguments, "--json")
        assert result.exit_code == ExitCode.OK, result.output

    assert (await run("dev-ca", "organization", "ymca", *folder)).exit_code == ExitCode.FAILED
    profile = str(tmp_path / "laptop/ymca/profile.toml")
    assert (await run(*QUERY, "--profile", profile)).exit_code == ExitCode.UNREACHABLE


async def test_the_process_itself_exits_with_the_code(federation: ScriptedFederation) -> None:
    """`python -m homeroom` has plain output without a terminal, and the same exit codes."""
    federation.says(lambda _: SILENT, federation.honest("cambridge", 1))
    environment = {**os.environ, "HOMEROOM_PROFILE": str(federation.profile), "NO_COLOR": "1"}

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "homeroom", *QUERY),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await process.communicate()

    assert process.returncode == ExitCode.INCOMPLETE
    assert b"unexcused_absence" in stdout
    assert b"bps: TIMED_OUT" in stderr
    assert b"\x1b" not in stdout + stderr


async def test_a_steward_signs_only_what_was_shown(federation: ScriptedFederation) -> None:
    """A document that was exchanged after it was shown gets no signature."""
    async with Steward(federation.profile) as steward:
        proposed = await steward.propose(await steward.compile(AGREEMENT_FILE))
        with pytest.raises(ChangedMeanwhileError):
            await steward.sign("tutoring", 1, proposed.statement + b" ")
        acts = len(federation.wire.acts)
    async with Steward(federation.folder / "bps" / "profile.toml") as steward:
        with pytest.raises(ChangedMeanwhileError):
            await steward.sign("tutoring", 1, proposed.statement + b" ")
        assert acts == len(federation.wire.acts)

        signed = await steward.sign("tutoring", 1, proposed.statement)
        assert (signed.document, signed.state) == (proposed.document, "active")


async def test_a_registry_that_forgets_what_was_said_is_found_out(
    federation: ScriptedFederation,
) -> None:
    """A steward is told if what it said is not in the history that everyone is sent."""
    async with Steward(federation.profile) as steward:
        await steward.propose(await steward.compile(AGREEMENT_FILE))
        federation.wire.forgetful = True
        with pytest.raises(EvidenceInvalidError):
            await steward.decline("tutoring", 1)


async def test_an_agreement_is_countered_amended_suspended_and_resumed(
    federation: ScriptedFederation, run: Run, tmp_path: Path
) -> None:
    """The whole life by the command; its status says at each step whose turn it is."""
    file = tmp_path / "agreement.yaml"
    file.write_text(AGREEMENT_FILE)
    turns = []

    async def say(verb: str, *options: str, profile: str = "dsni") -> None:
        result = await run("agreement", verb, *options, "--yes", profile=profile)
        assert result.exit_code == ExitCode.OK, result.output
        status = await run("agreement", "status", "tutoring", "--json")
        turns.append(json.loads(status.stdout)["status"][-1])

    await say("propose", str(file))
    file.write_text(AGREEMENT_FILE.replace("title: Tutoring", "title: Tutoring at noon"))
    await say("counter", str(file), profile="bps")
    await say("sign", "tutoring", "--version", "1")
    file.write_text(AGREEMENT_FILE.replace("version: 1", "version: 2"))
    await say("amend", str(file))
    await say("decline", "tutoring", "--version", "2", profile="bps")
    await say("suspend", "tutoring", "--reason", "breach", profile="bps")
    await say("resume", "tutoring", profile="bps")
    await say("end", "tutoring", "--whole")

    assert turns == [
        "It is the turn of bps: to sign, counter or decline.",
        "It is the turn of dsni: to sign, counter or decline.",
        "Version 1 of tutoring is in force.",
        "It is the turn of bps: to sign, counter or decline.",
        "Version 1 of tutoring is in force.",
        "bps has suspended its part; only bps can resume it.",
        "Version 1 of tutoring is in force.",
        "dsni has ended it for all.",
    ]
    shown = await run("agreement", "status", "tutoring")
    assert "bps suspended its part (breach)" in shown.stdout
    late = await run("agreement", "resume", "tutoring", "--yes", profile="bps")
    assert late.exit_code == ExitCode.FAILED


async def test_an_organization_joins_and_holders_countersign(
    federation: ScriptedFederation, run: Run, tmp_path: Path
) -> None:
    """A joiner names its purposes and schools; each holder sees them before it countersigns."""
    file = tmp_path / "agreement.yaml"
    offer = "joining: {kinds: [district], purposes: [direct_service], schools: {bps: [E1, E2]}}\n"
    file.write_text(AGREEMENT_FILE + offer)
    joining = ("agreement", "join", "tutoring", "--purpose", "direct_service", "--yes")
    for verb, profile in (("propose", "dsni"), ("sign", "bps")):
        options = (str(file),) if verb == "propose" else ("tutoring", "--version", "1")
        await run("agreement", verb, *options, "--yes", profile=profile)

    for school in ("bps", "bps:all", "bps:E3"):
        refused = await run(*joining, "--school", school, profile="cambridge")
        assert refused.exit_code == ExitCode.USAGE, school
    joined = await run(*joining, "--school", "bps:E1", "--json", profile="cambridge")
    assert joined.exit_code == ExitCode.OK, joined.output
    signing = ("agreement", "countersign", "tutoring", "cambridge")
    assert (await run(*signing, "--yes")).exit_code == ExitCode.USAGE  # dsni is no holder
    assert (await run(*signing, "--yes", profile="bps")).exit_code == ExitCode.OK
    status = await run("agreement", "status", "tutoring", profile="cambridge")
    assert "cambridge has joined for direct_service (bps: E1)." in status.stdout
    taken = await run(*signing, "--take-back", "--yes", profile="bps")
    assert taken.exit_code == ExitCode.OK
    status = await run("agreement", "status", "tutoring", profile="cambridge")
    assert "It is bps's turn: to countersign for cambridge." in status.stdout
