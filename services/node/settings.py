"""What a node must be told before it may hold records."""

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from homeroom.errors import RequestInvalidError
from services.runtime.settings import PublicKeyHex, Settings, TurnSettings, WitnessedSettings


class NodeSettings(TurnSettings, WitnessedSettings):
    """The settings of a node, read from HOMEROOM_NODE_*."""

    service: ClassVar[str] = "node"
    signing_key: Path = Field(description="The organization's Ed25519 signing key, PEM.")
    sealing_key: Path = Field(description="The organization's X25519 sealing key, PEM.")
    records_url: str = Field(description="The database of records, as an SQLAlchemy URL.")
    state_url: str = Field(
        description="The database of consents, agreements and the log, as an SQLAlchemy URL. "
        "Apart from the records where SQLite keeps both, so that an import delays no revocation."
    )
    consent_address: str = Field(
        description="Where the consent service answers, as host:port; as dns:///host:port, its "
        "replicas take turns."
    )
    consent_organization_id: str = Field(description="The organization that runs it.")
    consent_key: PublicKeyHex = Field(description="The key the consent service signs with.")
    gateway_address: str = Field(
        default="",
        description="Where to hold streams open to the gateway, as host:port, for a node that "
        "nobody can connect to from outside; every address of the host is one of its replicas. "
        "Unset: the gateway connects to the node.",
    )
    gateway_operator: str = Field(
        default="", description="The organization that runs it; with `gateway_address`."
    )
    policy_engine: Literal["embedded", "server"] = Field(
        description="Whether OPA runs in this process or as servers beside it."
    )
    federation_policy: Path = Field(
        description="The federation's policy: a bundle that the registry's key signs, or a folder."
    )
    local_policy: Path = Field(
        description="The organization's own policy: a bundle that its own key signs, or a folder."
    )
    federation_policy_approver: PublicKeyHex | None = Field(
        default=None,
        description="Whose second signature lets a new bundle of the federation's policy release "
        "more than the one before; unset: none may.",
    )
    local_policy_approver: PublicKeyHex | None = Field(
        default=None, description="The same for the organization's own policy."
    )
    federation_policy_address: str = Field(
        default="",
        description="With policy_engine=server, the OPA that has the federation's policy: "
        "unix:/path or http://host:port.",
    )
    local_policy_address: str = Field(
        default="", description="The same for the organization's own policy; another OPA."
    )
    policy_seconds: float = Field(
        default=0.25,
        gt=0,
        le=5,
        description="How long a policy may take to decide; later is no decision, so a refusal.",
    )
    views_url: str = Field(
        default="",
        description="The organization's own database, SQLite or PostgreSQL, from which the node "
        "serves the datasets of `views`: an SQLAlchemy URL of an account that may only SELECT.",
    )
    views: Path | None = Field(
        default=None,
        description="A folder with one file of SQL for each dataset that is served from "
        "`views_url` in place of the records.",
    )
    view_seconds: float = Field(
        default=20,
        gt=0,
        le=600,
        description="How long a statement may run there; later is no answer.",
    )
    holder_file: Path | None = Field(
        default=None,
        description="The organization's own file of notices and of the law that binds it, YAML; "
        "without it nothing of that is known, and grounds that need it are refused.",
    )
    decision_record_days: int = Field(
        default=90,
        ge=0,
        le=3650,
        description="How long to keep what each decision was made from, for trying other policies.",
    )
    released_copy_days: int = Field(
        default=2_555,
        ge=0,
        le=36_500,
        description="How long to keep a sealed copy of what left about students, so that a family "
        "can be given it (34 CFR 99.30(c)); 0 keeps none.",
    )
    former_sealing_keys: Path | None = Field(
        default=None,
        description="A folder with the sealing keys that the organization had before, each a file "
        "*.pem: they open what was sealed to them: copies of what left, and consents on their way.",
    )
    max_state_age_seconds: int = Field(
        default=30,
        ge=1,
        le=86_400,
        description="How old a confirmed state may be when it is used: so long a node that is cut "
        "off goes on by what families and parties have since taken back.",
    )
    max_clock_skew_seconds: int = Field(
        default=30, ge=1, le=300, description="How far a query's time may be from this clock."
    )
    query_life_seconds: int = Field(
        default=300,
        ge=0,
        le=3_600,
        description="How long after a question was asked its requester may go on with an answer "
        "that broke off.",
    )
    open_answers: int = Field(
        default=8,
        ge=0,
        le=1_000,
        description="How many answers that broke off wait for their requesters at once, each with "
        "its read of the records for 30 seconds; half of them for one organization. 0 lets none "
        "go on.",
    )

    takeover_seconds: int | None = Field(
        default=None,
        ge=2,
        le=60,
        description="For replicas of one node over one PostgreSQL, which elect the one that "
        "answers: after how many seconds of its silence another is elected. All replicas have the "
        "same. Unset: this is the only one.",
    )

    @model_validator(mode="after")
    def _replicas_share_a_server(self) -> Self:
        urls = (self.records_url, self.state_url)
        if self.takeover_seconds is not None and not all(u.startswith("postgres") for u in urls):
            raise ValueError("TAKEOVER_SECONDS needs RECORDS_URL and STATE_URL of a PostgreSQL")
        return self

    @model_validator(mode="after")
    def _gateway_is_known(self) -> Self:
        if bool(self.gateway_address) != bool(self.gateway_operator):
            raise ValueError("GATEWAY_ADDRESS and GATEWAY_OPERATOR are set together")
        return self

    @model_validator(mode="after")
    def _views_are_of_a_database(self) -> Self:
        if bool(self.views_url) != (self.views is not None):
            raise ValueError("VIEWS_URL and VIEWS are set together or not at all")
        return self


class IntakeSettings(Settings):
    """How an import reads from a service, read from HOMEROOM_INTAKE_*."""

    client_id: str = Field(description="The key that the source gave this organization.")
    client_secret: SecretStr | None = Field(
        default=None, description="Its secret; better in a file."
    )
    client_secret_file: Path | None = Field(
        default=None, description="A file that holds the secret alone."
    )
    token_url: str = Field(
        default="", description="Where tokens are given; unset: where an Ed-Fi source itself says."
    )
    scopes: str = Field(
        default="", description="What to ask a token for; unset: what a roster needs."
    )
    authorities: Path | None = Field(
        default=None,
        description="The certificates that vouch for the source, PEM; unset: the machine's.",
    )
    page_size: int = Field(
        default=500, ge=2, le=10_000, description="How many objects to ask for at once."
    )
    page_megabytes: int = Field(
        default=64, ge=1, le=1_024, description="How large one answer may be."
    )
    response_seconds: float = Field(
        default=120, gt=0, le=3_600, description="How long one answer may take."
    )
    attempts: int = Field(
        default=6, ge=1, le=20, description="How often to ask a source that is busy or broken."
    )

    def secret(self) -> str:
        """The secret, from wherever it is.

        Raises:
            RequestInvalidError: if it is in neither place, or in both.
        """
        if (self.client_secret is None) is (self.client_secret_file is None):
            raise RequestInvalidError(
                "settings: set one of HOMEROOM_INTAKE_CLIENT_SECRET and _CLIENT_SECRET_FILE"
            )
        if self.client_secret is not None:
            return self.client_secret.get_secret_value()
        try:
            return (self.client_secret_file or Path()).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise RequestInvalidError(
                "settings: HOMEROOM_INTAKE_CLIENT_SECRET_FILE cannot be read"
            ) from None
