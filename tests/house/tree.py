"""The project's own files, as the house rules read them."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
GENERATED = PROJECT / "homeroom" / "api"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tracked(*patterns: str) -> tuple[Path, ...]:
    """The files that git tracks and that are there, by pattern such as `*.py`; sorted."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--", *patterns],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    files = (PROJECT / name for name in sorted(listed.split("\0")) if name)
    return tuple(file for file in files if file.is_file())


def name_of(file: Path) -> str:
    """A file's path inside the project."""
    return file.relative_to(PROJECT).as_posix()


@cache
def written_modules() -> tuple[Path, ...]:
    """Every Python module that was written by hand."""
    return tuple(file for file in tracked("*.py") if not file.is_relative_to(GENERATED))


def modules_under(*folders: str) -> tuple[Path, ...]:
    """The hand-written modules of some top folders."""
    return tuple(
        file for file in written_modules() if file.relative_to(PROJECT).parts[0] in folders
    )


@cache
def parsed(file: Path) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse(file.read_text("utf-8"), filename=str(file))


def functions_of(file: Path) -> Iterator[Function]:
    """Every function and method of a module."""
    for node in ast.walk(parsed(file)):
        if isinstance(node, Function):
            yield node


def lines_of_code(function: Function) -> int:
    """How many lines a function has from `def` to its end, without its docstring."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    docstring = function.body[0]
    assert docstring.end_lineno is not None
    return lines - (docstring.end_lineno - docstring.lineno + 1)
