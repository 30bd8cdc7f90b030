"""What the pages say is what the code does."""

import re
import tomllib
from pathlib import Path

import pytest
import typer
from sqlalchemy import MetaData

from homeroom.answer import Outcome
from homeroom.audit import EVENTS, AuditKind
from homeroom.errors import ERROR_OF_REASON, Reason
from services.consent.store.tables import ConsentTable
from services.gateway.store import LOG
from services.node.__main__ import app as node_command
from services.node.domain.consent_problems import ConsentProblem
from services.node.intake.run import FORMATS
from services.node.settings import NodeSettings
from services.node.store.matter_tables import MATTER
from services.node.store.records.tables import RecordTable
from services.registry.store.tables import RegistryTable
from services.runtime.errors import STATUS_OF_REASON
from tests.house.pages import (
    cited_paths,
    cited_tests,
    headings,
    is_a_test,
    leads_somewhere,
    relative_links,
    rows,
    sections,
)
from tests.house.tree import PROJECT, name_of, tracked
from tools.settings_page import page as settings_page

_PAGES = tracked("*.md")
_DOCS = PROJECT / "docs"
_NOT_YET = "not yet"

_TABLES: dict[str, MetaData] = {
    "registry": RegistryTable.metadata,
    "consent service": ConsentTable.metadata,
    "node, records": RecordTable.metadata,
    "node, state": MATTER.metadata,
    "gateway": LOG.entry.metadata,
}


