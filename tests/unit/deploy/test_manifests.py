"""The check of the manifests finds what it is there to find; `make k8s-check` runs it on all."""

import copy
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.runtime.policy import ROOM_FOR_GARBAGE
from tests.house.tree import PROJECT
from tools.manifests import rendering
from tools.manifests.rendering import HUB, KUBERNETES, NODE, combinations, in_namespace
from tools.manifests.rules import Rules, faults_of_the_rules, mutated, read_mutants
from tools.manifests.schemas import NEWEST, OLDEST, CustomSchemas, KubernetesSchemas, SchemaCheck
from tools.manifests.settings import wrong_settings

_OPA = PROJECT / "deploy" / "k8s" / "components" / "opa"
_MAP: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "registry-settings", "namespace": "hub"},
    "data": {
        f"HOMEROOM_REGISTRY_{name}": "/run/file"
        for name in ("CERTIFICATE", "PRIVATE_KEY", "AUTHORITIES", "SIGNING_KEY")
    }
    | {
        "HOMEROOM_REGISTRY_FEDERATION": "test.example",
        "HOMEROOM_REGISTRY_ORGANIZATION_ID": "hub",
        "HOMEROOM_REGISTRY_ADDRESS": "127.0.0.1:50051",
        "HOMEROOM_REGISTRY_GATEWAY_CHECKPOINT_KEY": "0" * 64,
    },
}
_REGISTRY: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "registry", "namespace": "hub"},
    "spec": {
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "registry",
                        "envFrom": [{"configMapRef": {"name": "registry-settings"}}],
                    }
                ]
            }
        }
    },
}


@pytest.mark.parametrize("side", [NODE, HUB], ids=lambda side: side.base)
def test_every_component_is_combined_with_every_other_choice(side: rendering.Side) -> None:
    """No component of the repository is left out but those that another overlay shows."""
    made = combinations(side)
    added = {component for several in side.additions.values() for component in several}
    chosen = {frozenset(set(one) - added) for one in made}
    expected = 1
    for choices in side.choices.values():
        expected *= len(choices)

    assert len(chosen) == expected
    assert len(made) == 2 * expected
    assert all(f"network-policies/{side.base}" in one for one in made)


def test_every_component_is_rendered_somewhere() -> None:
    """A new folder under `components` is checked from the day it is there."""
    there = {
        str(file.parent.relative_to(KUBERNETES / "components"))
        for file in (KUBERNETES / "components").rglob("kustomization.yaml")
    }
    combined = {name for side in (NODE, HUB) for one in combinations(side) for name in one}
    overlays = {
        component.rpartition("/components/")[2]
        for file in (KUBERNETES / "overlays").rglob("kustomization.yaml")
        for component in yaml.safe_load(file.read_text("utf-8")).get("components", ())
    }

    assert there == combined | overlays


def test_an_organizations_overlay_is_short() -> None:
    """What an organization copies it can read: forty lines."""
    overlay = KUBERNETES / "overlays" / "org-example" / "kustomization.yaml"

    assert len(overlay.read_text("utf-8").splitlines()) <= 40


def test_settings_that_a_service_accepts_are_right() -> None:
    assert list(wrong_settings([_MAP, _REGISTRY])) == []


def test_a_misspelt_setting_is_found_before_it_is_deployed() -> None:
    """As the service itself would tell it, and with all others that are wrong."""
    changed = copy.deepcopy(_MAP)
    changed["data"]["HOMEROOM_REGISTRY_ADRESS"] = changed["data"].pop("HOMEROOM_REGISTRY_ADDRESS")

    (told,) = wrong_settings([changed, _REGISTRY])

    assert "HOMEROOM_REGISTRY_ADRESS" in told
    assert "HOMEROOM_REGISTRY_ADDRESS: Field required" in told


def test_settings_of_another_namespace_are_none_of_a_services() -> None:
    changed = copy.deepcopy(_MAP)
    changed["metadata"]["namespace"] = "elsewhere"

    assert len(list(wrong_settings([changed, _REGISTRY]))) == 1


def test_a_rendering_is_split_by_namespace() -> None:
    namespace = {"kind": "Namespace", "metadata": {"name": "hub"}}
    other = {"kind": "Namespace", "metadata": {"name": "elsewhere"}}

    assert in_namespace([namespace, other, _MAP, _REGISTRY], "hub") == [namespace, _MAP, _REGISTRY]
    assert in_namespace([namespace, other, _MAP], "elsewhere") == [other]


def test_every_rule_has_a_broken_manifest() -> None:
    """The rules are read from the file, so that a new one without a mutant fails the check."""
    with Rules() as rules:
        assert len(rules.names) > 40
        assert {mutant["rule"] for mutant in read_mutants()} == rules.names


def test_a_mutant_that_no_rule_finds_fails_the_check() -> None:
    """And so does one that another rule finds as well, and a rule without any."""
    objects = [_MAP, {**_MAP, "metadata": {"name": "Bad", "namespace": "hub"}}]
    harmless = {
        "rule": "no_token",
        "of": "x",
        "object": "ConfigMap/registry-settings",
        "at": ["data"],
    }
    with Rules() as rules:
        told = list(faults_of_the_rules(rules, [harmless], {"x": objects}))

    assert "no_token: a manifest that is broken as it says is found by names_well_formed" in told
    assert "no broken manifest shows the rule one_writer" in told


