"""Writes a node's records in formats that other systems read."""

from collections.abc import Callable, Mapping
from pathlib import Path

from services.node.intake.export.edfi_json import export_edfi_json
from services.node.intake.export.oneroster import export_oneroster
from services.node.store.records import RecordStore

__all__ = ["EXPORTS", "export_edfi_json", "export_oneroster"]

EXPORTS: Mapping[str, Callable[[RecordStore, Path], dict[str, int]]] = {
    "oneroster": export_oneroster,
    "edfi_json": export_edfi_json,
}
"""What writes each format; it tells how many objects each file has."""
