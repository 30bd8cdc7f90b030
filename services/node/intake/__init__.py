"""Reads records from the formats that schools have, into the node's one model."""

from services.node.intake.run import FORMATS, ingest

__all__ = ["FORMATS", "ingest"]
