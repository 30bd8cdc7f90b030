"""Reads a service's settings from the environment, once, and tells all problems at once.

A setting that decides who may read has no default: without it the service does not start.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from homeroom.errors import RequestInvalidError
from homeroom.identity import Identity, Role
from services.runtime.turns import TurnLimits

PublicKeyHex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A raw Ed25519 public key in hexadecimal."""


class Settings(BaseModel):
    """Settings read from variables with one prefix; unknown names are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls, prefix: str, environ: Mapping[str, str]) -> Self:
        """Reads every variable that begins with the prefix.

        Raises:
            RequestInvalidError: naming each variable that is missing, unknown or wrong.
        """
        given = {
            name.removeprefix(prefix).lower(): value
            for name, value in environ.items()
            if name.startswith(prefix)
        }
        try:
            return cls.model_validate(given)
        except ValidationError as wrong:
            problems = [
                f"{prefix}{'_'.join(str(part) for part in error['loc']).upper()}: {error['msg']}"
                for error in wrong.errors(include_input=False, include_url=False)
            ]
            raise RequestInvalidError("settings: " + "; ".join(problems)) from None


class TurnSettings(Settings):
    """How much a service that answers questions works on at once, and who may wait how long."""

    answers_at_once: int = Field(
        default=64,
        ge=2,
        le=10_000,
        description="How many small answers, each of one holder, may be at work at once; half of "
        "them for one organization. An answer is small up to four batches of 4,096 rows: as many "
        "as the last ones like it had, and as may be feared where there were none.",
    )
    large_answers_at_once: int = Field(
        default=4,
        ge=2,
        le=10_000,
        description="How many large ones; they have places of their own.",
    )
    questions_waiting: int = Field(
        default=64,
        ge=0,
        le=10_000,
        description="How many questions of one organization may wait for their turn, of each kind; "
        "one more is refused with TOO_MUCH_ASKED and the seconds after which to ask again.",
    )
    turn_seconds: float = Field(
        default=5.0,
        ge=0,
        le=60,
        description="How long a question may wait at most, and never longer than half of its "
        "caller's time, nor until less is left of it than answers like it took lately: a question "
        "that could not begin by then is refused at once.",
    )

    @property
    def turn_limits(self) -> TurnLimits:
        """What `Turns` is told."""
        return TurnLimits(
            small=self.answers_at_once,
            large=self.large_answers_at_once,
            waiting_each=self.questions_waiting,
            wait_seconds=self.turn_seconds,
        )


class ServiceSettings(Settings):
    """What every service must be told."""

    service: ClassVar[str] = "service"

    federation: str = Field(description="The federation's name, as in every certificate.")
    organization_id: str = Field(description="The organization that runs this service.")
    address: str = Field(description="Where to listen, as host:port; port 0 takes a free one.")
    certificate: Path = Field(description="This service's TLS certificate, PEM.")
    private_key: Path = Field(description="The certificate's private key, PEM.")
    authorities: Path = Field(description="The certificates of the federation's authority, PEM.")
    health_address: str | None = Field(
        default=None,
        description="Where to serve grpc.health.v1 alone, without TLS, for probes; unset: nowhere. "
        "The service `live` is whether the process runs, the empty one whether it serves calls.",
    )
    metrics_address: str | None = Field(
        default=None,
        description="Where to serve the page /metrics for Prometheus, over HTTP and to whoever "
        "reaches it, as host:port; unset: nowhere. The usual port is 9464.",
    )
    traces_endpoint: str | None = Field(
        default=None,
        description="Where to send traces of calls, an OTLP collector over gRPC, as "
        "http://host:port or https://host:port; unset: nowhere. Needs the extra `tracing`.",
    )
    traces_share: float = Field(
        default=1.0, ge=0, le=1, description="How many of the traces that begin here are kept."
    )
    leave_seconds: float = Field(
        default=0,
        ge=0,
        le=60,
        description="How long to go on taking calls after SIGTERM, while probes are told to send "
        "no more: until whoever spreads the calls has heard of it.",
    )
    drain_seconds: float = Field(
        default=5,
        ge=0,
        le=600,
        description="How long running calls may go on after that; what still runs then is cut.",
    )
    connection_age_seconds: int | None = Field(
        default=None,
        ge=10,
        le=86_400,
        description="After how long a caller's connection makes way for a new one, so that callers "
        "find replicas that were added; running calls end on the old one. Unset: never.",
    )

    def identity(self, role: Role) -> Identity:
        """Who this service is."""
        return Identity(self.federation, self.organization_id, role)


class WitnessedSettings(ServiceSettings):
    """What a service must be told that keeps a log, which the registry witnesses."""

    checkpoint_key: Path = Field(
        description="The Ed25519 key that signs checkpoints of the log, PEM; not the signing key."
    )
    checkpoint_seconds: float = Field(
        default=5.0,
        gt=0,
        le=3600,
        description="How often the log is shown to its witness, where it has grown.",
    )
    registry_address: str = Field(
        description="Where the registry answers, as host:port; as dns:///host:port, its replicas "
        "take turns."
    )
    registry_organization_id: str = Field(description="The organization that runs the registry.")
    registry_key: PublicKeyHex = Field(description="The key the registry signs with.")
