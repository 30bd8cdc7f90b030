"""What apps and services both mean by an audit log: entries, checkpoints and their witnesses.

A log is a list of entries under one root (RFC 9162, `homeroom.merkle`). No entry holds a student.
"""

from homeroom.audit.entry import AuditEntry, Position, encode_content
from homeroom.audit.events import EVENTS, AuditKind, Event

__all__ = ["EVENTS", "AuditEntry", "AuditKind", "Event", "Position", "encode_content"]
