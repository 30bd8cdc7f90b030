"""What the consent service logs of each change, so that a log and its proofs mean one thing."""

import hashlib
from collections.abc import Iterable


def consent_digest(
    consent_id: str,
    recorder: str,
    holder: str,
    bodies: Iterable[tuple[str, bytes, int, bytes]],
) -> bytes:
    """The SHA-256 digest of a consent and all its bodies, whatever their order.

    Of each body there are the organization, the sealed key, the place and the sealed evidence.
    """
    parts = [consent_id.encode(), recorder.encode(), holder.encode()]
    for organization_id, sealed_key, place, sealed_evidence in sorted(bodies):
        parts += (organization_id.encode(), sealed_key, b"%d" % place, sealed_evidence)
    return _digest_of(parts)


def _digest_of(parts: Iterable[bytes]) -> bytes:
    # Each part after its length, so that nothing can be moved from one to the next.
    return hashlib.sha256(b"".join([b"%d:%b" % (len(part), part) for part in parts])).digest()
