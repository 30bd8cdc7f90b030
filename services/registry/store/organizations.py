"""Reads organizations, each with the records that brought it other keys."""

from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Select, select

from services.registry.domain.organizations import RegisteredOrganization
from services.registry.store.rows import organization_of
from services.registry.store.tables import RegistryTable

_TABLES = RegistryTable.metadata.tables
_ORGANIZATION = _TABLES["organization"]
_KEY_RECORD = _TABLES["organization_key_record"]


def organizations_of(connection: Connection, chosen: Select[Any]) -> list[RegisteredOrganization]:
    """The organizations that a statement chooses, in its order, each with its keys."""
    rows = connection.execute(chosen).all()
    names = chosen.with_only_columns(_ORGANIZATION.c.organization_id)
    wanted = (
        select(_KEY_RECORD)
        .where(_KEY_RECORD.c.organization_id.in_(names))
        .order_by(_KEY_RECORD.c.organization_id, _KEY_RECORD.c.position)
    )
    grouped = groupby(connection.execute(wanted), key=lambda row: row.organization_id)
    keys = {name: list(group) for name, group in grouped}
    return [organization_of(row, keys.get(row.organization_id, ())) for row in rows]
