"""The signing keys that one process holds for its organization, while one takes another's place.

A process that runs through an exchange has the former key in memory and finds the new one in its
file. Which of them signs, the organization's registered keys say.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from homeroom.errors import EvidenceInvalidError
from homeroom.key_history import SETTLING, KeyHistory
from homeroom.signing import SigningKey

Look = Callable[[], Iterable[SigningKey]]
"""Reads the keys there are now; one that cannot be read is left out."""


class HeldKeys:
    """The signing keys that were ever read here, the newest first; only public halves leave."""

    def __init__(self, key: SigningKey, look: Look = tuple) -> None:
        """Holds a key, and looks for others where it is told to."""
        self._held: tuple[SigningKey, ...] = (key,)
        self._look = look
        self._signer = key

    @property
    def signer(self) -> SigningKey:
        """The key that signs, as far as was followed."""
        return self._signer

    def follow(self, keys: KeyHistory | None) -> None:
        """Signs with the registered key from now on, if it can be found."""
        if keys is not None and keys.present.keys.signing != self._signer.public:
            self.look()
            self._signer = self.of(keys)

    def look(self) -> None:
        """Reads what has come meanwhile."""
        known = {key.public for key in self._held}
        new = tuple(key for key in self._look() if key.public not in known)
        self._held = new + self._held

    def of(self, keys: KeyHistory | None) -> SigningKey:
        """The registered key, if it is held; else the one that was read last.

        Args:
            keys: the organization's, as they are registered; None while that is not known.
        """
        return self._named(keys.present.keys.signing if keys else b"")

    def for_questions(self, keys: KeyHistory | None, now: dt.datetime) -> SigningKey:
        """Like `of`; just after an exchange still the former key, which everyone knows."""
        if keys is not None and now < keys.present.since + SETTLING:
            for key in keys.signing_keys_at(now)[1:]:
                if any(one.public == key for one in self._held):
                    return self._named(key)
        return self.of(keys)

    def _named(self, public: bytes) -> SigningKey:
        return next((key for key in self._held if key.public == public), self._held[0])


def next_file(file: Path) -> Path:
    """Where an exchange makes the key that will take this file's place."""
    return file.with_name(f"{file.stem}_next{file.suffix}")


def keys_beside(file: Path) -> Look:
    """Reads the key of a file, and the one that is about to take its place."""

    def look() -> Sequence[SigningKey]:
        # The next one first: between the two it may be put in place.
        return [key for path in (next_file(file), file) if (key := _read(path)) is not None]

    return look


def _read(path: Path) -> SigningKey | None:
    try:
        return SigningKey.load(path)
    except (OSError, EvidenceInvalidError):
        return None
