"""Makes the bodies of consents, each sealed to one organization, and opens them again.

The holder's body names the student by the link code of the form or by an identity claim; a
recipient's body only by the subject_ref that this recipient alone knows. What is made together for
one organization is signed once, as a tree over all the bodies, and sealed under one key; each body
carries the signed root and its own path to it, so that it is evidence by itself and the service in
between can neither read nor invent one.
"""

import secrets
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Generic, TypeAlias, TypeVar

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_body_pb2 as body_pb
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent.messages import body_of, consent_of, terms_body
from homeroom.consent_terms import OpenedConsent, require_whole
from homeroom.errors import EvidenceInvalidError, RequestInvalidError
from homeroom.evidence import check_signed_by, decode, signed
from homeroom.merkle import check_inclusion, leaf_hash, tree_of
from homeroom.sealing import BatchOpener, BatchSealer, SealingKey
from homeroom.signing import Domain, SigningKey

MAX_BATCH = 1_000
_REMEMBERED = 256

Keys: TypeAlias = tuple[bytes, ...]
K = TypeVar("K")
V = TypeVar("V")


def new_subject_ref() -> str:
    """A name for a student that nothing can be derived from."""
    return secrets.token_hex(16)


def make_consents(
    consents: Sequence[OpenedConsent], signing_key: SigningKey, sealing_keys: Mapping[str, bytes]
) -> list[pb.Consent]:
    """Consents as the service keeps them: one sealed body for each audience.

    Args:
        consents: all of each, as the recorder knows it; 1 to 1,000 of one recorder.
        signing_key: the recorder's.
        sealing_keys: the public keys of every audience, each already checked against the
            agreement.

    Raises:
        RequestInvalidError: if one is not well formed, or a key is missing.
    """
    if not 1 <= len(consents) <= MAX_BATCH or len({one.recorder for one in consents}) != 1:
        raise RequestInvalidError("a batch has 1 to 1,000 consents of one recorder", field="batch")
    made = [
        pb.Consent(
            consent_id=require_whole(consent).consent_id,
            recorder=consent.recorder,
            holder=consent.terms.holder,
            state=pb.CONSENT_STATE_ACTIVE,
        )
        for consent in consents
    ]
    audiences: dict[str, list[int]] = {}
    for number, consent in enumerate(consents):
        for audience in consent.audiences:
            audiences.setdefault(audience, []).append(number)
    for audience, numbers in audiences.items():
        if audience not in sealing_keys:
            raise RequestInvalidError("a reader's sealing key is not known", audience=audience)
        bodies = _sealed_bodies(
            [consents[number] for number in numbers], audience, signing_key, sealing_keys[audience]
        )
        for number, body in zip(numbers, bodies, strict=True):
            made[number].bodies.append(body)
    return made


