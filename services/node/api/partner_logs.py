"""Writes what a node saw of its partners' logs as messages."""

from collections.abc import Mapping

from homeroom.api.node.v1 import node_service_pb2 as pb
from services.node.domain.partner_logs import PartnerLog, SeenContradiction


def tell_contradictions(status: pb.GetNodeStatusResponse, logs: Mapping[str, PartnerLog]) -> None:
    """Adds the partners whose logs contradicted themselves to a status, by identifier."""
    for name, known in sorted(logs.items()):
        if known.contradiction is not None:
            status.partner_contradictions.append(_contradiction(name, known.contradiction))


def _contradiction(name: str, found: SeenContradiction) -> pb.PartnerContradiction:
    message = pb.PartnerContradiction(
        organization_id=name,
        kind=found.kind,
        known_note=found.known_note,
        refused_note=found.refused_note,
    )
    message.see_time.FromDatetime(found.seen_at)
    return message
