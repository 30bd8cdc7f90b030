"""Names who takes part: organizations, the services they run, and the names in their certificates.

A certificate carries a SPIFFE-style URI, `spiffe://<federation>/org/<organization>/<role>`, which
says who calls, and the DNS name `<role>.<organization>.<federation>`, by which a caller checks whom
it reached. SPIFFE ID standard: https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from homeroom.errors import CallerUnknownError, RequestInvalidError

_ORGANIZATION_ID = re.compile(r"[a-z][a-z0-9_]{1,39}")
_FEDERATION = re.compile(r"[a-z0-9-]{1,40}(\.[a-z0-9-]{1,40})*")


class Role(StrEnum):
    """What a certificate's bearer does for its organization."""

    NODE = "node"
    GATEWAY = "gateway"
    REGISTRY = "registry"
    CONSENT = "consent"
    APP = "app"  # asks questions and records consents
    STEWARD = "steward"  # registers the organization and signs its agreements
    OPERATOR = "operator"  # admits and suspends organizations, for the federation


@dataclass(frozen=True, slots=True)
class Identity:
    """One bearer of a certificate: which organization, in which role, of which federation."""

    federation: str
    organization_id: str
    role: Role

    def __post_init__(self) -> None:
        if not _FEDERATION.fullmatch(self.federation):
            raise RequestInvalidError("a federation is named like a host", field="federation")
        require_organization_id(self.organization_id)

    @property
    def uri(self) -> str:
        """The URI that the certificate's subject alternative name carries."""
        return f"spiffe://{self.federation}/org/{self.organization_id}/{self.role}"

    @property
    def dns_name(self) -> str:
        """The DNS name that a caller expects of this server."""
        # Identifiers have no hyphen, so that no two of them share a label.
        return f"{self.role}.{self.organization_id.replace('_', '-')}.{self.federation}"

    @classmethod
    def parse(cls, uri: str) -> "Identity":
        """Reads the URI of a certificate.

        Raises:
            CallerUnknownError: if it is not one of this form.
        """
        match uri.removeprefix("spiffe://").split("/"):
            case [federation, "org", organization_id, role] if uri.startswith("spiffe://"):
                try:
                    return cls(federation, organization_id, Role(role))
                except (ValueError, RequestInvalidError):
                    pass
        raise CallerUnknownError("the certificate names no organization of a federation")


def require_organization_id(organization_id: str) -> str:
    """Returns the identifier if it is well formed.

    Raises:
        RequestInvalidError: if it is not 2 to 40 small letters, digits and underscores.
    """
    if not _ORGANIZATION_ID.fullmatch(organization_id):
        raise RequestInvalidError(
            "an organization is named by small letters, digits and underscores",
            field="organization_id",
        )
    return organization_id