class ConsentReader:
    """Opens the bodies that are sealed to one organization, and checks who signed them.

    It remembers the newest batches, so that a thousand bodies cost one unwrapping and one
    signature.
    """

    def __init__(self, organization_id: str, key: SealingKey, *former_keys: SealingKey) -> None:
        """Reads for one organization; by a former key what was on its way when that was changed."""
        self._organization_id = organization_id
        self._keys = (key, *former_keys)
        self._openers: _Newest[tuple[bytes, str], BatchOpener] = _Newest()
        self._batches: _Newest[tuple[bytes, Keys], body_pb.ConsentBatch] = _Newest()

    def open(self, consent: pb.Consent) -> bytes:
        """The evidence that is sealed to this organization; its signature is not yet checked.

        Raises:
            EvidenceInvalidError: if there is none, or it was not sealed to this key.
        """
        for body in consent.bodies:
            if body.organization_id == self._organization_id:
                opener = self._opener(body.sealed_key, consent.recorder)
                context = _context(consent.consent_id, self._organization_id)
                return opener.open(body.place, body.sealed_evidence, context)
        raise EvidenceInvalidError("the consent has no body for this organization")

    def read(self, consent: pb.Consent, evidence: bytes, *recorder_keys: bytes) -> OpenedConsent:
        """Checks evidence against the recorder's keys and the consent around it; reads it strictly.

        Args:
            consent: the consent as the service keeps it; its bodies are not looked at.
            evidence: what `open` returned.
            recorder_keys: the public signing keys that count of the organization that recorded it.

        Raises:
            EvidenceInvalidError: if it is not exactly what the recorder signed for this
                organization.
        """
        message = decode(body_pb.ConsentEvidence, evidence)
        batch = self._batch(message.batch, consent.recorder, recorder_keys)
        leaf = leaf_hash(message.body)
        check_inclusion(leaf, message.place, batch.size, message.path, batch.merkle_root)
        body = decode(body_pb.ConsentBody, message.body)
        outside = (consent.consent_id, consent.recorder, consent.holder)
        if (body.consent_id, body.recorder, body.holder) != outside or _has_unknown_fields(body):
            raise EvidenceInvalidError("a consent's body is not the one that its cover names")
        return consent_of(body, self._organization_id)

    def _opener(self, sealed_key: bytes, recorder: str) -> BatchOpener:
        opener = self._openers.get((sealed_key, recorder))
        if opener is None:
            opener = self._opened(sealed_key, _batch_context(recorder, self._organization_id))
            self._openers.keep((sealed_key, recorder), opener)
        return opener

    def _opened(self, sealed_key: bytes, context: bytes) -> BatchOpener:
        *others, last = self._keys
        for key in others:
            with suppress(EvidenceInvalidError):
                return BatchOpener(sealed_key, key, context)
        return BatchOpener(sealed_key, last, context)

    def _batch(
        self, evidence: evidence_pb2.SignedStatement, recorder: str, recorder_keys: Keys
    ) -> body_pb.ConsentBatch:
        known = (evidence.SerializeToString(deterministic=True), recorder_keys)
        batch = self._batches.get(known)
        if batch is None:
            check_signed_by(Domain.CONSENT_BATCH, evidence, recorder, *recorder_keys)
            batch = decode(body_pb.ConsentBatch, evidence.statement)
            self._batches.keep(known, batch)
        if (batch.recorder, batch.audience) != (recorder, self._organization_id):
            raise EvidenceInvalidError("a batch of consents is another organization's")
        if not 1 <= batch.size <= MAX_BATCH:
            raise EvidenceInvalidError("a batch of consents has 1 to 1,000")
        return batch


class _Newest(Generic[K, V]):
    """The newest few of what was worked out; several threads may read bodies at once."""

    def __init__(self) -> None:
        self._kept: dict[K, V] = {}
        self._turn = threading.Lock()

    def get(self, key: K) -> V | None:
        return self._kept.get(key)

    def keep(self, key: K, value: V) -> None:
        with self._turn:
            if len(self._kept) >= _REMEMBERED:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = value


def _sealed_bodies(
    consents: Sequence[OpenedConsent], audience: str, signing_key: SigningKey, sealing_key: bytes
) -> Iterable[pb.SealedBody]:
    recorder = consents[0].recorder
    # By identity: whoever made the consents keeps their terms while this runs.
    said = {id(one.terms): one.terms for one in consents}
    templates = {name: terms_body(terms) for name, terms in said.items()}
    bodies = [
        body_of(one, audience, templates[id(one.terms)]).SerializeToString(deterministic=True)
        for one in consents
    ]
    root, paths = tree_of([leaf_hash(body) for body in bodies])
    batch = body_pb.ConsentBatch(
        recorder=recorder, audience=audience, merkle_root=root, size=len(bodies)
    )
    statement = batch.SerializeToString(deterministic=True)
    evidence = signed(Domain.CONSENT_BATCH, statement, recorder, signing_key)
    sealer = BatchSealer(sealing_key, _batch_context(recorder, audience))
    for place, (consent, body) in enumerate(zip(consents, bodies, strict=True)):
        proved = body_pb.ConsentEvidence(body=body, batch=evidence, place=place, path=paths[place])
        yield pb.SealedBody(
            organization_id=audience,
            sealed_key=sealer.sealed_key,
            place=place,
            sealed_evidence=sealer.seal(
                place, proved.SerializeToString(), _context(consent.consent_id, audience)
            ),
        )


def _has_unknown_fields(body: body_pb.ConsentBody) -> bool:
    """Whether it, or a message in it, says what this version does not understand."""
    size = body.ByteSize()
    body.DiscardUnknownFields()
    return body.ByteSize() != size


def _context(consent_id: str, organization_id: str) -> bytes:
    return f"homeroom/consent/v1\0{consent_id}\0{organization_id}".encode()


def _batch_context(recorder: str, organization_id: str) -> bytes:
    return f"homeroom/consent-batch/v1\0{recorder}\0{organization_id}".encode()
