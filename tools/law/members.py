"""The organizations of a case, with their keys, and the people who ask for them."""

from functools import cached_property

from joserfc.jwk import OKPKey

from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.signing import digest_of
from homeroom.users import DevelopmentIssuer
from homeroom.vocabulary import OrganizationKind
from tools.law.case import LONG_AGO, Case, organization_named
from tools.signatory import Signatory

FEDERATION = "law.example"
CLASS = "class:"

_STANDINGS = {
    "active": pb.STANDING_ACTIVE,
    "suspended": pb.STANDING_SUSPENDED,
    "debarred": pb.STANDING_DEBARRED,
}


class Member(Signatory):
    """An organization of a case, with its people."""

    @cached_property
    def issuer(self) -> DevelopmentIssuer:
        """Who signs the tokens of its people."""
        name = self.organization_id.replace("_", "-")
        return DevelopmentIssuer(f"https://{name}.{FEDERATION}", OKPKey.generate_key("Ed25519"))

    @property
    def keys_digest(self) -> str:
        """Both public keys as one digest, in hexadecimal; see `services.node.domain.on_file`."""
        return digest_of(self.signing.public + self.sealing.public).hex()

    def registered(self, kind: OrganizationKind, standing: str = "active") -> pb.Organization:
        """What the registry has of it: its own signed record, and its standing."""
        issuer = self.issuer.public()
        return pb.Organization(
            organization_id=self.organization_id,
            record=self.signs_record(kind=kind, user_issuer=issuer.name, user_keys=issuer.keys),
            standing=_STANDINGS[standing],
        )


class Members:
    """Everyone whom a case names, the holder and the requester first."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._known: dict[str, Member] = {}
        self.holder = self.of(case.holder["org"])
        self.requester = self.of(case.requester["org"])

    def of(self, name: str) -> Member:
        """The organization of that name; the same one each time."""
        organization_id = organization_named(name)
        return self._known.setdefault(organization_id, Member(organization_id))

    @property
    def in_the_registry(self) -> bool:
        """Whether the registry knows the organization that asks."""
        return str(self._case.requester["standing"]) in _STANDINGS

    def registered(self) -> list[pb.Organization]:
        """The registry's organizations: all that were named, but for a stranger who asks."""
        asks = self.requester.organization_id
        others = [
            member.registered(self._kind_of(name))
            for name, member in self._known.items()
            if name != asks
        ]
        return [*others, self._requester()] if self.in_the_registry else others

    def _requester(self) -> pb.Organization:
        facts = self._case.requester
        known = facts["kind"] in set(OrganizationKind)
        kind = OrganizationKind(facts["kind"]) if known else OrganizationKind.VENDOR
        organization = self.requester.registered(kind, facts["standing"])
        if facts["debarred_until"]:
            organization.debarred_until = facts["debarred_until"]
        for name in facts["classes"]:
            organization.classes.add(name=name.removeprefix(CLASS), from_date=LONG_AGO.isoformat())
        return organization

    def _kind_of(self, organization_id: str) -> OrganizationKind:
        if organization_id == self.holder.organization_id:
            return OrganizationKind(self._case.holder["kind"])
        return OrganizationKind.COMMUNITY_ORG
