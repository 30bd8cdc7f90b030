"""Writes a node's records in formats that other systems read."""

from services.node.intake.export.oneroster import export_oneroster

__all__ = ["export_oneroster"]
