"""What the registry says on the wire: messages to entries and back, and signed snapshots."""

from services.registry.api.publisher import Publisher, SnapshotSigner
from services.registry.api.servicer import RegistryServicer
from services.registry.api.witness import WitnessServicer, thin_logs

__all__ = ["Publisher", "RegistryServicer", "SnapshotSigner", "WitnessServicer", "thin_logs"]