def test_a_mutant_changes_one_thing_of_a_copy() -> None:
    before = copy.deepcopy(_MAP)
    changed = {"object": "ConfigMap/registry-settings", "at": ["metadata", "name"], "to": "other"}

    (one,) = mutated(changed, [_MAP])

    assert one["metadata"]["name"] == "other"
    assert before == _MAP
    assert mutated({"object": "ConfigMap/registry-settings"}, [_MAP]) == []


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A package of schemas of which the newer one no longer has a kind."""
    path = tmp_path / "schemas.whl"
    folder = "kubernetes_validate/kubernetes-json-schema/v{}.0-local-strict/{}"
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"apiVersion": {}, "kind": {}, "metadata": {}}
        | {"data": {"$ref": "https://kubernetes.io/api/_definitions.json#/$defs/Texts"}},
    }
    texts = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {"Texts": {"type": "object", "additionalProperties": {"type": "string"}}},
    }
    with zipfile.ZipFile(path, "w") as made:
        for version in (OLDEST, NEWEST):
            made.writestr(folder.format(version, "_definitions.json"), json.dumps(texts))
            made.writestr(folder.format(version, "configmap-v1.json"), json.dumps(schema))
        made.writestr(folder.format(OLDEST, "job-batch-v1beta1.json"), json.dumps({}))
    return path


def test_objects_are_held_against_the_oldest_and_the_newest_version(wheel: Path) -> None:
    versions = [KubernetesSchemas(wheel, version) for version in (OLDEST, NEWEST)]
    old = {"apiVersion": "batch/v1beta1", "kind": "Job", "metadata": {"name": "old"}}
    typo = {**_MAP, "immutible": True}

    assert list(SchemaCheck(versions, CustomSchemas()).wrong([_MAP])) == []
    assert list(SchemaCheck(versions, CustomSchemas()).wrong([old])) == [
        f"Job/old: {NEWEST} has no batch/v1beta1"
    ]
    told = list(SchemaCheck(versions, CustomSchemas()).wrong([typo, typo]))
    assert len(told) == 2
    assert all("immutible" in one for one in told)


def test_a_value_of_the_wrong_type_is_found_through_the_definitions(wheel: Path) -> None:
    versions = [KubernetesSchemas(wheel, OLDEST)]

    (told,) = SchemaCheck(versions, CustomSchemas()).wrong([{**_MAP, "data": {"one": 1}}])

    assert "data/one" in told


def test_a_kind_of_others_has_the_fields_that_we_know_and_no_other(wheel: Path) -> None:
    certificate = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": "node"},
        "spec": {"secretName": "node-tls", "issuerRef": {"name": "federation"}},
    }
    check = SchemaCheck([KubernetesSchemas(wheel, OLDEST)], CustomSchemas())

    assert list(check.wrong([certificate])) == []
    certificate["spec"]["secretname"] = "node-tls"  # type: ignore[index]  # of a mapping
    (told,) = check.wrong([certificate])
    assert "secretname" in told


def test_a_rendering_with_a_warning_is_no_rendering(tmp_path: Path) -> None:
    """What kustomize warns of today it refuses tomorrow."""
    warning = tmp_path / "warning"
    warning.write_text("#!/bin/sh\necho 'kind: List'\necho deprecated >&2\n")
    warning.chmod(0o755)

    with pytest.raises(subprocess.CalledProcessError) as failed:
        rendering.render([str(warning)], tmp_path)

    assert "deprecated" in failed.value.stderr


def test_the_pinned_kustomize_goes_before_any_other(tmp_path: Path) -> None:
    """And where there is none of it, what is said names the other."""
    kubectl = tmp_path / "kubectl"
    kubectl.touch(mode=0o755)
    pinned = tmp_path / "homeroom" / f"kustomize-v{rendering.KUSTOMIZE_VERSION}" / "kustomize"
    found = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}

    assert rendering.find_kustomize({"PATH": "", "XDG_CACHE_HOME": str(tmp_path)}) is None
    assert rendering.find_kustomize(found) == (
        [str(kubectl), "kustomize"],
        "kubectl's own kustomize, not the pinned one",
    )
    pinned.parent.mkdir(parents=True)
    pinned.touch(mode=0o755)
    assert (rendering.find_kustomize(found) or ([],))[0] == [str(pinned), "build"]


def test_manifests_name_every_secret_that_the_pages_tell_to_make() -> None:
    """Whatever a pod waits for, and nothing here makes, the platform team is told of."""
    told = (PROJECT / "docs" / "operations" / "kubernetes.md").read_text("utf-8")
    brought = {
        name
        for file in KUBERNETES.rglob("*.yaml")
        for line in file.read_text("utf-8").splitlines()
        if "homeroom/brought" in line or "value: secret/" in line
        for name in line.partition(": ")[2].split()
    }

    assert len(brought) >= 10
    assert {one for one in brought if f"`{one.partition('/')[2]}`" not in told} == set()


def test_opa_runs_with_the_room_that_it_was_measured_with() -> None:
    """The tests and benchmarks start it so; a server without would be another one."""
    servers = [
        container
        for name in ("node", "gateway")
        for patch in yaml.safe_load_all((_OPA / f"{name}.yaml").read_text("utf-8"))
        for container in patch["spec"]["template"]["spec"].get("containers", [])
        if container.get("image") == "openpolicyagent/opa"
    ]

    assert len(servers) == 3
    for server in servers:
        assert {one["name"]: one["value"] for one in server["env"]} == ROOM_FOR_GARBAGE
