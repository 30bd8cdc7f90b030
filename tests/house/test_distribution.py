"""What is tracked and shipped: the client alone in the wheel, and nothing of anyone's machine."""

import ast
import json
import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from setuptools import find_namespace_packages  # type: ignore[import-untyped]  # has no stubs

from tests.house.tree import PROJECT, modules_under, name_of, parsed, tracked

_PROJECT: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
_LOCKS = tracked("*.lock")

# A person's or a machine's folder. Spelled so that this file is not one that has it.
_MACHINE_PATH = re.compile(r"/(?:home|root|Users|work|workspace)/[\w.]|[A-Z]:\\\\Users")
_INDEX = re.compile(
    r"--(?:extra-)?index-url|--trusted-host|--find-links|pypi\.org/simple|pythonhosted\.org"
    r"|artifactory|GOPROXY="
)
_EVERYWHERE = re.compile(r"(?<![\d.])0\.0\.0\.0(?![\d.])|\[::\]:")
_OF_PODS = ("deploy/k8s/", "deploy/policy/")
_KEY = re.compile(r"-----BEGIN (?:\w+ )*PRIVATE KEY-----")
_ADDRESS = re.compile(r"https?://([\w.-]+)")
# Public pages that explain, names of formats, and names that nobody can have.
_KNOWN_HOSTS = re.compile(
    r"(?:www\.)?(?:ecfr\.gov|openpolicyagent\.org|sqlite\.org|semver\.org|keepachangelog\.com"
    r"|json-schema\.org|pypi\.org|kubernetes\.io|apache\.org|github\.com|ceds\.ed\.gov|ed-fi\.org|postgresql\.org)"
    r"|purl\.imsglobal\.org|127\.0\.0\.1|localhost|host|issuer|[\w.-]*\.(?:example|invalid|test)"
)
_PINNED = re.compile(
    r"[\w.-]+(?:\[[\w,-]+\])?==[\w.+!]+(?: ; [^\\]+)?"
    r"(?:\s*\\\n\s+--hash=sha256:[0-9a-f]{64})+\s*"
)


def _texts() -> dict[str, str]:
    return {
        name_of(file): file.read_text("utf-8")
        for file in tracked("*")
        if file.resolve() != Path(__file__).resolve()
    }


@pytest.mark.parametrize("pattern", [_MACHINE_PATH, _INDEX, _KEY], ids=["path", "index", "key"])
def test_no_file_names_a_machine(pattern: re.Pattern[str]) -> None:
    """No file has a machine's folder, a package index or a private key."""
    assert [name for name, text in _texts().items() if pattern.search(text)] == []


def test_nothing_listens_everywhere_but_a_pod() -> None:
    """No file has an open address but manifests: policies of the network say who calls a pod."""
    open_addresses = {name for name, text in _texts().items() if _EVERYWHERE.search(text)}

    assert {one for one in open_addresses if not one.startswith(_OF_PODS)} == set()


def test_every_address_is_a_public_page_or_made_up() -> None:
    """No file sends anyone to a machine of ours: whoever clones this reaches every address."""
    foreign = {
        f"{name}: {host}"
        for name, text in _texts().items()
        for host in _ADDRESS.findall(text)
        if not _KNOWN_HOSTS.fullmatch(host.rstrip("."))
    }

    assert foreign == set()


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (_MACHINE_PATH, "/ho" + "me/ana/homeroom"),
        (_INDEX, "--index" + "-url https://packages"),
        (_EVERYWHERE, "0.0." + "0.0:7001"),
        (_KEY, "-----BEGIN " + "PRIVATE KEY-----"),
    ],
)
def test_what_is_looked_for_would_be_found(pattern: re.Pattern[str], text: str) -> None:
    """Each pattern above sees an example of what it forbids."""
    assert pattern.search(text)


def test_the_wheel_holds_the_client_alone() -> None:
    """Nobody who installs Homeroom gets a package called `services`."""
    find = _PROJECT["tool"]["setuptools"]["packages"]["find"]
    packages = find_namespace_packages(where=str(PROJECT), **find)

    assert {package.partition(".")[0] for package in packages} == {"homeroom"}
    assert {"homeroom", "homeroom.cli", "homeroom.api.node.v1"} <= set(packages)
    assert (PROJECT / "homeroom" / "py.typed").is_file()


def test_the_client_needs_nothing_of_the_servers() -> None:
    """What `homeroom` imports is what installing it brings."""
    named = {_normal(requirement) for requirement in _PROJECT["project"]["dependencies"]}
    # Brought by grpcio-status, whose messages they are; imported only by who has it already.
    named |= {"googleapis-common-protos", "pandas"}
    # An extra: only who prints agreements needs it, and is told so.
    extras = _PROJECT["project"]["optional-dependencies"]
    named |= {_normal(requirement) for requirement in extras["print"]}
    bringing = packages_distributions()
    foreign = {
        f"{name_of(file)} imports {top}"
        for file in modules_under("homeroom")
        for top in _imported(file)
        if top in bringing and not {_normal(name) for name in bringing[top]} & named
        if top != "homeroom"
    }

    assert foreign == set()


@pytest.mark.parametrize("lock", _LOCKS, ids=name_of)
def test_a_lock_pins_versions_and_hashes_and_names_no_place(lock: Path) -> None:
    """Each requirement has one version and its hashes; where to get it is the installer's."""
    text = lock.read_text("utf-8")
    wanted = [part for part in re.split(r"(?<!\\)\n", text) if part and not part.startswith("#")]

    assert wanted
    assert [line for line in wanted if not _PINNED.fullmatch(line)] == []
    assert "://" not in text


def test_everything_that_is_named_is_locked() -> None:
    """No dependency is installed without a hash."""
    project = _PROJECT["project"]
    extras = [name for group in project["optional-dependencies"].values() for name in group]
    named = {_normal(requirement) for requirement in (*project["dependencies"], *extras)}
    locked = {
        _normal(line)
        for lock in _LOCKS
        for line in lock.read_text("utf-8").splitlines()
        if "==" in line
    }

    assert named - locked == set()


def test_every_rule_has_its_test_and_says_what_it_is() -> None:
    """A .rego file has METADATA, and a _test.rego beside it; a test file tests one that is there.

    Examples that test several rules together have a name of their own. The rules of deployment have
    broken manifests instead, which `make k8s-check` holds them to.
    """
    rules = [file for file in tracked("policy/*.rego") if not file.stem.endswith("_test")]

    assert rules
    assert [name_of(f) for f in rules if not f.with_name(f"{f.stem}_test.rego").is_file()] == []
    assert [name_of(f) for f in rules if not f.read_text("utf-8").startswith("# METADATA\n")] == []


def test_policy_data_is_plain_json() -> None:
    """Constants of a policy are read by people: JSON objects, without null."""
    for file in tracked("policy/**/data.json"):
        text = file.read_text("utf-8")
        assert isinstance(json.loads(text), dict)
        assert "null" not in text


def _imported(file: Path) -> set[str]:
    return {
        name.partition(".")[0]
        for node in ast.walk(parsed(file))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }


def _normal(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name.group()).lower()
