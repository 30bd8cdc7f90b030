"""The guide for administrators works as it is written: its own commands and files, in its order."""

import asyncio
import copy
import hashlib
import json
import re
import shlex
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from homeroom.audit import AuditKind
from homeroom.cli.app import app as homeroom_app
from homeroom.identity import Role
from services.node.__main__ import app as node_app
from services.node.domain.decision import Revisions
from services.node.domain.decision_record import DecisionRecord
from services.node.store.log import LogStore
from services.runtime.database import open_database
from services.runtime.policy import PolicyBundle, PolicyFolder, watching
from tests.contract.node_federation import HOLDER, NodeFederation, node_federation
from tests.serving import FEDERATION, RUNNER

PROJECT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT / "docs" / "policy-guide.md").read_text("utf-8")
DIGEST = re.search(r"policy explain (\w+)", PAGE)
_FENCE = re.compile(r"((?:^[^\n`][^\n]*\n)*)\n?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`(our-policy/[\w.]+)`")


def steps() -> Iterator[tuple[str, str]]:
    """What the page has one do, in order: a command, a file to write, or settings to set."""
    for before, kind, content in _FENCE.findall(PAGE):
        if kind == "console":
            yield from (("run", line.removeprefix("$ ")) for line in content.splitlines())
        elif kind == "ini":
            yield "set", content
        else:
            yield _FILE.findall(before)[-1], content


@dataclass
class Administrator:
    """Follows the page beside a running node."""

    federation: NodeFederation
    desk: Path
    environment: dict[str, str]
    said: dict[str, str] = field(default_factory=dict)

    async def do(self, what: str, content: str) -> None:
        if what == "set":
            await self._set(dict(line.split("=", 1) for line in content.splitlines()))
        elif what == "run":
            self.said[content] = await self._run(content)
        else:
            (self.desk / what).write_text(content)

    async def _set(self, settings: dict[str, str]) -> None:
        """The node starts again with these."""
        key = self.said["homeroom policy key approver.pem"].strip()
        bundle = self.desk / settings["HOMEROOM_NODE_LOCAL_POLICY"]
        assert settings["HOMEROOM_NODE_LOCAL_POLICY_APPROVER"].startswith("<")
        await self.federation.restart_node(local_policy=bundle, local_policy_approver=key)
        await self.federation.until_known(1)
        self.environment["HOMEROOM_NODE_LOCAL_POLICY"] = str(bundle)

    async def _run(self, command: str) -> str:
        """A verb by its own program, in this process; anything else by the shell."""
        program, *words = shlex.split(command)
        if program != "homeroom":
            await asyncio.to_thread(subprocess.run, [program, *words], cwd=self.desk, check=True)
            return ""
        app = node_app
        if words == ["policy", "status"]:
            await self._until_taken()
            app = homeroom_app
        environment = self.environment | self._profile()
        ran = await asyncio.to_thread(CliRunner().invoke, app, words, env=environment)
        assert ran.exit_code == 0, f"{command}: {ran.output}"
        return ran.stdout

    async def _until_taken(self) -> None:
        published = PolicyBundle.read(self.desk / "local-policy.tar.gz").release.sequence
        async with asyncio.timeout(60):
            while True:
                status = await self.federation.status()
                if status.local_policy.sequence == published:
                    assert status.local_policy.problem == ""
                    return
                await asyncio.sleep(0.05)

    def _profile(self) -> dict[str, str]:
        """An app of the organization, which asks the node where it listens now."""
        at = self.federation.at
        server = self.federation._server
        files = at.authority.write(at.identity(Role.APP, HOLDER), self.desk)
        profile = self.desk / "profile.toml"
        profile.write_text(
            f'federation = "{FEDERATION}"\norganization_id = "{HOLDER}"\n'
            f'authorities = "{files["authorities"]}"\n'
            f'registry_key = "{at.registry_key.public.hex()}"\n'
            f'[registry]\naddress = "127.0.0.1:{self.federation.registry_port}"\n'
            f'organization_id = "{RUNNER}"\n'
            f'[node]\naddress = "127.0.0.1:{server.port if server else 0}"\n'
            f'organization_id = "{HOLDER}"\n'
            f'[app]\ncertificate = "{files["certificate"]}"\n'
            f'private_key = "{files["private_key"]}"\n'
        )
        return {"HOMEROOM_PROFILE": str(profile)}


