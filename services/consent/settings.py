"""What the consent service must be told before it starts."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from services.runtime.settings import PublicKeyHex, ServiceSettings


class ConsentSettings(ServiceSettings):
    """The settings of the consent service, read from HOMEROOM_CONSENT_*."""

    service: ClassVar[str] = "consent"
    signing_key: Path = Field(description="The Ed25519 key that signs heartbeats, PEM.")
    database_url: str = Field(
        default="sqlite:///consent.db",
        description="Where sealed consents and revocations are kept, as an SQLAlchemy URL.",
    )
    registry_address: str = Field(
        description="Where the registry answers, as host:port; as dns:///host:port, its replicas "
        "take turns."
    )
    registry_organization_id: str = Field(description="The organization that runs the registry.")
    registry_key: PublicKeyHex = Field(description="The key the registry signs with.")
    heartbeat_seconds: float = Field(
        default=1.0,
        gt=0,
        le=10,
        description="How often each node is told that nothing new concerns it; "
        "no node can be fresher than this.",
    )
