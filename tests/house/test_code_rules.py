"""The code keeps the rules of the house that no linter knows."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.tree import (
    functions_of,
    lines_of_code,
    modules_under,
    name_of,
    parsed,
    tracked,
    written_modules,
)

_MAX_FUNCTION = 40
_MAX_FILE = 400
# A suite stays in one file as long as its tests share one stage: cut in two, it is read twice.
_MAX_SUITE = 600

_LONG_FUNCTIONS = {
    "homeroom/cli/consent.py:record": "its options are its signature",
    "homeroom/cli/node.py:ingest": "its options are its signature",
    "services/node/__main__.py:ingest_files": "its options are its signature",
    "tests/contract/test_consent_service.py:test_bad_input_is_answered_by_a_typed_error": (
        "one list of every bad input"
    ),
    "tests/contract/test_node_service.py:malformed": "one list of every bad input",
    "tests/contract/test_registry_service.py:test_bad_input_is_answered_by_a_typed_error": (
        "one list of every bad input"
    ),
}
_FORBIDDEN_NAMES = frozenset(
    {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc", "info", "tools"}
)
_NO_WORD_OF_OURS = frozenset(
    {"BaseException", "Exception", "RuntimeError", "ValueError", "TypeError", "KeyError", "OSError"}
)
_READS_ENVIRONMENT = ("deploy/", "tools/", "tests/", "benchmarks/")
_READS_ENVIRONMENT_FILES = frozenset({"homeroom/profile.py", "services/runtime/process.py"})


def test_every_function_fits_a_screen() -> None:
    """A function has at most 40 lines without its docstring; migrations list their tables."""
    long = {
        f"{name_of(file)}:{function.name}"
        for file in written_modules()
        if file.parent.name != "versions"
        for function in functions_of(file)
        if lines_of_code(function) > _MAX_FUNCTION
    }

    assert long <= _LONG_FUNCTIONS.keys()


def test_every_file_can_be_read_at_once() -> None:
    """A module, a policy or a script has at most 400 lines; a suite of tests has 600."""
    lengths = {
        name_of(file): len(file.read_text("utf-8").splitlines())
        for file in (*written_modules(), *tracked("*.rego", "*.sh"))
    }
    limits = {name: _MAX_SUITE if "/test_" in name else _MAX_FILE for name in lengths}

    assert {name: n for name, n in lengths.items() if n > limits[name]} == {}


@pytest.mark.parametrize(
    "folder", ["homeroom", "services", "deploy", "tools", "tests", "benchmarks"]
)
def test_every_module_says_first_what_it_is_for(folder: str) -> None:
    """The first line of a module's docstring is a sentence."""
    silent = [
        name_of(file)
        for file in modules_under(folder)
        if file.read_text("utf-8").strip() and not _is_sentence(ast.get_docstring(parsed(file)))
    ]

    assert silent == []


def test_no_file_has_a_name_that_says_nothing() -> None:
    """Names come from the glossary: nothing is called utils, helpers, common or manager."""
    nameless = [
        name_of(file)
        for file in written_modules()
        if file.stem in _FORBIDDEN_NAMES or file.parent.name in _FORBIDDEN_NAMES - {"tools"}
    ]

    assert nameless == []


def test_only_one_module_aborts_calls() -> None:
    """Every refusal becomes a status in one place, so that nothing internal is told."""
    aborting = {
        name_of(file)
        for file in modules_under("homeroom", "services")
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Attribute) and node.attr in ("abort", "abort_with_status")
    }

    assert aborting == {"services/runtime/errors.py"}


def test_what_is_raised_has_a_reason_of_the_vocabulary() -> None:
    """A bare Python error has no reason to tell; only validators of pydantic raise ValueError."""
    bare = [
        f"{name_of(file)}:{line} raises {error}"
        for file in modules_under("homeroom", "services")
        for error, line in _raised_outside_validators(parsed(file))
        if error in _NO_WORD_OF_OURS
    ]

    assert bare == []


def test_no_error_passes_in_silence() -> None:
    """Whoever catches everything does something with it: `except Exception: pass` hides faults."""
    silent = [
        f"{name_of(file)}:{node.lineno}"
        for file in modules_under("homeroom", "services", "deploy")
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
        and all(isinstance(statement, ast.Pass) for statement in node.body)
    ]

    assert silent == []


def test_the_environment_is_read_where_a_process_begins() -> None:
    """Settings are read once: no module looks into the environment on its own."""
    reading = {
        name_of(file)
        for file in written_modules()
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Attribute)
        and node.attr in ("environ", "getenv")
        and ast.unparse(node.value) == "os"
    }
    elsewhere = {
        name
        for name in reading
        if not name.startswith(_READS_ENVIRONMENT) and not name.endswith("__main__.py")
    }

    assert elsewhere == _READS_ENVIRONMENT_FILES


@pytest.mark.parametrize("module", ["time", "random", "secrets", "os", "socket", "subprocess"])
def test_domains_take_the_world_as_arguments(module: str) -> None:
    """No domain imports clocks, chance, environment or network."""
    importing = [
        name_of(file)
        for file in modules_under("services")
        if "/domain/" in name_of(file)
        for node in ast.walk(parsed(file))
        if _imports(node, module)
    ]

    assert importing == []


def test_domains_read_no_clock() -> None:
    """What the time is comes in as an argument, so that every decision can be played again."""
    reading = [
        f"{name_of(file)}:{node.lineno}"
        for file in modules_under("services")
        if "/domain/" in name_of(file)
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today")
        if ast.unparse(node.value) in ("dt.datetime", "datetime", "dt.date", "date")
    ]

    assert reading == []


def _is_sentence(docstring: str | None) -> bool:
    first = (docstring or "").partition("\n\n")[0]
    return re.match(r"[A-Z`].*[.:]", first, re.DOTALL) is not None


def _raised_outside_validators(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Each error that is raised by name, and where; the inside of pydantic validators left out."""
    wrapped = set(re.findall(r"Validator\((\w+)\)", ast.unparse(tree)))
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef) and (node.name in wrapped or _is_validator(node)):
            continue
        if isinstance(node, ast.Raise) and node.exc is not None:
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            yield ast.unparse(raised), node.lineno
        waiting += ast.iter_child_nodes(node)


def _is_validator(function: ast.FunctionDef) -> bool:
    return any("validator" in ast.unparse(decorator) for decorator in function.decorator_list)


def _imports(node: ast.AST, module: str) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] == module for alias in node.names)
    return isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == module


def test_a_planted_violation_is_found(tmp_path: Path) -> None:
    """The readers above see what they are to see."""
    planted = tmp_path / "planted.py"
    body = "\n".join(f"    x{i} = {i}" for i in range(41))
    planted.write_text(f'"""no sentence"""\ndef f():\n{body}\n    raise ValueError("x")\n')
    (function,) = functions_of(planted)

    assert lines_of_code(function) > _MAX_FUNCTION
    assert not _is_sentence(ast.get_docstring(parsed(planted)))
    assert [error for error, _ in _raised_outside_validators(parsed(planted))] == ["ValueError"]


def test_every_test_module_has_a_name_of_its_own() -> None:
    """In folders that are no packages: of two modules of one name only one could be run."""
    files = tracked("tests/**/test_*.py")
    modules = Counter(f.name for f in files if not (f.parent / "__init__.py").exists())

    assert [name for name, count in modules.items() if count > 1] == []
