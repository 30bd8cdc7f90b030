"""Verifies the histories that a registry sends, each once while it does not change.

Nothing is believed that its own signer did not say: each statement is checked against the key of
the organization that says it, and the whole is replayed by the rules of `homeroom.lifecycle`.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from homeroom.agreement import AgreementDocument
from homeroom.agreement_statements import read_statement
from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.errors import EvidenceInvalidError, HomeroomError
from homeroom.evidence import check_signature
from homeroom.federation import Agreement, KnownAgreement, Organization, has_pinned_keys
from homeroom.lifecycle import Statement, replay, terms_of
from homeroom.signing import Domain, digest_of


class Histories:
    """The histories of one snapshot after another; what did not change is not verified again."""

    def __init__(self) -> None:
        self._known: dict[bytes, KnownAgreement] = {}
        self._keys: dict[str, Sequence[bytes]] = {}

    def continued(self, organizations: Iterable[Organization]) -> dict[str, Organization]:
        """By identifier, the organizations whose keys go on from those that were known.

        A registry that hid an exchange would give a former key its word back.
        """
        found = {
            one.organization_id: one
            for one in organizations
            if one.keys.continues(self._keys.get(one.organization_id, ()))
        }
        self._keys |= {name: one.keys.signing_keys for name, one in found.items()}
        return found

    def read(
        self, messages: Iterable[pb.Agreement], organizations: Mapping[str, Organization]
    ) -> dict[str, KnownAgreement]:
        """By identifier, the agreements whose whole history checks; others do not exist here."""
        found: dict[str, KnownAgreement | None] = {}
        kept: dict[bytes, KnownAgreement] = {}
        for message in messages:
            key = _key(message, organizations)
            try:
                known = self._known.get(key) or _verified(message, organizations)
            except HomeroomError:
                found[message.agreement_id] = None
                continue
            kept[key] = known
            # Two histories of one agreement: neither is the one.
            found[message.agreement_id] = None if message.agreement_id in found else known
        self._known = kept
        return {name: known for name, known in found.items() if known is not None}


def agreement_of(
    known: KnownAgreement, organizations: Mapping[str, Organization]
) -> Agreement | None:
    """The version that counts: the one in force, else the one that is proposed.

    A signature counts only while its party has exactly the keys that the document names.
    """
    history = known.history
    version = history.in_force or history.proposed
    if version is None:
        return None
    document = known.document(version)
    return Agreement(
        document=document,
        signed_by=frozenset(
            name
            for name in version.signed_by
            if name in organizations and has_pinned_keys(document, organizations[name])
        ),
        state=history.state(version.terms.version)[0],
        digest=version.terms.digest,
        suspended_by=history.suspended_by,
        ended_by=history.ended_by,
        joined=history.joined,
    )


def _verified(message: pb.Agreement, organizations: Mapping[str, Organization]) -> KnownAgreement:
    contents = {digest_of(content): content for content in message.documents}
    terms = {
        digest: terms_of(AgreementDocument.parse(content), digest)
        for digest, content in contents.items()
    }
    digests = [digest_of(evidence.statement) for evidence in message.statements]
    statements = [
        _said(evidence, place, digests, organizations)
        for place, evidence in enumerate(message.statements)
    ]
    return KnownAgreement(replay(message.agreement_id, statements, terms), contents)


def _said(
    evidence: evidence_pb2.SignedStatement,
    place: int,
    digests: Sequence[bytes],
    organizations: Mapping[str, Organization],
) -> Statement:
    said = read_statement(evidence.statement)
    signer = organizations.get(said.organization_id)
    if signer is None or [one.organization_id for one in evidence.signatures] != [
        said.organization_id
    ]:
        raise EvidenceInvalidError("who says a statement signs it, alone")
    (signature,) = evidence.signatures
    key = signer.keys.stands_by(signature.key_id, said.agreement_id, digests, place)
    check_signature(Domain.AGREEMENT_STATEMENT, evidence.statement, signature, key)
    return said


def _key(message: pb.Agreement, organizations: Mapping[str, Organization]) -> bytes:
    """What the verified history depends on: the exact message, and its signers' keys."""
    digest = hashlib.sha256(message.SerializeToString(deterministic=True))
    signers = {one.organization_id for s in message.statements for one in s.signatures}
    for name in sorted(signers):
        known = organizations.get(name)
        digest.update(b"\0" + name.encode() + b"\0" + (known.keys.digest if known else b""))
    return digest.digest()
