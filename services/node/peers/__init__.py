"""Whom a node follows, the registry and the consent service, and who witnesses its log."""

from services.node.peers.consent_feed import ConsentFeed
from services.node.peers.consent_readers import ReadBeside, ReadHere, readers_for
from services.node.peers.consent_reading import ConsentReading
from services.node.peers.partner_logs import PartnerLogs
from services.node.peers.replica import NodeReplica
from services.node.peers.reporting import Reporting
from services.node.peers.settling import Settling
from services.node.peers.witnessing import LogWitness, Witnessing

__all__ = [
    "ConsentFeed",
    "ConsentReading",
    "LogWitness",
    "NodeReplica",
    "PartnerLogs",
    "ReadBeside",
    "ReadHere",
    "Reporting",
    "Settling",
    "Witnessing",
    "readers_for",
]
