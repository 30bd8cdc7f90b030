"""What a steward does: registers the organization, signs and ends its agreements.

A steward acts with the profile's STEWARD certificate and the organization's signing key. The
operator's certificate admits and suspends organizations, for the federation.
"""

import datetime as dt
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NotRequired, TypedDict, Unpack

from homeroom.agreement import AgreementDocument
from homeroom.agreement.file import compile_agreement
from homeroom.agreement_acts import AgreementActs, ListedAgreement
from homeroom.api.common.v1.evidence_pb2 import SignedStatement
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.errors import ChangedMeanwhileError, RequestInvalidError
from homeroom.evidence import signature_on
from homeroom.federation import (
    ClassMembership,
    FederationState,
    Organization,
    Standing,
)
from homeroom.identity import Role
from homeroom.key_history import KeySet
from homeroom.profile import Profile, load_profile
from homeroom.record_writing import heads_in, record_in, record_of, sign_record
from homeroom.resubmission import Resubmitted, kept_snapshot, resubmit
from homeroom.session import Connected, Session, call
from homeroom.signing import Domain, SigningKey
from homeroom.snapshot import STANDINGS, read_organization
from homeroom.vocabulary import OrganizationKind

_PAGE = 500
_TRIES = 5


class OrganizationRecord(TypedDict):
    """What an organization says of itself; its keys come from the profile.

    Attributes:
        node_address: where its node answers, as host:port; left out when it runs none.
        datasets: the datasets its node holds.
        user_issuer: the issuer of its users' OIDC tokens.
        user_keys: the issuer's JSON Web Key Set, as JSON.
        record_version: by default one more than the record that is registered.
    """

    display_name: str
    kind: str
    node_address: NotRequired[str]
    datasets: NotRequired[Sequence[str]]
    user_issuer: str
    user_keys: str
    record_version: NotRequired[int]


