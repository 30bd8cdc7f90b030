"""Whom a node follows, who witnesses its log, and the gateway where the node dials out to it."""

from services.node.peers.consent_feed import ConsentFeed
from services.node.peers.consent_readers import ReadBeside, ReadHere, readers_for
from services.node.peers.consent_reading import ConsentReading
from services.node.peers.dialling_out import DiallingOut
from services.node.peers.partner_logs import PartnerLogs
from services.node.peers.replica import NodeReplica
from services.node.peers.reporting import Reporting
from services.node.peers.settling import Settling

__all__ = [
    "ConsentFeed",
    "ConsentReading",
    "DiallingOut",
    "NodeReplica",
    "PartnerLogs",
    "ReadBeside",
    "ReadHere",
    "Reporting",
    "Settling",
    "readers_for",
]
