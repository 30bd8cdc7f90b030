"""The gate finds what a policy may not do, where it does it, and passes what is right."""

import os
import shutil
from pathlib import Path

import pytest

from services.runtime.policy import find_opa
from services.runtime.policy.lint import lint_folder, lint_modules
from services.runtime.policy.parsing import BinaryParser, Finding, Parser, RegoModule, open_parser
from tools.policy_tests import FOLDERS

HEAD = "package homeroom.local.rules\n"
ROOTS = ("homeroom/local", "local")
CALL = "negates a call whose argument may be missing; name a fact and negate it"


@pytest.fixture(scope="module")
def parser() -> Parser:
    return open_parser(None)


def found(parser: Parser, source: str, name: str = "rules.rego") -> list[tuple[int, str]]:
    read = RegoModule.read(name, source, parser)
    findings = list(lint_modules([read], ROOTS)) if isinstance(read, RegoModule) else read
    return sorted((finding.line, finding.message) for finding in findings)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_we_ship_passes(folder: Path, parser: Parser) -> None:
    assert lint_folder(folder, parser) == []


@pytest.mark.parametrize(
    ("call", "what"),
    [
        ('http.send({"url": input.url})', "calls http.send, which reaches the network"),
        ("time.now_ns()", "calls time.now_ns, which reaches a clock"),
        ('rand.intn("a", 3)', "calls rand.intn, which reaches chance"),
        ('uuid.rfc4122("a")', "calls uuid.rfc4122, which reaches chance"),
        ("opa.runtime().env", "calls opa.runtime, which reaches the environment"),
        ('net.lookup_ip_addr("a")', "calls net.lookup_ip_addr, which reaches the network"),
        ('sprintf("%v", [input.x])', "calls sprintf, which is not on the list"),
    ],
)
def test_what_reaches_outside_is_found(parser: Parser, call: str, what: str) -> None:
    """As a value, in a body, nested in another call, in a default's else, in a comprehension."""
    for rule in (
        f"x := {call}",
        f"x if {call}",
        f"x := count([y | y := {call}])",
        f"x := [{call}]",
        f"x contains y if some y in [{call}]",
        f"x := 1 if input.a else := 2 if {call}",
        f"f(a) := {call} if a",
        f"x if every y in [1] {{ {call} == y }}",
    ):
        assert found(parser, f"{HEAD}\n{rule}\n") == [(3, what)], rule


@pytest.mark.parametrize(
    "rule",
    [
        "x := data.homeroom.federation.decision.document",
        "x := data",
        "x := data[y] if some y in input.names",
        "x := data.homeroom[y] if some y in input.names",
        "x := data.federation.grounds",
        "x if some y in data",
        "x := data.homeroom.federation.elements.f(1)",
    ],
)
def test_what_another_policy_says_is_out_of_reach(parser: Parser, rule: str) -> None:
    """By name, as a whole, or by a name that only the input knows."""
    ((line, message),) = set(found(parser, f"{HEAD}\n{rule}\n"))

    assert line == 3
    assert message.startswith("reads data")


@pytest.mark.parametrize("path", ["data", "data.homeroom", "data.homeroom.federation.elements"])
def test_another_policy_is_not_imported(parser: Parser, path: str) -> None:
    lines = f"{HEAD}\nimport {path} as other\n\nx := other\n"

    assert found(parser, lines) == [(3, f"imports {path}, which is not its own")]


@pytest.mark.parametrize(
    "negated",
    [
        'not startswith(input.x, "a")',
        "not input.x <= 3",
        'not "a" in input.x',
        "not count(input.x) > 3",
        "not f(input.x)",
        'not startswith(named, "a")',
        'not startswith(facts.name, "a")',
        "not count({y | some y in input.x}) == 0",
        "not element.age < 3",
    ],
)
def test_a_negated_call_is_refused_where_an_argument_may_be_missing(
    parser: Parser, negated: str
) -> None:
    """OPA takes such a negation neither for true nor for false, and the rule opens."""
    lines = [
        *(HEAD, "import data.homeroom.local.facts\n"),
        *("named := input.name", "f(a) if a", "x if {"),
        *("\tsome element in input.elements", f"\t{negated}", "}"),
    ]
    assert found(parser, "\n".join(lines)) == [(9, CALL)]


@pytest.mark.parametrize(
    "negated",
    ["not open", "not facts.open", "not approved[element]", "not startswith(element, input_name)"],
)
def test_a_negated_fact_passes(parser: Parser, negated: str) -> None:
    """A fact that is not known is not a fact; what is bound in the rule cannot be missing."""
    rule = f"x contains element if {{\n\tsome element, input_name in input.x\n\t{negated}\n}}"
    start = f"{HEAD}\nimport data.homeroom.local.facts\n\nopen if input.a\napproved[1] := true\n"

    assert found(parser, f"{start}{rule}\n") == []


