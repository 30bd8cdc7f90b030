"""The command, its documentation and its public names say the same."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import typer

import homeroom
from homeroom.answer import Outcome, Source
from homeroom.cli.app import app
from homeroom.cli.exits import EXIT_OF_REASON, EXIT_TEXT, ExitCode, exit_of_sources
from homeroom.cli.policy_verbs import DECLARED
from homeroom.cli.terminal import plain
from homeroom.errors import Reason
from services.node.__main__ import app as node_app
from services.node.commands.policy import VERBS as DONE

DOCS = (Path(__file__).parents[3] / "docs/cli.md").read_text(encoding="utf-8")


def verbs(command: Any, path: str = "homeroom") -> Iterator[tuple[str, Any]]:
    """Every verb of a command, with its words."""
    for name, inner in getattr(command, "commands", {}).items():
        if getattr(inner, "commands", None):
            yield from verbs(inner, f"{path} {name}")
        else:
            yield f"{path} {name}", inner


VERBS = dict(verbs(typer.main.get_command(app)))
SECTIONS = dict(re.findall(r"^### (homeroom [^\n]+)\n(.*?)(?=^### |\Z)", DOCS, re.S | re.M))


def test_the_documentation_has_a_section_for_each_verb_and_no_other() -> None:
    assert set(SECTIONS) == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_documents_its_options(verb: str) -> None:
    """A section lists exactly the options of its verb, and says what the verb says of itself."""
    given = {o for p in VERBS[verb].params for o in p.opts if o.startswith("--")} - {"--help"}
    listed = set(
        re.findall(r"(--[a-z-]+)`", "\n".join(re.findall(r"^\| .*", SECTIONS[verb], re.M)))
    )

    assert listed == given
    assert VERBS[verb].help.strip().splitlines()[0] in SECTIONS[verb]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_can_write_json(verb: str) -> None:
    options = {option for parameter in VERBS[verb].params for option in parameter.opts}

    assert {"--json", "--debug"} <= options


def test_the_documentation_lists_the_exit_codes() -> None:
    listed = re.findall(r"^\| (\d+) \| ([A-Z_]+) \| (.+) \|$", DOCS, re.M)

    assert listed == [(str(int(code)), code.name, text) for code, text in EXIT_TEXT.items()]
    assert set(EXIT_TEXT) == set(ExitCode)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.startswith("homeroom policy ")])
def test_a_verb_that_is_passed_on_is_understood(verb: str) -> None:
    """The node's own program takes the same arguments, in the same order and form."""
    group: Any = typer.main.get_command(node_app)
    policy = group.commands["policy"].commands
    name = verb.rpartition(" ")[2]
    if name == "status":
        assert name not in policy  # the running node is asked
        return

    def taken(command: Any) -> list[tuple[str, list[str], bool]]:
        return [
            (p.param_type_name, p.opts if p.param_type_name == "option" else [], p.required)
            for p in command.params
            if p.name not in ("debug", "help")
        ]

    assert taken(VERBS[verb]) == taken(policy[name])


def test_a_verb_is_passed_on(tmp_path: Path) -> None:
    """With its arguments and its exit code."""
    command = [sys.executable, "-m", "homeroom", "policy", "lint", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert json.loads(done.stdout)["findings"][0]["file"] == ".manifest"


def test_every_reason_has_an_exit_code() -> None:
    assert set(EXIT_OF_REASON) == set(Reason)


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        (["ANSWERED", "ANSWERED"], ExitCode.OK),
        (["ANSWERED", "NO_PERMITTED_ANSWER"], ExitCode.OK),
        (["NO_PERMITTED_ANSWER"], ExitCode.REFUSED),
        (["ANSWERED", "TIMED_OUT"], ExitCode.INCOMPLETE),
        (["ANSWERED", "CANNOT_DECIDE"], ExitCode.INCOMPLETE),
        (["UNREACHABLE", "TIMED_OUT"], ExitCode.UNREACHABLE),
        (["UNREACHABLE", "NO_PERMITTED_ANSWER"], ExitCode.UNREACHABLE),
        (["UNREACHABLE", "CANNOT_DECIDE"], ExitCode.CANNOT_DECIDE),
        (["ANSWERED", "EVIDENCE_INVALID"], ExitCode.EVIDENCE_INVALID),
        ([], ExitCode.OK),
    ],
)
def test_an_answers_exit_code_says_how_whole_it_is(outcomes: list[str], code: ExitCode) -> None:
    sources = [Source(f"org{i}", Outcome(outcome)) for i, outcome in enumerate(outcomes)]

    assert exit_of_sources(sources) is code


def test_the_public_names_are_sorted_and_there() -> None:
    assert homeroom.__all__ == sorted(homeroom.__all__)
    for name in homeroom.__all__:
        assert getattr(homeroom, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = homeroom.__getattr__("nonsense")


def test_the_public_errors_are_all_errors() -> None:
    """Every exception of the tree can be caught by its public name."""
    from homeroom import errors  # noqa: PLC0415 - beside its only use

    raised = {error.__name__ for error in errors.HomeroomError.__subclasses__()}
    assert raised <= set(homeroom.__all__)


def test_the_example_is_eight_lines_that_parse() -> None:
    text = (homeroom.__doc__ or "").split("\n\n", 2)[2]
    example = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))

    assert ast.parse(example).body


def test_help_does_not_wait_for_grpc_or_arrow() -> None:
    """`homeroom --help` imports neither: it answers in a fraction of their time."""
    code = (
        "import sys, contextlib, io\n"
        "from homeroom.cli.app import main\n"
        "sys.argv = ['homeroom', '--help']\n"
        "with contextlib.redirect_stdout(io.StringIO()): main()\n"
        "print(sorted({'grpc', 'pyarrow', 'pydantic', 'cryptography'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_what_others_wrote_cannot_steer_the_terminal() -> None:
    assert plain("a\x1b[31mb\x07\nc") == "a\ufffd[31mb\ufffd\nc"


def test_the_nodes_program_does_every_verb_about_policies_with_what_it_is_given() -> None:
    """Declared once: what is added to the declaration and not done is found here."""
    done = {name: set(signature(verb).parameters) for name, verb in DONE.items()}
    declared = {name: set(signature(verb).parameters) for name, verb in DECLARED.items()}

    given = {name: names - {"context", "debug"} for name, names in declared.items()}
    assert {name: names - {"context", "_context"} for name, names in done.items()} == given
