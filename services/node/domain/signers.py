"""Whether the person who signed a consent is one whose rights a court has ended.

A court's order on file names a person; a form names who signed it. A name that may be the same
counts as the same, until the holder's staff has noted that this signer is entitled.
"""

import re
import unicodedata
from collections.abc import Iterable
from enum import StrEnum


class SignerRights(StrEnum):
    """What a holder knows of the rights of the person who signed (34 CFR 99.4)."""

    FULL = "full"
    REVOKED = "revoked_by_court_order"
    UNCLEAR = "unclear"


def rights_of(signer: str, limited: Iterable[str], entitled: Iterable[str]) -> SignerRights:
    """The rights of a signer.

    Args:
        signer: the name on the form; may be empty.
        limited: the persons whose rights a court has ended for this student.
        entitled: the persons whom the holder's staff has noted as entitled.
    """
    orders = [_words(name) for name in limited]
    if not orders:
        return SignerRights.FULL
    signed = _words(signer)
    if any(signed and (signed <= order or order <= signed) for order in orders):
        return SignerRights.REVOKED
    if signed and (signed in map(_words, entitled) or not any(signed & one for one in orders)):
        return SignerRights.FULL
    return SignerRights.UNCLEAR


def _words(name: str) -> frozenset[str]:
    """The words of a name without case, accents, order and punctuation."""
    plain = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", name)
        if not unicodedata.combining(letter)
    )
    return frozenset(re.findall(r"\w+", plain.casefold()))