@pytest.mark.parametrize("page", _PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    """A relative link points at a file that is there, and at a heading that it has."""
    assert [link for link in relative_links(page) if not leads_somewhere(page, link)] == []


@pytest.mark.parametrize("page", _PAGES, ids=name_of)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    """A page that names a file, a folder or a test names one of the repository."""
    assert [path for path in cited_paths(page) if not (PROJECT / path).exists()] == []
    assert [cited for cited in cited_tests(page.read_text("utf-8")) if not is_a_test(cited)] == []


def test_a_citation_of_nothing_is_found() -> None:
    """The reader above tells a test from what is none."""
    here = "tests/house/test_pages_hold.py"

    assert is_a_test(f"{here}::test_a_citation_of_nothing_is_found")
    assert not is_a_test(f"{here}::test_that_nobody_wrote")
    assert not is_a_test("tests/house/pages.py::is_a_test")


def test_the_readme_is_read_in_minutes() -> None:
    """It is a shop window, not the manual."""
    assert len((PROJECT / "README.md").read_text("utf-8").splitlines()) <= 150


def test_every_reason_has_its_section() -> None:
    """`docs/errors.md` explains each reason of the vocabulary, and no other."""
    explained = [h for h in headings(_DOCS / "errors.md", 2) if h.isupper()]

    assert explained == list(Reason)
    assert set(STATUS_OF_REASON) == set(ERROR_OF_REASON) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_explained_whole(reason: Reason) -> None:
    """Its section names the exception and the status, and says what, when, and what to do."""
    section = sections(_DOCS / "errors.md")[reason]
    error, status = ERROR_OF_REASON[reason].__name__, STATUS_OF_REASON[reason].name

    assert section.strip().startswith(f"`{error}`, gRPC `{status}`\n")
    for part in ("Description", "When", "How to resolve"):
        assert re.search(rf"^\*\*{part}\.\*\* \S", section, re.MULTILINE)


def test_every_outcome_is_explained() -> None:
    """The outcomes of the client are those of the page."""
    assert [cells[0].strip("`") for cells in rows(_DOCS / "errors.md")] == list(Outcome)


def test_the_settings_page_is_what_the_settings_say() -> None:
    """Run `python -m tools.settings_page` when this fails."""
    assert (_DOCS / "settings.md").read_text("utf-8") == settings_page()


def test_every_table_has_its_place_in_the_architecture() -> None:
    """The page lists every table of every database, and none that is not there."""
    listed = {
        cells[0]: set(re.findall(r"`(\w+)`", cells[1]))
        for cells in rows(_DOCS / "architecture.md")
        if cells[0] in _TABLES
    }

    assert listed == {where: set(metadata.tables) for where, metadata in _TABLES.items()}


def test_every_import_contract_is_named_in_the_architecture() -> None:
    """The contracts are sentences, and the page repeats them."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
    names = [contract["name"] for contract in project["tool"]["importlinter"]["contracts"]]

    page = (_DOCS / "architecture.md").read_text("utf-8")
    assert [name for name in names if f"- {name}\n" not in page] == []


def test_the_glossary_is_in_order() -> None:
    """Each word stands once, where one looks for it, with a meaning of one line."""
    words = [cells[0] for cells in rows(_DOCS / "glossary.md")]
    keys = [word.casefold().replace("_", " ") for word in words]

    assert len(words) > 80
    assert keys == sorted(set(keys))
    assert all(len(cells) == 2 and cells[1] for cells in rows(_DOCS / "glossary.md"))


def test_every_threat_has_a_test_or_says_that_it_has_none() -> None:
    """A row of the threat model cites the tests that play it, or says what is missing."""
    claims = list(rows(_DOCS / "threat-model.md"))
    unproved = [
        claim
        for _, claim, proof in claims
        if not cited_tests(proof) and not proof.startswith(_NOT_YET)
    ]

    assert len(claims) >= 15
    assert unproved == []
    assert [claim for _, claim, proof in claims if proof == _NOT_YET] == [], "say what is missing"


def test_every_failure_has_a_test_and_something_to_see() -> None:
    """The page cites what plays each state, names no alert without a runbook, and each outcome."""
    page = _DOCS / "failures.md"
    states = [cells for cells in rows(page) if len(cells) == 4]
    runbooks = {path.stem for path in (_DOCS / "operations" / "runbooks").glob("*.md")}
    alerts = set(re.findall(r"`(Homeroom\w+)`", page.read_text("utf-8")))
    outcomes = [cells[0].strip("`") for cells in rows(page) if len(cells) == 3]

    assert [state for state, _, _, proof in states if not cited_tests(proof)] == []
    assert [state for state, told, seen, _ in states if not (told and seen)] == []
    assert alerts - runbooks == set()
    assert outcomes == [str(outcome) for outcome in Outcome]


@pytest.mark.parametrize(
    "state",
    [
        "refused",
        "hung",
        "slow",
        "killed in the middle",
        "half-open",
        "wrong certificate",
        "clock skew",
        "OPA dead",
        "disk full",
        "replica stale",
        "gateway restarted",
        "too much asked",
    ],
)
def test_every_state_that_a_part_may_be_in_is_on_the_page_about_failures(state: str) -> None:
    """None is left out that Homeroom promises to name rightly."""
    assert [cells for cells in rows(_DOCS / "failures.md") if cells[0].startswith(state)]


@pytest.mark.parametrize(
    "compromised",
    [
        "gateway",
        "registry",
        "consent service",
        "another node or organization",
        "a stolen token",
        "the log's database",
    ],
)
def test_every_party_that_may_turn_bad_is_in_the_threat_model(compromised: str) -> None:
    """None of those who are trusted with something is left out."""
    assert compromised in {cells[0] for cells in rows(_DOCS / "threat-model.md")}


def test_the_page_about_nodes_names_every_format_verb_and_problem() -> None:
    """Whoever runs a node finds each word that the node uses."""
    page = (_DOCS / "node.md").read_text("utf-8")
    group = typer.main.get_command(node_command)
    verbs = getattr(group, "commands", {}).keys()

    assert verbs >= {"ingest", "verify-log"}
    assert [verb for verb in verbs if f"services.node {verb}" not in page] == []
    assert {c[0].strip("`") for c in rows(_DOCS / "node.md")} >= set(FORMATS) | set(ConsentProblem)


def test_the_page_about_audit_events_is_the_catalogue() -> None:
    """Every kind of entry, when it is written, and each of its fields."""
    page = {
        cells[0].strip("`"): (cells[1], *(re.findall(r"`([a-z_]+)`", cell) for cell in cells[2:]))
        for cells in rows(_DOCS / "audit-events.md")
    }

    assert page == {
        str(kind): (event.trigger, list(event.fields), list(event.optional))
        for kind, event in EVENTS.items()
    }
    assert set(EVENTS) == set(AuditKind)


def test_the_page_about_nodes_names_every_setting() -> None:
    """No setting of a node is known to its class alone."""
    page = (_DOCS / "node.md").read_text("utf-8")

    assert [n for n in NodeSettings.model_fields if f"`{n.upper()}`" not in page] == []


def test_contributors_are_told_every_verb() -> None:
    """Each verb of the Makefile that `make help` lists is in the page for contributors."""
    verbs = re.findall(r"^([a-z0-9-]+):.*##", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    page = (PROJECT / "CONTRIBUTING.md").read_text("utf-8")

    assert len(verbs) > 10
    assert [verb for verb in verbs if f"`make {verb}`" not in page] == []


def test_every_folder_of_tests_says_what_belongs_there() -> None:
    """A new test finds its place without asking."""
    page = (PROJECT / "tests/README.md").read_text("utf-8")
    folders = {file.relative_to(PROJECT).parts[1] for file in tracked("tests/*/*.py")}

    assert [folder for folder in folders if f"`tests/{folder}/" not in page] == []


def test_changes_are_told_to_those_who_run_it() -> None:
    """The changelog has an open section, and it says something."""
    unreleased = sections(PROJECT / "CHANGELOG.md")["[Unreleased]"]

    assert unreleased.count("\n- ") >= 3
