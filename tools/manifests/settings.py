"""Reads the settings that a rendering gives to each service as the service itself would."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from homeroom.errors import RequestInvalidError
from services.consent.settings import ConsentSettings
from services.gateway.settings import GatewaySettings
from services.node.settings import NodeSettings
from services.registry.settings import RegistrySettings
from services.runtime.settings import ServiceSettings
from tools.manifests.rendering import Manifest

_SERVICES: Mapping[str, type[ServiceSettings]] = {
    "consent": ConsentSettings,
    "gateway": GatewaySettings,
    "node": NodeSettings,
    "registry": RegistrySettings,
}
_BROUGHT = "postgresql+psycopg://account@database/name"


def wrong_settings(objects: Sequence[Manifest]) -> Iterator[str]:
    """A sentence for each service that would not start with what it is told."""
    for one in objects:
        if one["kind"] not in {"Deployment", "StatefulSet"}:
            continue
        for container in one["spec"]["template"]["spec"]["containers"]:
            settings = _SERVICES.get(container["name"])
            if settings is None:
                continue
            told = _environment(container, one["metadata"]["namespace"], objects)
            try:
                settings.read(f"HOMEROOM_{container['name'].upper()}_", told)
            except RequestInvalidError as wrong:
                yield f"{one['kind']}/{one['metadata']['name']}: {wrong.message}"


def _environment(
    container: Mapping[str, Any], namespace: str, objects: Sequence[Manifest]
) -> dict[str, str]:
    told: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        for one in objects:
            if one["kind"] == "ConfigMap" and (
                one["metadata"]["namespace"],
                one["metadata"]["name"],
            ) == (namespace, source["configMapRef"]["name"]):
                told |= one["data"]
    for variable in container.get("env", ()):
        told[variable["name"]] = variable.get("value", _BROUGHT)
    return told
