"""An organization with its private keys, and what it signs of itself: for tests and the law."""

from dataclasses import dataclass, field

from homeroom.agreement.document import Party
from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.evidence import signature_on, signed
from homeroom.sealing import SealingKey
from homeroom.signing import Domain, SigningKey


@dataclass(frozen=True)
class Signatory:
    """An organization with its private keys; new ones, unless some are given."""

    organization_id: str
    signing: SigningKey = field(default_factory=SigningKey.generate)
    sealing: SealingKey = field(default_factory=SealingKey.generate)
    checkpoint: SigningKey = field(default_factory=SigningKey.generate)

    def signs(self, domain: Domain, statement: bytes) -> evidence_pb2.SignedStatement:
        """A statement that it makes."""
        return signed(domain, statement, self.organization_id, self.signing)

    def signs_record(self, **fields: object) -> evidence_pb2.SignedStatement:
        """What it says of itself to the registry: its name and keys, and what is given."""
        own = {
            "organization_id": self.organization_id,
            "display_name": self.organization_id,
            "signing_key": self.signing.public,
            "sealing_key": self.sealing.public,
            "checkpoint_key": self.checkpoint.public,
            "record_version": 1,
        }
        record = pb.OrganizationRecord(**(own | fields))  # type: ignore[arg-type]  # varied
        return self.signs(Domain.ORGANIZATION, record.SerializeToString(deterministic=True))

    def signs_exchange(
        self, former: "Signatory", recovery: SigningKey | None = None, **fields: object
    ) -> evidence_pb2.SignedStatement:
        """A record with its own keys in place of a former one's, which that one signs too.

        With a recovery key, that key signs it in the former one's stead.
        """
        record = self.signs_record(**fields)
        prover, domain = (
            (recovery, Domain.RECOVERY) if recovery else (former.signing, Domain.ORGANIZATION)
        )
        record.signatures.append(
            signature_on(domain, record.statement, self.organization_id, prover)
        )
        return record

    def party(self) -> Party:
        """What an agreement says of it."""
        return Party(
            organization_id=self.organization_id,
            role="both",
            signing_key_id=self.signing.key_id,
            sealing_key_id=self.sealing.key_id,
        )