@pytest.fixture
async def administrator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Administrator]:
    """Homeroom's folder, a node that runs by the template, and a month of questions."""
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.05)
    desk = tmp_path / "desk"
    desk.mkdir()
    (desk / "policy").symlink_to(PROJECT / "policy")
    monkeypatch.chdir(desk)
    async with node_federation(tmp_path) as federation:
        settings = federation.settings
        await _record_questions(settings.state_url)
        own = {
            "STATE_URL": settings.state_url,
            "FEDERATION_POLICY": "policy/federation",
            "LOCAL_POLICY": "policy/local",
            "SIGNING_KEY": str(settings.signing_key),
            "FEDERATION": FEDERATION,
            "ORGANIZATION_ID": HOLDER,
        }
        yield Administrator(
            federation,
            desk,
            {f"HOMEROOM_NODE_{name}": value for name, value in own.items()},
        )


async def _record_questions(state_url: str) -> None:
    """Some for suspensions, one with the digest that the page names, and one for attendance."""
    assert DIGEST is not None
    vectors = json.loads((PROJECT / "policy/conformance/vectors/permitted.json").read_text())
    facts: dict[str, Any] = vectors["vectors"][0]["input"]
    state = open_database(state_url)
    log = LogStore(state)
    for number, element in enumerate(("suspensions", "suspensions", "daily_attendance")):
        asked = copy.deepcopy(facts)
        asked["query"]["elements"] = asked["holder"]["dataset_elements"] = [element]
        digest = DIGEST.group(1) if number == 0 else ""
        digest += hashlib.sha256(str(number).encode()).hexdigest()[len(digest) :]
        record = DecisionRecord(asked, vectors["vectors"][0]["met"], Revisions("f", "l"))
        await log.append(AuditKind.DECIDED, bytes.fromhex(digest), {}, [record])
    state.dispose()


async def test_the_guide_works_as_it_is_written(administrator: Administrator) -> None:
    """From the first key to the way back, by the page's own words."""
    for what, content in steps():
        await administrator.do(what, content)
    said = {line.removeprefix("homeroom policy "): out for line, out in administrator.said.items()}

    report = json.loads((administrator.desk / "report.json").read_text())
    assert (report["counts"]["narrowed"], report["widened"]) == (2, 0)
    assert report["parts"] == {"min_ages narrower": 2}
    (explained,) = [out for line, out in said.items() if line.startswith("explain")]
    assert "suspensions is released of a student only if:" in explained
    assert "the student is at least 12 years old" in explained
    bundles = [administrator.desk / f"local-policy{n}.tar.gz" for n in (".1", ".2", "")]
    releases = [PolicyBundle.read(bundle).release for bundle in bundles]
    assert [release.sequence for release in releases] == [1, 2, 3]
    ours = PolicyFolder.read(administrator.desk / "our-policy").revision
    template = PolicyFolder.read(PROJECT / "policy" / "local").revision
    assert [release.revision for release in releases] == [template, ours, template]
    status = await administrator.federation.status()
    assert (status.local_policy.sequence, status.local_policy.revision) == (3, template)
    assert template in said["status"]


def test_the_page_is_read_whole() -> None:
    """The commands, files and settings are found, each verb among them."""
    found = list(steps())
    verbs = {
        line.split()[2]
        for what, line in found
        if what == "run" and line.startswith("homeroom policy")
    }

    assert {"our-policy/data.json", "our-policy/suspensions_test.rego", "set"} <= {
        w for w, _ in found
    }
    assert verbs == {
        "key",
        "publish",
        "sign",
        "lint",
        "test",
        "replay",
        "explain",
        "status",
        "rollback",
    }
