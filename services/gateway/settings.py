"""What the gateway must be told before it may pass questions on."""

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from services.runtime.settings import TurnSettings, WitnessedSettings


class GatewaySettings(TurnSettings, WitnessedSettings):
    """The settings of a gateway, read from HOMEROOM_GATEWAY_*."""

    service: ClassVar[str] = "gateway"
    database_url: str = Field(
        default="sqlite:///gateway.db",
        description="Where the gateway keeps its log, as an SQLAlchemy URL. Replicas share one: "
        "then PostgreSQL.",
    )
    policy_engine: Literal["embedded", "server"] = Field(
        description="Whether OPA runs in this process or as a server beside it."
    )
    federation_policy: Path = Field(
        description="The federation's policy: a bundle that the registry's key signs, or a folder; "
        "a server must hold the same."
    )
    policy_address: str = Field(
        default="",
        description="With policy_engine=server: OPA's socket (unix:/path) or URL.",
    )
    policy_seconds: float = Field(
        default=0.25,
        gt=0,
        le=5,
        description="How long a policy may take to decide; later is no decision, so a refusal.",
    )
    max_state_age_seconds: int = Field(
        default=30, ge=1, le=300, description="How old a confirmed state may be when it is used."
    )
    max_clock_skew_seconds: int = Field(
        default=30, ge=1, le=300, description="How far a query's time may be from this clock."
    )
    query_life_seconds: int = Field(
        default=300,
        ge=0,
        le=3_600,
        description="How long after a question was asked its requester may go on with answers "
        "that broke off; each holder has a limit of its own.",
    )
    state_wait_seconds: float = Field(
        default=2.0, ge=0, le=10, description="How long to wait for a state that a query asks for."
    )
    queries_per_second: float = Field(
        default=20.0, gt=0, description="How often one organization may ask, in the long run."
    )
    query_burst: int = Field(
        default=100, ge=1, description="How many questions it may ask at once after a pause."
    )
    answers_at_once: int = Field(
        default=64,
        ge=2,
        le=100_000,
        description="How many small answers, each of one holder, may be passed on at once; half of "
        "them for one organization. An answer is small up to four batches of 4,096 rows: as many "
        "as the last ones like it had, and as may be feared where there were none.",
    )
    large_answers_at_once: int = Field(
        default=64,
        ge=2,
        le=100_000,
        description="How many large ones; they have places of their own.",
    )
    deadline_margin_seconds: float = Field(
        default=0.25,
        ge=0,
        le=5,
        description="What is kept of the caller's time to say how each answer ended.",
    )
    default_deadline_seconds: float = Field(
        default=10.0, gt=0, le=120, description="How long nodes have when the caller does not say."
    )
    max_deadline_seconds: float = Field(
        default=120.0, gt=0, le=600, description="How long nodes have at most."
    )

    @model_validator(mode="after")
    def _server_has_address(self) -> Self:
        if self.policy_engine == "server" and not self.policy_address:
            raise ValueError("policy_engine=server needs policy_address")
        return self