class Steward(AgreementActs, Connected):
    """One organization's steward, or the federation's operator."""

    def __init__(
        self, profile: Profile | str | Path | None = None, role: Role = Role.STEWARD
    ) -> None:
        """Reads a profile; the role is STEWARD, or OPERATOR to set standings."""
        loaded = profile if isinstance(profile, Profile) else load_profile(profile)
        super().__init__(Session(loaded, role))

    async def federation(self) -> FederationState:
        """The organizations and agreements, as the registry's verified snapshot has them."""
        return await self._session.registry_view.state(self._session.seen.registry)

    async def register(self, **record: Unpack[OrganizationRecord]) -> Organization:
        """Registers the profile's organization, or replaces its record with a newer one."""
        try:
            kind = OrganizationKind(record["kind"])
        except ValueError:
            raise RequestInvalidError(
                "the vocabulary has no such kind of organization", field="kind"
            ) from None
        state = await self._session.registry_view.refreshed()
        known = state.organizations.get(self._session.organization_id)
        before = known.record_version if known else 0
        message = pb.OrganizationRecord(
            organization_id=self._session.organization_id,
            display_name=record["display_name"],
            kind=kind,
            node_address=record.get("node_address", ""),
            datasets=record.get("datasets", ()),
            signing_key=self._session.signing_key.public,
            sealing_key=self._session.sealing_key.public,
            checkpoint_key=self._checkpoint_key(),
            user_issuer=record["user_issuer"],
            user_keys=record["user_keys"],
            record_version=record.get("record_version") or before + 1,
            recovery_key=(known.recovery_key if known else b"") or self._recovery_key(),
        )
        return await self._submit(sign_record(message, self._session.signing_key))

    async def register_keys(
        self,
        known: Organization,
        sealing_key: bytes = b"",
        checkpoint_key: bytes = b"",
        signing_key: SigningKey | None = None,
    ) -> Organization:
        """Replaces the organization's record by one that differs in its public keys alone.

        Args:
            known: the organization as it is registered.
            sealing_key: the new one; the registered one stays if none is given.
            checkpoint_key: likewise.
            signing_key: likewise; both keys sign, and the record stands by all that was said in
                agreements with the former one.

        Raises:
            ChangedMeanwhileError: if a newer record stands, or others go on saying things.
        """
        keys = KeySet(
            signing_key.public if signing_key else known.signing_key,
            sealing_key or known.sealing_key,
            checkpoint_key or known.checkpoint_key,
            known.recovery_key,
        )
        own = self._session.signing_key
        if keys.signing == known.signing_key:
            record = record_of(known, keys)
            return await self._submit(sign_record(record, signing_key or own))
        for attempt in range(_TRIES):
            record = record_of(known, keys, await self._heads())
            evidence = sign_record(record, signing_key or own)
            evidence.signatures.append(
                signature_on(Domain.ORGANIZATION, evidence.statement, known.organization_id, own)
            )
            try:
                return await self._submit(evidence)
            except ChangedMeanwhileError:
                if attempt == _TRIES - 1:
                    raise
        raise ChangedMeanwhileError("others go on saying things in agreements")

    async def recover(
        self,
        known: Organization,
        signing_key: SigningKey,
        recovery_key: SigningKey,
        kept: bytes | None = None,
    ) -> Organization:
        """Puts a signing key in place of one that was lost or stolen, by the recovery key's word.

        Agreements count no more until they are proposed anew: partners signed with the former key.
        The other keys are those of the profile, whatever is registered.

        Args:
            known: the organization as it is registered.
            signing_key: the new one.
            recovery_key: the one whose public half stands in the registered record.
            kept: a snapshot from before a theft; what was said with the former key since then, in
                agreements or of the organization itself, it does not stand by. Without it, it
                stands by all there is.

        Raises:
            EvidenceInvalidError: if what was kept is no snapshot, or lacks the organization.
        """
        own = known.organization_id
        described = known if kept is None else record_in(kept, own)
        keys = KeySet(
            signing_key.public,
            self._session.sealing_key.public,
            self._checkpoint_key() or known.checkpoint_key,
            known.recovery_key,
        )
        heads = await self._heads() if kept is None else heads_in(kept, own)
        next_to = replace(described, record_version=known.record_version)
        evidence = sign_record(record_of(next_to, keys, heads), signing_key)
        evidence.signatures.append(
            signature_on(Domain.RECOVERY, evidence.statement, own, recovery_key)
        )
        return await self._submit(evidence)

    async def _heads(self) -> Mapping[str, bytes]:
        """What this organization stands by at an exchange: all that the registry has of it."""
        return heads_in(await kept_snapshot(self._session), self._session.organization_id)

    async def _submit(self, evidence: SignedStatement) -> Organization:
        response = await call(
            self._session.registry.RegisterOrganization,
            pb.RegisterOrganizationRequest(record=evidence, request_id=_request_id()),
        )
        self._session.seen.saw_registry(response.sequence)
        return read_organization(response.organization)

    def _checkpoint_key(self) -> bytes:
        key = self._session.checkpoint_key
        return key.public if key else b""

    def _recovery_key(self) -> bytes:
        return self._session.profile.recovery_key or b""

    async def organizations(self) -> Sequence[Organization]:
        """Every organization whose own record checks, by identifier."""
        found: list[Organization] = []
        token = ""
        while True:
            page = await call(
                self._session.registry.ListOrganizations,
                pb.ListOrganizationsRequest(page_size=_PAGE, page_token=token),
            )
            found += [read_organization(message) for message in page.organizations]
            token = page.next_page_token
            if not token:
                return found

    async def set_standing(
        self,
        organization_id: str,
        standing: Standing | str,
        debarred_until: dt.date | None = None,
    ) -> Organization:
        """Admits, suspends or debars an organization; for the federation's operator alone.

        Args:
            organization_id: the organization.
            standing: its new standing.
            debarred_until: the last day of a bar (34 CFR 99.67); without it, until it is lifted.
        """
        wanted = next((number for number, word in STANDINGS.items() if word == standing), None)
        if wanted is None:
            raise RequestInvalidError("there is no such standing", field="standing")
        response = await call(
            self._session.registry.SetStanding,
            pb.SetStandingRequest(
                organization_id=organization_id,
                standing=wanted,
                request_id=_request_id(),
                debarred_until=debarred_until.isoformat() if debarred_until else "",
            ),
        )
        self._session.seen.saw_registry(response.sequence)
        return read_organization(response.organization)

    async def mark_key_compromised(
        self, organization_id: str, key_id: str, since: dt.datetime
    ) -> Organization:
        """Says from when on nothing counts that a signing key signed; for the operator alone.

        Nobody takes it back. The organization is suspended by it until it has recovered.

        Args:
            organization_id: whose key it is.
            key_id: its SHA-256 fingerprint, in hexadecimal.
            since: the instant from which somebody else may have had it.
        """
        request = pb.MarkKeyCompromisedRequest(
            organization_id=organization_id, key_id=key_id, request_id=_request_id()
        )
        request.compromise_time.FromDatetime(since)
        response = await call(self._session.registry.MarkKeyCompromised, request)
        self._session.seen.saw_registry(response.sequence)
        return read_organization(response.organization)

    async def set_classes(
        self, organization_id: str, classes: Sequence[ClassMembership]
    ) -> Organization:
        """Says in which classes an organization is, and no others; for the operator alone."""
        memberships = [
            pb.ClassMembership(
                name=one.name,
                from_date=one.from_day.isoformat(),
                to_date=one.to_day.isoformat() if one.to_day else "",
            )
            for one in classes
        ]
        response = await call(
            self._session.registry.SetClasses,
            pb.SetClassesRequest(
                organization_id=organization_id, classes=memberships, request_id=_request_id()
            ),
        )
        self._session.seen.saw_registry(response.sequence)
        return read_organization(response.organization)

    async def compile(self, text: str) -> AgreementDocument:
        """The document that a steward's YAML file means, with the keys that are registered now."""
        return compile_agreement(text, await self._session.registry_view.refreshed())

    async def amendment(self, text: str) -> AgreementDocument:
        """The document of a next version, from the steward's file.

        Raises:
            ChangedMeanwhileError: if it is not the version after the one in force.
        """
        document = await self.compile(text)
        history = await self.history(document.agreement_id)
        if not history.agreed or document.version != len(history.agreed) + 1:
            raise ChangedMeanwhileError("an amendment is the version after the one in force")
        return document

    async def keep(self) -> bytes:
        """Every agreement with all that was signed in it, to keep in case the registry loses it."""
        return await kept_snapshot(self._session)

    async def resubmit(self, kept: bytes) -> Sequence[Resubmitted]:
        """Says again what a restored registry has lost of what this organization said."""
        return await resubmit(self._session, kept)


def _request_id() -> str:
    return secrets.token_hex(16)


__all__ = ["ListedAgreement", "OrganizationRecord", "Steward"]
