"""An organization's signed word that its log did not continue, and where it goes on from.

It is signed by the key that signs agreements, not by the one that signs checkpoints: whoever runs
the node cannot explain a loss away alone.
"""

import datetime as dt

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.registry.v1 import witness_service_pb2 as pb
from homeroom.audit.checkpoint import Checkpoint, log_origin
from homeroom.audit.growth import LogBeginning
from homeroom.errors import EvidenceInvalidError
from homeroom.evidence import check_signed_by, decode, signed
from homeroom.signing import Domain, SigningKey


def sign_beginning(
    beginning: LogBeginning, federation: str, organization_id: str, key: SigningKey
) -> evidence_pb2.SignedStatement:
    """The statement as the organization signs it."""
    message = pb.LogBeginning(
        federation=federation,
        organization_id=organization_id,
        lost_position=beginning.lost_position,
        lost_size=beginning.lost.size,
        lost_root=beginning.lost.root,
        size=beginning.now.size,
        root=beginning.now.root,
        reason=beginning.reason,
    )
    message.begin_time.FromDatetime(beginning.begin_time)
    statement = message.SerializeToString(deterministic=True)
    return signed(Domain.LOG_BEGINNING, statement, organization_id, key)


def open_beginning(
    evidence: evidence_pb2.SignedStatement, federation: str, organization_id: str, public_key: bytes
) -> LogBeginning:
    """What an organization said of its log.

    Raises:
        EvidenceInvalidError: if it did not sign this, of its own log.
    """
    statement = check_signed_by(Domain.LOG_BEGINNING, evidence, organization_id, public_key)
    said = decode(pb.LogBeginning, statement)
    if (said.federation, said.organization_id) != (federation, organization_id):
        raise EvidenceInvalidError("a log begins anew by another organization's word")
    origin = log_origin(federation, organization_id)
    return LogBeginning(
        lost_position=said.lost_position,
        lost=Checkpoint(origin, said.lost_size, said.lost_root),
        now=Checkpoint(origin, said.size, said.root),
        reason=said.reason,
        begin_time=said.begin_time.ToDatetime(dt.UTC),
    )
