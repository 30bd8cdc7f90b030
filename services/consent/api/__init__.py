"""What the consent service says on the wire: messages to consents and back, and the live order."""

from services.consent.api.pulse import Pulse
from services.consent.api.servicer import ConsentServicer
from services.consent.api.watch import HeartbeatSigner, Watch

__all__ = ["ConsentServicer", "HeartbeatSigner", "Pulse", "Watch"]
