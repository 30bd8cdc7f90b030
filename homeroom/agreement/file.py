"""Reads an agreement as a steward writes it, and compiles it to the document that parties sign.

The steward's file is YAML and names organizations by role; the keys come from the registry's
verified snapshot, so that nobody copies a fingerprint by hand.
"""

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from homeroom.agreement import AgreementDocument
from homeroom.errors import RequestInvalidError
from homeroom.federation import FederationState
from homeroom.signing import key_id_of


class _StrictLoader(yaml.SafeLoader):
    """YAML whose mappings name each key once: the second would silently replace the first."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if len(set(keys)) != len(keys):
            raise yaml.constructor.ConstructorError(
                None, None, "a key is written twice", node.start_mark
            )
        return super().construct_mapping(node, deep=deep)


def compile_agreement(text: str, state: FederationState) -> AgreementDocument:
    """The document to sign.

    Args:
        text: the steward's file. Its fields are those of `AgreementDocument`; `parties` maps each
            organization to `discloser`, `recipient` or `both`.
        state: the federation, which knows each organization's keys, and the document in force
            that a next version supersedes.

    Raises:
        RequestInvalidError: naming the first field that is wrong, and why.
    """
    content = dict(_parse(text))
    roles = content.get("parties")
    if not isinstance(roles, Mapping):
        raise RequestInvalidError(
            "agreement: parties maps each organization to its role", field="parties"
        )
    content["parties"] = [_party(str(name), role, state) for name, role in roles.items()]
    superseded = _superseded(content, state)
    if superseded is not None:
        content.setdefault("supersedes", superseded)
    try:
        return AgreementDocument.model_validate(content)
    except ValidationError as wrong:
        first = wrong.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "agreement"
        raise RequestInvalidError(f"agreement: {field}: {first['msg']}", field=field) from None


def _superseded(content: Mapping[str, Any], state: FederationState) -> str | None:
    """The digest of the document in force, if the file is the version after it."""
    known = state.known.get(str(content.get("agreement_id")))
    version = known.history.in_force if known else None
    if version is None or content.get("version") != version.terms.version + 1:
        return None
    return version.terms.digest.hex()


def _parse(text: str) -> Mapping[str, Any]:
    try:
        content = yaml.load(text, _StrictLoader)  # noqa: S506 - a SafeLoader, made stricter
    except yaml.YAMLError as wrong:
        raise RequestInvalidError(f"agreement: not YAML: {wrong}", field="agreement") from None
    if not isinstance(content, Mapping):
        raise RequestInvalidError("agreement: the file has no fields", field="agreement")
    return content


def _party(organization_id: str, role: Any, state: FederationState) -> dict[str, Any]:
    organization = state.organizations.get(organization_id)
    if organization is None:
        raise RequestInvalidError(
            f"agreement: {organization_id} is not registered",
            field="parties",
            organization_id=organization_id,
        )
    return {
        "organization_id": organization_id,
        "role": role,
        "signing_key_id": key_id_of(organization.signing_key),
        "sealing_key_id": key_id_of(organization.sealing_key),
    }
