"""A certificate of destruction: what a recipient says that it did with what it was told."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from homeroom.errors import RequestInvalidError

MOST_ANSWERS = 1_000
"""How many answers one certificate may be about."""

_ID = re.compile(r"[0-9a-f]{32}")
_CONSENT_ID = re.compile(r"([0-9a-f]{32})?")
_ROLE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_DIGEST_BYTES = 32


class Method(StrEnum):
    """How something was destroyed; the first three as NIST SP 800-88 has them."""

    CLEARED = "cleared"
    PURGED = "purged"
    DESTROYED = "destroyed"
    CRYPTO_ERASED = "crypto_erased"
    RETURNED = "returned"


class KeptBecause(StrEnum):
    """Why something was lawfully not destroyed."""

    CORE_RECORD = "core_record"  # the permanent core of an IDEA record (34 CFR 300.624(b))
    OWN_RECORD = "own_record"  # it has become the recipient's own education record
    OPEN_REQUEST = "open_request"  # a family has asked to see it (99.10(e)): destroyed after that
    LEGAL_HOLD = "legal_hold"  # a court or an authority has it kept: destroyed after that


KEPT_FOR_GOOD = frozenset({KeptBecause.CORE_RECORD, KeptBecause.OWN_RECORD})
"""What settles an answer although it is kept; for the rest another certificate is owed later."""


@dataclass(frozen=True, slots=True)
class CertifiedAnswer:
    """One answer, or what one consent let it tell.

    Attributes:
        log_index, entry_digest: the entry of the holder's log that the receipt names.
        consent_id: the consent that was revoked; empty for the whole answer.
        kept_because: None if it was destroyed.
    """

    query_digest: bytes
    log_index: int
    entry_digest: bytes
    consent_id: str = ""
    kept_because: KeptBecause | None = None

    def __post_init__(self) -> None:
        if {len(self.query_digest), len(self.entry_digest)} != {_DIGEST_BYTES}:
            raise RequestInvalidError("a digest has 32 bytes", field="query_digest")
        if not _CONSENT_ID.fullmatch(self.consent_id):
            raise RequestInvalidError("a consent has 32 hexadecimal digits", field="consent_id")

    @property
    def settled(self) -> bool:
        """Whether nothing more is owed of it."""
        return self.kept_because is None or self.kept_because in KEPT_FOR_GOOD


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a recipient says of some answers of one holder.

    Attributes:
        certificate_id: 32 random hexadecimal digits.
        destroyed_on: the last day on which something of it was destroyed.
        role: of the person who says so; the person is not named.
    """

    certificate_id: str
    recipient: str
    holder: str
    agreement_id: str
    method: Method
    destroyed_on: dt.date
    role: str
    answers: Sequence[CertifiedAnswer]
    certified_at: dt.datetime

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.certificate_id):
            raise RequestInvalidError("an identifier has 32 digits", field="certificate_id")
        if not _ROLE.fullmatch(self.role):
            raise RequestInvalidError("a role is a word such as `registrar`", field="role")
        if not 1 <= len(self.answers) <= MOST_ANSWERS:
            raise RequestInvalidError("a certificate is about 1 to 1,000 answers", field="answers")
        named = {(one.query_digest, one.consent_id) for one in self.answers}
        if len(named) != len(self.answers):
            raise RequestInvalidError("an answer is named twice", field="answers")
        if self.destroyed_on > self.certified_at.astimezone(dt.UTC).date():
            raise RequestInvalidError(
                "nobody certifies what is still to be done", field="destroy_date"
            )


@dataclass(frozen=True, slots=True)
class CertificateReceipt:
    """A holder's word that a certificate came and was kept.

    Attributes:
        digest: the SHA-256 digest of the certificate's exact bytes.
        log_index, entry_digest: the entry of the holder's log that tells of it.
    """

    digest: bytes
    holder: str
    recipient: str
    log_index: int
    entry_digest: bytes
    received_at: dt.datetime
