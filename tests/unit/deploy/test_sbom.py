"""The list of what an image has names what the lock names, no more, and the same again."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from services.runtime.policy import OPA_VERSION
from tools import sbom
from tools.image_lock import LOCK, locked, needed

_NOTES = [
    "Package: python3.11\nVersion: 3.11.2-6+deb12u9\nArchitecture: amd64\nDescription: language\n",
    "Package: libc6\nSource: glibc (2.36-9)\nVersion: 2.36-9+deb12u13\nArchitecture: amd64\n",
]
_PACKAGES = sbom.image_packages(["services"])


def listed(notes: list[str] = _NOTES) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(sbom.image_list(notes, _PACKAGES))
    return made


def purls(made: dict[str, Any]) -> set[str]:
    return {one["purl"] for one in made["components"]}


def test_each_package_of_the_lock_stands_in_it_with_its_version_and_its_files_digests() -> None:
    """Read from the lock by other means than it is made with."""
    text = LOCK.read_text("utf-8")
    found = {one["name"]: one for one in listed()["components"] if "externalReferences" in one}

    assert found.keys() == needed(["services"]) | {"opa-golib-python-bindings"}
    for name in sorted(found.keys() & locked(text).keys()):
        begins = re.search(rf"^{re.escape(name)}=={re.escape(found[name]['version'])} ", text, re.M)
        assert begins is not None, name
        block = re.split(r"\n(?=\S)", text[begins.start() :], maxsplit=1)[0]
        (files,) = found[name]["externalReferences"]
        assert {one["content"] for one in files["hashes"]} == set(
            re.findall(r"sha256:([0-9a-f]{64})", block)
        )


def test_each_package_of_debian_stands_in_it_with_its_source() -> None:
    """Under the name by which Debian's tracker knows its faults."""
    assert {
        "pkg:deb/debian/python3.11@3.11.2-6%2Bdeb12u9?arch=amd64&distro=debian-12&upstream=python3.11",
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u13?arch=amd64&distro=debian-12&upstream=glibc",
        f"pkg:golang/github.com/open-policy-agent/opa@v{OPA_VERSION}",
    } == {one for one in purls(listed()) if not one.startswith("pkg:pypi/")}


def test_no_tool_of_development_stands_in_it() -> None:
    assert not {"pytest", "mypy", "cyclonedx-python-lib"} & {
        one["name"] for one in listed()["components"]
    }


@settings(max_examples=5)
@given(notes=st.permutations(_NOTES), names=st.permutations(sorted(_PACKAGES)))
def test_the_same_packages_make_the_same_bytes(notes: list[str], names: list[str]) -> None:
    """In whatever order they are found, and whenever: nobody need ask which of two is right."""
    again = {name: _PACKAGES[name] for name in names}

    assert sbom.image_list(notes, again) == sbom.image_list(_NOTES, _PACKAGES)


def test_other_packages_make_a_list_of_another_number() -> None:
    other = [_NOTES[0], _NOTES[1].replace("deb12u13", "deb12u14")]

    assert listed()["serialNumber"] != listed(other)["serialNumber"]


def test_it_is_right_by_the_schema() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(listed())) is None


def installed(folder: Path, name: str, version: str) -> None:
    (folder / f"{name}-{version}.dist-info").mkdir(parents=True)
    said = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (folder / f"{name}-{version}.dist-info" / "METADATA").write_text(said, "utf-8")


def test_what_is_installed_and_not_locked_is_told(tmp_path: Path) -> None:
    """And what is locked and not installed: no list of something else is written."""
    installed(tmp_path, "Typing_Extensions", "4.0")
    locks = {"typing-extensions": "typing-extensions==4.0 \\\n    --hash=sha256:00"}

    assert sbom.unlisted(locks, tmp_path) == set()
    installed(tmp_path, "stray", "1")
    assert sbom.unlisted(locks, tmp_path) == {"stray==1"}
    assert sbom.unlisted({}, tmp_path) == {"stray==1", "typing-extensions==4.0"}


def test_a_list_that_would_not_be_what_is_there_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither without Debian's packages, nor with other ones of Python's."""
    (tmp_path / "notes").mkdir()
    asked = ["--debian", str(tmp_path / "notes")]

    assert sbom.main(asked) == 1
    (tmp_path / "notes" / "libc6").write_text(_NOTES[1], "utf-8")
    assert sbom.main([*asked, "--installed", str(tmp_path)]) == 1
    assert capsys.readouterr().out == ""
    assert sbom.main(asked) == 0
    assert purls(json.loads(capsys.readouterr().out)) == purls(listed(_NOTES[1:]))
