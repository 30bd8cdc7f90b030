"""What the registry must be told before it starts."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from services.runtime.settings import PublicKeyHex, ServiceSettings


class RegistrySettings(ServiceSettings):
    """The settings of the registry, read from HOMEROOM_REGISTRY_*."""

    service: ClassVar[str] = "registry"
    signing_key: Path = Field(description="The Ed25519 key that signs snapshots, PEM.")
    database_url: str = Field(
        default="sqlite:///registry.db",
        description="Where organizations and agreements are kept, as an SQLAlchemy URL.",
    )
    snapshot_hours: float = Field(
        default=24.0, gt=0, le=168, description="How long a snapshot may be relied on."
    )
    gateway_checkpoint_key: PublicKeyHex = Field(
        description="The key that signs checkpoints of the gateway's log, which is witnessed like "
        "every node's."
    )
    restored_after: int = Field(
        default=0,
        ge=0,
        description=(
            "After a restore from a backup: the newest sequence that anybody has seen; it goes on"
            " from there, for whoever has seen a newer state believes no older one."
        ),
    )
    heartbeat_seconds: float = Field(
        default=5.0, gt=0, le=15, description="How often the newest sequence is confirmed."
    )
