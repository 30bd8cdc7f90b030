"""Checks objects against the schemas of Kubernetes, oldest and newest supported, and of our own.

The schemas are those of the PyPI package `kubernetes-validate`, in their strict form: what they do
not know is wrong, and a kind that a version no longer has is wrong there. It is read as the wheel
that it came in. For the kinds of others, `deploy/k8s/custom_resources.yaml` has the fields that we
use and no more.
"""

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tools.manifests.rendering import KUBERNETES, Manifest

OLDEST, NEWEST = "1.30", "1.37"

_SCHEMAS = "kubernetes_validate/kubernetes-json-schema"
_DEFINITIONS = "https://kubernetes.io/api/_definitions.json"
_MOST_TOLD = 5


class Schemas(Protocol):
    """The schemas of one set of kinds."""

    def find(self, api_version: str, kind: str) -> Mapping[str, Any] | None:
        """The schema of a kind; None if there is none."""
        ...

    def validator(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        """What checks by it."""
        ...


class KubernetesSchemas:
    """The kinds that one version of Kubernetes has."""

    def __init__(self, wheel: Path, version: str) -> None:
        self.version = version
        self._archive = zipfile.ZipFile(wheel)
        self._folder = f"{_SCHEMAS}/v{version}.0-local-strict"
        self._names = set(self._archive.namelist())
        definitions = self._read("_definitions.json")
        self._registry: Registry[Any] = Registry().with_resource(
            _DEFINITIONS, Resource.from_contents(definitions)
        )

    def find(self, api_version: str, kind: str) -> Mapping[str, Any] | None:
        group, _, version = api_version.rpartition("/")
        named = "-".join(filter(None, (kind.lower(), group.partition(".")[0], version)))
        if f"{self._folder}/{named}.json" not in self._names:
            return None
        return self._read(f"{named}.json")

    def validator(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        return Draft202012Validator(schema, registry=self._registry)

    @cache  # noqa: B019  # one for each version, for as long as the check runs
    def _read(self, name: str) -> Mapping[str, Any]:
        read: Mapping[str, Any] = json.loads(self._archive.read(f"{self._folder}/{name}"))
        return read


class CustomSchemas:
    """The kinds of others: of cert-manager, the Gateway API, CloudNativePG, External Secrets."""

    version = "custom resources"

    def __init__(self, file: Path = KUBERNETES / "custom_resources.yaml") -> None:
        self._kinds = yaml.safe_load(file.read_text("utf-8"))
        for schema in self._kinds.values():
            Draft202012Validator.check_schema(schema)

    def find(self, api_version: str, kind: str) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self._kinds.get(f"{api_version}/{kind}")
        return found

    def validator(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        return Draft202012Validator(schema)


class SchemaCheck:
    """Tells what is wrong with objects; the same object is looked at once."""

    def __init__(self, kubernetes: Sequence[KubernetesSchemas], custom: CustomSchemas) -> None:
        self._kubernetes = kubernetes
        self._custom = custom
        self._seen: set[str] = set()

    def wrong(self, objects: Sequence[Manifest]) -> Iterator[str]:
        """A sentence for each fault."""
        for one in objects:
            written = json.dumps(_without_place(one), sort_keys=True, default=str)
            if written not in self._seen:
                self._seen.add(written)
                yield from self._faults(one)

    def _faults(self, one: Manifest) -> Iterator[str]:
        kind, api_version = one["kind"], one["apiVersion"]
        if self._custom.find(api_version, kind) is not None:
            yield from _told(one, self._custom, self._custom.version)
            return
        for schemas in self._kubernetes:
            if schemas.find(api_version, kind) is None:
                yield f"{kind}/{one['metadata']['name']}: {schemas.version} has no {api_version}"
            else:
                yield from _told(one, schemas, schemas.version)


def find_wheel(environment: Mapping[str, str]) -> Path | None:
    """The package of schemas in the cache folder of Homeroom."""
    cache_folder = environment.get("XDG_CACHE_HOME") or f"{environment.get('HOME', '')}/.cache"
    found = sorted(Path(cache_folder, "homeroom", "kubernetes-schemas").glob("*.whl"))
    return found[-1] if found else None


def _without_place(one: Manifest) -> Manifest:
    metadata = {key: value for key, value in one["metadata"].items() if key != "namespace"}
    return {**one, "metadata": metadata}


def _told(one: Manifest, schemas: Schemas, version: str) -> Iterator[str]:
    schema = schemas.find(one["apiVersion"], one["kind"]) or {}
    for number, fault in enumerate(schemas.validator(schema).iter_errors(one)):
        if number == _MOST_TOLD:
            return
        where = "/".join(str(part) for part in fault.absolute_path)
        yield f"{one['kind']}/{one['metadata']['name']}: {version}: {where}: {fault.message[:200]}"
