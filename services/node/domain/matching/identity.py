"""What matching knows about a person: as a family wrote it, and as it is compared."""

import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache

from services.node.domain.matching.names import PersonName, folded, person_name

_NOT_DIGITS = re.compile("[^0-9]+")
_WORD = re.compile(r"\w+")
_PHONE_DIGITS = 10
_FEWEST_DIFFERENT_DIGITS = 3
_FIRST_LIKELY_YEAR = 1911
_LAST_LIKELY_YEAR = 2100
_SEXES = {"f": "F", "female": "F", "m": "M", "male": "M"}
_STREET_WORDS = {
    "street": "st",
    "avenue": "ave",
    "av": "ave",
    "road": "rd",
    "drive": "dr",
    "lane": "ln",
    "court": "ct",
    "place": "pl",
    "boulevard": "blvd",
    "square": "sq",
    "terrace": "ter",
    "parkway": "pkwy",
    "highway": "hwy",
    "north": "n",
    "south": "s",
    "east": "e",
    "west": "w",
    "apartment": "apt",
    "unit": "apt",
    "suite": "apt",
    "ste": "apt",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What one side says of a person; what is not known is empty.

    Attributes:
        local_id: the student's id at the holder, where the family knew it.
    """

    given: str = ""
    middle: str = ""
    family: str = ""
    birth_date: dt.date | None = None
    sex: str = ""
    school_id: str = ""
    local_id: str = ""
    phone: str = ""
    address: str = ""
    zip: str = ""


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """A student of the holder's own records."""

    student_key: int
    identity: Identity


@dataclass(frozen=True, slots=True)
class Person:
    """An identity made ready to be compared; empty where nothing can be compared.

    Attributes:
        address: street and zip together: half of an address says little.
    """

    name: PersonName
    birth_date: dt.date | None
    sex: str
    phone: str
    address: str
    school_id: str
    local_id: str


@lru_cache(maxsize=4_096)
def person_of(identity: Identity) -> Person:
    """An identity, made ready to be compared."""
    return Person(
        person_name(identity.given, identity.middle, identity.family),
        _likely(identity.birth_date),
        _SEXES.get(identity.sex.strip().casefold(), ""),
        phone_key(identity.phone),
        _address_key(identity.address, identity.zip),
        identity.school_id.strip(),
        _local_id_key(identity.local_id),
    )


def phone_key(phone: str) -> str:
    """The digits of a telephone number, without its country; empty if it cannot be a real one."""
    digits = _NOT_DIGITS.sub("", phone)[-_PHONE_DIGITS:]
    if len(digits) < _PHONE_DIGITS or len(set(digits)) < _FEWEST_DIFFERENT_DIGITS:
        return ""
    return digits


def _likely(birth_date: dt.date | None) -> dt.date | None:
    """A birth date; None where it only stands for one that is not known."""
    if birth_date is None or not _FIRST_LIKELY_YEAR <= birth_date.year < _LAST_LIKELY_YEAR:
        return None
    return birth_date


def _local_id_key(local_id: str) -> str:
    """An id as it is looked up: spreadsheets take its leading zeros away."""
    return local_id.strip().casefold().lstrip("0")


@lru_cache(maxsize=8_192)
def _street_key(address: str) -> str:
    words = _WORD.findall(folded(address).replace("#", " apt "))
    return " ".join(_STREET_WORDS.get(word, word) for word in words)


def _address_key(address: str, zip_code: str) -> str:
    street, area = _street_key(address), _NOT_DIGITS.sub("", zip_code)[:5]
    if not street or not area or not any(character.isdigit() for character in street):
        return ""
    return f"{street}|{area}"