def test_the_input_itself_is_not_negated(parser: Parser) -> None:
    message = "negates the input itself; name a fact and negate that"

    assert found(parser, f"{HEAD}\nx if {{\n\tinput.y\n\tnot input.closed\n}}\n") == [(5, message)]


def test_only_tests_replace_their_input(parser: Parser) -> None:
    rule = "x if open with input as {}\nopen if input.a\n"
    test = f"package homeroom.local.rules_test\nimport data.homeroom.local.rules\ntest_{rule}"

    assert found(parser, HEAD + rule) == [(2, "replaces its input; only tests may")]
    assert found(parser, test, "rules_test.rego") == []


def test_each_of_several_has_its_own_line(parser: Parser) -> None:
    """Comments, strings over several lines and further rules in between confuse no line."""
    source = (
        f"{HEAD}\n# not time.now_ns()\nfine := `\nnot {{\n`\n\n"
        "x if {\n\tinput.a # not that\n\tnot fine\n\tnot input.b > 1\n\n\ttime.now_ns() > 1\n}\n\n"
        "y if {\n\tnot input.c > 1\n}\n"
    )
    assert found(parser, source) == [
        (11, CALL),
        (13, "calls time.now_ns, which reaches a clock"),
        (17, CALL),
    ]


def test_what_is_no_rego_says_where(parser: Parser) -> None:
    assert found(parser, f"{HEAD}\nx if {{\n\tcount(input.x\n}}\n")[0][0] == 5


def test_a_module_stands_where_its_package_says(parser: Parser) -> None:
    """Under the folder's roots; a test in a file that says so, else a node would load it."""
    assert (
        "not in the roots" in found(parser, "package homeroom.federation.decision\n\nx := 1")[0][1]
    )
    assert "end in _test" in found(parser, "package homeroom.local.rules_test\n\nx := 1")[0][1]
    assert "end in _test" in found(parser, f"{HEAD}x := 1", "rules_test.rego")[0][1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the template."""
    copied = tmp_path / "own"
    shutil.copytree(FOLDERS[1], copied)
    return copied


def test_a_folder_has_its_entrypoint_and_no_other(folder: Path, parser: Parser) -> None:
    """Marked in METADATA, called `document`, in the package that a node asks."""
    decision = (folder / "decision.rego").read_text()
    (folder / "decision.rego").write_text(decision.replace("# entrypoint: true\n", ""))
    (missing,) = lint_folder(folder, parser)
    (folder / "decision.rego").write_text(decision)
    with (folder / "rules.rego").open("a") as rules:
        rules.write("\n# METADATA\n# entrypoint: true\nmore := 1\n")
    (other,) = lint_folder(folder, parser)

    assert missing.message == (
        "no rule `document` of homeroom.local.decision is marked as entrypoint"
    )
    assert (other.file, other.message) == ("rules.rego", "is no entrypoint of such a folder")


def test_a_folder_says_which_roots_it_has(folder: Path, parser: Parser) -> None:
    (folder / ".manifest").unlink()

    assert lint_folder(folder, parser) == [
        Finding(".manifest", 1, "there is none that names its roots")
    ]


def test_metadata_is_read_with_its_law(parser: Parser) -> None:
    """Of the whole file and of single rules; what is no YAML says nothing."""
    source = (
        "# METADATA\n# title: Rules\n# custom: {citation: 34 CFR 99.31}\n" + HEAD + "\n"
        "# METADATA\n# title: Open\nopen if input.a\n\n# METADATA\n# {: [\nclosed if input.b\n"
    )
    module = RegoModule.read("rules.rego", source, parser)
    assert isinstance(module, RegoModule)
    package, rule = module.annotation_of_package(), module.annotation_at(8)

    assert package is not None
    assert (package.citation, package.content["title"]) == ("34 CFR 99.31", "Rules")
    assert rule is not None
    assert (rule.citation, rule.content["title"]) == ("", "Open")
    assert [one.content for one in module.annotations][2:] == [{}]
    assert module.annotation_at(9) is None


def test_the_binary_parses_alike(parser: Parser) -> None:
    """Where an `opa` binary is at hand, its trees and faults are the library's."""
    binary = find_opa(os.environ)
    if binary is None:
        pytest.skip("no opa binary here")
    other = BinaryParser(binary)
    source = (FOLDERS[1] / "facts.rego").read_text()

    assert other.parse("facts.rego", source) == parser.parse("facts.rego", source)
    assert RegoModule.read("x.rego", "package x\n\ny := (", other) == RegoModule.read(
        "x.rego", "package x\n\ny := (", parser
    )
