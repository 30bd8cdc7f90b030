"""Every command line that a page or the Makefile shows is one that the programs understand."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.exceptions import TyperException

from homeroom.cli.app import app as homeroom_command
from services.node.__main__ import app as node_command
from tests.house.tree import PROJECT, name_of, tracked

_PROGRAMS: dict[str, Any] = {
    "homeroom": typer.main.get_command(homeroom_command),
    "services.node": typer.main.get_command(node_command),
}
_SHOWN = re.compile(r"(?:\$ |\t.*?)(?:\S*python -m |\.venv/bin/)?(homeroom|services\.node) (.+)")


def _shown() -> Iterator[tuple[str, str, str]]:
    """Each command line: where it stands, its program, and its words."""
    for page in (*tracked("*.md"), PROJECT / "Makefile"):
        in_block = page.suffix != ".md"
        for line in page.read_text("utf-8").splitlines():
            if page.suffix == ".md" and line.startswith("```"):
                in_block = line.removeprefix("```").strip() in ("console", "sh", "bash", "shell")
            elif in_block and (found := _SHOWN.fullmatch(line)):
                yield name_of(page), found.group(1), found.group(2).partition(" #")[0]


_LINES = sorted(set(_shown()))


@pytest.mark.parametrize(("page", "program", "words"), _LINES)
def test_a_shown_command_line_is_understood(page: str, program: str, words: str) -> None:
    """Its verb and options exist, and nothing that is required is missing."""
    _parse(program, words)


def test_pages_show_command_lines() -> None:
    """The lines above are found: from pages and from the Makefile, for both programs."""
    assert {program for _, program, _ in _LINES} == set(_PROGRAMS)
    assert {"Makefile", "docs/node.md", "docs/cli.md"} <= {page for page, _, _ in _LINES}


@pytest.mark.parametrize("words", ["dev-ca init folder", "query attendance", "node ingest --nope"])
def test_a_wrong_command_line_would_be_found(words: str) -> None:
    """The parser is the program's own, and refuses what the program refuses."""
    with pytest.raises(TyperException, match=r"(?i)missing|no such option|unexpected"):
        _parse("homeroom", words)


def _parse(program: str, words: str) -> None:
    command, arguments = _PROGRAMS[program], shlex.split(re.sub(r"\$\((\w+)\)", r"\1", words))
    while getattr(command, "commands", None) and arguments and not arguments[0].startswith("-"):
        command = command.commands[arguments.pop(0)]
    if arguments != ["--help"]:
        command.make_context(program, arguments)
