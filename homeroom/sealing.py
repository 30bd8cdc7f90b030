"""Seals what only one organization may read.

A message is sealed by HPKE (RFC 9180: X25519, HKDF-SHA256, AES-256-GCM). An answer's rows are
sealed by AES-256-GCM under one content key, which HPKE wraps to the requester: HPKE costs its
180 µs once, and each frame only its encryption. Consents that are made together are sealed alike.
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from homeroom.errors import EvidenceInvalidError
from homeroom.private_keys import private_key_pem, read_sealing_key
from homeroom.signing import key_id_of

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_CONTENT_KEY_BYTES = 32
_TAG_BYTES = 16
_ROWS, _RECEIPT, _BODY = 0, 1, 2


@dataclass(frozen=True, slots=True)
class SealingKey:
    """An organization's private key for what is sealed to it."""

    private: X25519PrivateKey

    @classmethod
    def generate(cls) -> "SealingKey":
        return cls(X25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> "SealingKey":
        """Reads a PKCS #8 PEM file.

        Raises:
            EvidenceInvalidError: if the file holds no such key.
        """
        return cls(read_sealing_key(path))

    @property
    def public(self) -> bytes:
        """The raw public key, 32 bytes."""
        return self.private.public_key().public_bytes_raw()

    @property
    def key_id(self) -> str:
        return key_id_of(self.public)

    def to_pem(self) -> bytes:
        return private_key_pem(self.private)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Opens a message sealed to this key in the same context.

        Raises:
            EvidenceInvalidError: if it was not.
        """
        try:
            return _SUITE.decrypt(sealed, self.private, info=context)
        except (InvalidTag, ValueError) as wrong:
            raise EvidenceInvalidError("a sealed message cannot be opened") from wrong


def seal(message: bytes, public_key: bytes, context: bytes) -> bytes:
    """Seals a message to one organization; it opens only in the same context."""
    return _SUITE.encrypt(message, X25519PublicKey.from_public_bytes(public_key), info=context)


@dataclass(frozen=True, slots=True)
class AnswerContext:
    """What an answer's frames are bound to: one query at one holder."""

    query_digest: bytes
    holder: str

    def encode(self) -> bytes:
        return b"homeroom/answer/v1\x00" + self.query_digest + self.holder.encode()


class AnswerSealer:
    """Seals the frames of one answer to its requester, in order."""

    def __init__(self, public_key: bytes, context: AnswerContext) -> None:
        self.content_key = os.urandom(_CONTENT_KEY_BYTES)
        self._cipher = AESGCM(self.content_key)
        self._context = context.encode()
        self._tags = bytearray()
        self._sealed_receipt = b""
        self.sealed_key = seal(self.content_key, public_key, self._context)

    def seal_rows(self, sequence: int, rows: bytes) -> bytes:
        """Seals one frame's piece of the Arrow stream."""
        sealed = self._seal(_ROWS, sequence, rows)
        self._tags += sealed[-_TAG_BYTES:]
        return sealed

    def seal_again(self, sequence: int, rows: bytes) -> bytes:
        """Seals a piece that was sealed before, to the very same bytes.

        Raises:
            EvidenceInvalidError: if it is not the piece that was sealed there.
        """
        sealed = self._seal(_ROWS, sequence, rows)
        place = sequence * _TAG_BYTES
        if sealed[-_TAG_BYTES:] != self._tags[place : place + _TAG_BYTES]:
            # Two contents under one nonce would give both away.
            raise EvidenceInvalidError("a piece is not the one that was sealed there")
        return sealed

    def seal_receipt(self, sequence: int, receipt: bytes) -> bytes:
        """Seals the last frame's receipt; an answer has one, which stays as it was sealed first."""
        self._sealed_receipt = self._sealed_receipt or self._seal(_RECEIPT, sequence, receipt)
        return self._sealed_receipt

    def frames_digest(self, frames: int | None = None) -> bytes:
        """The digest over the key's commitment and the tags of all rows sealed so far.

        Hashing the 16-byte tags instead of the rows binds the same content at a fraction of the
        cost; the commitment is needed because AES-GCM alone does not commit to its key.

        Args:
            frames: how many of the first are meant; by default all.
        """
        some = self._tags if frames is None else self._tags[: frames * _TAG_BYTES]
        return hashlib.sha256(_commitment(self.content_key) + some).digest()

    def _seal(self, kind: int, sequence: int, content: bytes) -> bytes:
        return self._cipher.encrypt(_nonce(kind, sequence), content, self._context)


def frames_digest_of(content_key: bytes, context: AnswerContext, rows: Iterable[bytes]) -> bytes:
    """The digest of an answer whose frames hold these rows, sealed under this key.

    A frame's place and key decide how it is sealed: the same rows again give the same digest.
    """
    cipher, bound = AESGCM(content_key), context.encode()
    tags = hashlib.sha256(_commitment(content_key))
    for sequence, piece in enumerate(rows):
        tags.update(cipher.encrypt(_nonce(_ROWS, sequence), piece, bound)[-_TAG_BYTES:])
    return tags.digest()


class AnswerOpener:
    """Opens the frames of one answer, in order."""

    def __init__(self, sealed_key: bytes, key: SealingKey, context: AnswerContext) -> None:
        self._context = context.encode()
        content_key = key.open(sealed_key, self._context)
        self._cipher = AESGCM(content_key)
        self._tags = hashlib.sha256(_commitment(content_key))

    def open_rows(self, sequence: int, sealed: bytes) -> bytes:
        """Opens one frame's piece of the Arrow stream.

        Raises:
            EvidenceInvalidError: if it is not that frame of this answer.
        """
        rows = self._open(_ROWS, sequence, sealed)
        self._tags.update(sealed[-_TAG_BYTES:])
        return rows

    def open_receipt(self, sequence: int, sealed: bytes) -> bytes:
        """Opens the last frame's receipt.

        Raises:
            EvidenceInvalidError: if it is not that frame of this answer.
        """
        return self._open(_RECEIPT, sequence, sealed)

    def frames_digest(self) -> bytes:
        """The digest to compare with the receipt's."""
        return self._tags.digest()

    def _open(self, kind: int, sequence: int, sealed: bytes) -> bytes:
        try:
            return self._cipher.decrypt(_nonce(kind, sequence), sealed, self._context)
        except InvalidTag as wrong:
            raise EvidenceInvalidError("a frame of an answer cannot be opened") from wrong


class BatchSealer:
    """Seals messages that are made together to one organization; each opens by itself."""

    def __init__(self, public_key: bytes, context: bytes) -> None:
        content_key = os.urandom(_CONTENT_KEY_BYTES)
        self._cipher = AESGCM(content_key)
        self.sealed_key = seal(content_key, public_key, context)

    def seal(self, place: int, message: bytes, context: bytes) -> bytes:
        """Seals the message of one place; it opens only there and in the same context."""
        return self._cipher.encrypt(_nonce(_BODY, place), message, context)


class BatchOpener:
    """Opens messages that were made together, in any order."""

    def __init__(self, sealed_key: bytes, key: SealingKey, context: bytes) -> None:
        content_key = key.open(sealed_key, context)
        if len(content_key) != _CONTENT_KEY_BYTES:
            raise EvidenceInvalidError("a sealed key is none")
        self._cipher = AESGCM(content_key)

    def open(self, place: int, sealed: bytes, context: bytes) -> bytes:
        """Opens the message of one place.

        Raises:
            EvidenceInvalidError: if it is not that message.
        """
        try:
            return self._cipher.decrypt(_nonce(_BODY, place), sealed, context)
        except InvalidTag as wrong:
            raise EvidenceInvalidError("a sealed message cannot be opened") from wrong


def _nonce(kind: int, sequence: int) -> bytes:
    # Never used twice: a content key serves one answer or batch, in which each piece has one place.
    return kind.to_bytes(4, "big") + sequence.to_bytes(8, "big")


def _commitment(content_key: bytes) -> bytes:
    return hashlib.sha256(b"homeroom/content-key/v1\x00" + content_key).digest()
