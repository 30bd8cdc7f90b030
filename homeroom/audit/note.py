"""Signed notes by the C2SP: a short text, and a line for each key that signed it.

The text is everything up to the last empty line; the lines below it name who signed. A line counts
only for whoever knows the key: others are passed over, so that witnesses can add theirs.
"""

import hashlib
from base64 import b64decode, b64encode
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from homeroom.errors import EvidenceInvalidError

ED25519, COSIGNATURE = 1, 4
KEY_ID_BYTES = 4
_KEY_BYTES = 32
_MOST_CHARACTERS = 65_536
_MOST_SIGNATURES = 100
_DASH = "— "
_BLANK = "\n\n"
_MALFORMED = "a signed note is malformed"


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public key by the name that its signatures bear, for one kind of signature."""

    name: str
    public_key: bytes
    kind: int = ED25519

    @property
    def key_id(self) -> bytes:
        """What a signature line has of the key: four bytes, to find it by and not to trust."""
        named = self.name.encode() + b"\n" + bytes([self.kind]) + self.public_key
        return hashlib.sha256(named).digest()[:KEY_ID_BYTES]

    def verifier_key(self) -> str:
        """The key as other tools of the C2SP are told of it."""
        material = b64encode(bytes([self.kind]) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{material}"

    @classmethod
    def parse(cls, verifier_key: str) -> "NoteKey":
        """Reads a key as `verifier_key` writes it.

        Raises:
            EvidenceInvalidError: if it is written in another way.
        """
        name, _, rest = verifier_key.partition("+")
        material = strict_base64(rest.partition("+")[2])
        read = cls(name, material[1:], material[0] if material else 0)
        right = is_key_name(name) and len(read.public_key) == _KEY_BYTES
        if not right or read.verifier_key() != verifier_key:
            raise EvidenceInvalidError("a verifier key is malformed")
        return read


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line of a note."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """The line as it stands in the note."""
        return f"{_DASH}{self.name} {b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A note that was read; nothing of it is verified."""

    text: str
    signatures: tuple[NoteSignature, ...]

    @classmethod
    def parse(cls, note: str) -> "SignedNote":
        """Reads a note strictly.

        Raises:
            EvidenceInvalidError: if it is not exactly a text and its signature lines.
        """
        text, blank, below = note.rpartition(_BLANK)
        if not (blank and text and below.endswith("\n")) or len(note) > _MOST_CHARACTERS:
            raise EvidenceInvalidError(_MALFORMED)
        if not _is_plain(note):
            raise EvidenceInvalidError(_MALFORMED)
        lines = below[:-1].split("\n")
        if len(lines) > _MOST_SIGNATURES:
            raise EvidenceInvalidError(_MALFORMED)
        return cls(text + "\n", tuple(_read_line(line) for line in lines))

    def encode(self) -> str:
        """The whole note."""
        return self.text + "\n" + "".join(one.line() for one in self.signatures)

    def signed_by(self, key: NoteKey) -> list[bytes]:
        """What stands in the lines of one key; the caller verifies each."""
        return [
            one.signature
            for one in self.signatures
            if (one.name, one.key_id) == (key.name, key.key_id)
        ]


def is_key_name(name: str) -> bool:
    """Whether a name can stand in a signature line."""
    return bool(name) and "+" not in name and not any(sign.isspace() for sign in name)


def check_signature(key: NoteKey, signature: bytes, signed: str) -> None:
    """Checks one signature over a text.

    Raises:
        EvidenceInvalidError: if the key did not sign these very characters.
    """
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, signed.encode())
    except (InvalidSignature, ValueError) as wrong:
        raise EvidenceInvalidError("a signature on a note does not check", key=key.name) from wrong


def strict_base64(written: str) -> bytes:
    """The bytes that base64 stands for, where there is no other way to write them.

    Raises:
        EvidenceInvalidError: if there is, or it is no base64.
    """
    try:
        found = b64decode(written, validate=True)
    except ValueError as wrong:
        raise EvidenceInvalidError(_MALFORMED) from wrong
    if b64encode(found).decode() != written:
        raise EvidenceInvalidError(_MALFORMED)
    return found


def _read_line(line: str) -> NoteSignature:
    name, space, written = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space or not is_key_name(name):
        raise EvidenceInvalidError(_MALFORMED)
    content = strict_base64(written)
    if len(content) <= KEY_ID_BYTES:
        raise EvidenceInvalidError(_MALFORMED)
    return NoteSignature(name, content[:KEY_ID_BYTES], content[KEY_ID_BYTES:])


def _is_plain(note: str) -> bool:
    try:
        note.encode()
    except UnicodeEncodeError:
        return False
    return all(sign >= " " or sign == "\n" for sign in note)
