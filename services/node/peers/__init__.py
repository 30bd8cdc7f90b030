"""Whom a node follows, the registry and the consent service, and who witnesses its log."""

from services.node.peers.consent_feed import ConsentFeed
from services.node.peers.consent_readers import ReadBeside, ReadHere, readers_for
from services.node.peers.consent_reading import ConsentReading
from services.node.peers.partner_logs import PartnerLogs
from services.node.peers.replica import NodeReplica
from services.node.peers.reporting import Reporting
from services.node.peers.settling import Settling

__all__ = [
    "ConsentFeed",
    "ConsentReading",
    "NodeReplica",
    "PartnerLogs",
    "ReadBeside",
    "ReadHere",
    "Reporting",
    "Settling",
    "readers_for",
]
