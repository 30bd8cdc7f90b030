"""A consent as the service keeps it, and what must hold before it is recorded."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from homeroom.consent_log import consent_digest
from homeroom.errors import (
    AlreadyRecordedError,
    NotPermittedError,
    RequestInvalidError,
    TooMuchAskedError,
)
from homeroom.federation import FederationState, Standing
from homeroom.identity import require_organization_id

MAX_CONSENTS = 1_000
MAX_BODY_BYTES = 16 * 1024
MAX_BODIES = 102  # the holder, the recorder and 100 recipients
_CONSENT_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class SealedBody:
    """A consent's body that one organization can open."""

    organization_id: str
    sealed_key: bytes
    place: int
    sealed_evidence: bytes

    @property
    def size(self) -> int:
        return len(self.sealed_key) + len(self.sealed_evidence)


@dataclass(frozen=True, slots=True)
class Consent:
    """One family's consent: whom it concerns, and bodies the service cannot open."""

    consent_id: str
    recorder: str
    holder: str
    bodies: tuple[SealedBody, ...]

    @property
    def concerned(self) -> frozenset[str]:
        """The organizations that are told of it."""
        return frozenset(
            {self.recorder, self.holder, *(body.organization_id for body in self.bodies)}
        )

    def digest(self) -> bytes:
        """The SHA-256 digest of all of it, whatever the order of the bodies."""
        bodies = (
            (one.organization_id, one.sealed_key, one.place, one.sealed_evidence)
            for one in self.bodies
        )
        return consent_digest(self.consent_id, self.recorder, self.holder, bodies)


def well_formed(consent_id: str) -> bool:
    """Whether any consent could have this identifier."""
    return _CONSENT_ID.fullmatch(consent_id) is not None


def require_recordable(consents: Sequence[Consent], state: FederationState, caller: str) -> None:
    """Lets consents pass that an admitted organization collected itself, each well formed.

    Raises:
        NotPermittedError: if the caller is not admitted, or another organization recorded one.
        TooMuchAskedError: if there are more, or larger ones, than one call may carry.
        RequestInvalidError: naming what is wrong with the first that is not well formed.
    """
    if state.standing_of(caller) is not Standing.ACTIVE:
        raise NotPermittedError("this organization is not admitted")
    if any(consent.recorder != caller for consent in consents):
        raise NotPermittedError("an organization records only what it collected")
    if len(consents) > MAX_CONSENTS:
        raise TooMuchAskedError("too many consents", limit=f"{MAX_CONSENTS} consents")
    if not consents:
        raise RequestInvalidError("there is no consent to record", field="consents")
    if len({consent.consent_id for consent in consents}) != len(consents):
        raise RequestInvalidError("a consent is given twice", field="consents.consent_id")
    for consent in consents:
        _require_well_formed(consent, state)


def new_among(consents: Sequence[Consent], recorded: Mapping[str, bytes]) -> list[Consent]:
    """The consents that are not recorded yet, in their order.

    Args:
        consents: what the caller sent.
        recorded: the digests of those of them that are recorded, by identifier.

    Raises:
        AlreadyRecordedError: if one was recorded with other content.
    """
    new = []
    for consent in consents:
        digest = recorded.get(consent.consent_id)
        if digest is None:
            new.append(consent)
        elif digest != consent.digest():
            raise AlreadyRecordedError(
                "a consent of this id was recorded with other content", field="consents.consent_id"
            )
    return new


def without_recorded(consents: Sequence[Consent], recorders: Mapping[str, str]) -> list[Consent]:
    """The consents that nobody recorded yet, in their order.

    Args:
        consents: what the caller sent.
        recorders: who recorded those of them that are recorded, by identifier.

    Raises:
        AlreadyRecordedError: if another organization recorded one.
    """
    for consent in consents:
        if recorders.get(consent.consent_id, consent.recorder) != consent.recorder:
            raise AlreadyRecordedError(
                "another organization has recorded a consent of this id",
                field="consents.consent_id",
            )
    return [consent for consent in consents if consent.consent_id not in recorders]


def _require_well_formed(consent: Consent, state: FederationState) -> None:
    if not well_formed(consent.consent_id):
        raise RequestInvalidError(
            "a consent id is 32 hexadecimal digits", field="consents.consent_id"
        )
    if require_organization_id(consent.holder) not in state.organizations:
        raise RequestInvalidError("the holder is not registered", field="consents.holder")
    if len(consent.bodies) > MAX_BODIES:
        raise TooMuchAskedError("too many bodies", limit=f"{MAX_BODIES} bodies")
    readers = [require_organization_id(body.organization_id) for body in consent.bodies]
    if len(set(readers)) != len(readers):
        raise RequestInvalidError("two bodies are for one reader", field="consents.bodies")
    if not {consent.holder, consent.recorder} <= set(readers):
        raise RequestInvalidError(
            "there is a body for the holder and for the recorder", field="consents.bodies"
        )
    if not set(readers) <= set(state.organizations):
        raise RequestInvalidError("a recipient is not registered", field="consents.bodies")
    for body in consent.bodies:
        _require_size(body)


def _require_size(body: SealedBody) -> None:
    if not body.sealed_key or not body.sealed_evidence:
        raise RequestInvalidError("a body is empty", field="consents.bodies")
    if not 0 <= body.place < MAX_CONSENTS:
        raise RequestInvalidError("a body has a place in a batch", field="consents.bodies.place")
    if body.size > MAX_BODY_BYTES:
        raise TooMuchAskedError("a body is too large", limit=f"{MAX_BODY_BYTES} bytes")
