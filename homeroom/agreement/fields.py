"""The kinds of fields that agreement documents are made of, each with its form checked.

What people read in a document must be what they sign: a text holds no character that hides or
reorders others, and a list of words has one order, so that no two documents differ by it alone.
"""

import datetime as dt
import unicodedata
from typing import Annotated, Literal, Self, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from homeroom.vocabulary import Basis, Element, OrganizationKind

W = TypeVar("W", bound=str)

ALL_SCHOOLS: Literal["all"] = "all"

_HIDDEN = frozenset("\u061c\u200b\u200e\u200f\u2060\ufeff")
_LINE_ENDS = frozenset("\n")


class Frozen(BaseModel):
    """A part of a document: it never changes, and holds nothing that we do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _readable(text: str) -> str:
    """Refuses characters that a reader cannot see, or that show the text in another order."""
    if text != text.strip():
        raise ValueError("the text begins or ends with a blank")
    if unicodedata.normalize("NFC", text) != text:
        raise ValueError("the text is not in Unicode's composed form (NFC)")
    for character in text:
        if character not in _LINE_ENDS and _is_hidden(character):
            raise ValueError(f"the text holds the hidden character U+{ord(character):04X}")
    return text


def _is_hidden(character: str) -> bool:
    category = unicodedata.category(character)
    reorders = "\u202a" <= character <= "\u202e" or "\u2066" <= character <= "\u2069"
    return reorders or character in _HIDDEN or category in ("Cc", "Cs", "Co", "Zl", "Zp")


def _one_line(text: str) -> str:
    if "\n" in text:
        raise ValueError("the text is one line")
    return text


def _each_once(words: tuple[W, ...]) -> tuple[W, ...]:
    """A set in its one order; a word that stands twice is a mistake to tell."""
    if len(set(words)) != len(words):
        raise ValueError("it is named twice")
    return tuple(sorted(words))


Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""A word of an open vocabulary, such as a purpose or a person's role."""

KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 digest, in hexadecimal."""

AgreementId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]

Line = Annotated[
    str, Field(min_length=1, max_length=200), AfterValidator(_readable), AfterValidator(_one_line)
]
"""A short text, such as a name or a title."""

Text = Annotated[str, Field(min_length=1, max_length=8_000), AfterValidator(_readable)]
"""A text in the parties' own words; it may have several lines."""

SchoolId = Annotated[
    str, Field(min_length=1, max_length=64), AfterValidator(_readable), AfterValidator(_one_line)
]

Codes = Annotated[tuple[Code, ...], AfterValidator(_each_once)]
Lines = Annotated[tuple[Line, ...], AfterValidator(_each_once)]
Elements = Annotated[tuple[Element, ...], Field(min_length=1), AfterValidator(_each_once)]
Grounds = Annotated[tuple[Basis, ...], Field(min_length=1), AfterValidator(_each_once)]
OrganizationKinds = Annotated[
    tuple[OrganizationKind, ...], Field(min_length=1), AfterValidator(_each_once)
]

Schools: TypeAlias = Annotated[tuple[SchoolId, ...], AfterValidator(_each_once)] | Literal["all"]
"""Schools of one holder by their identifiers there, or all it has."""

Days = Annotated[int, Field(ge=0, le=36_500)]


class Period(Frozen):
    """A range of days, both included."""

    first_day: dt.date
    last_day: dt.date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last_day < self.first_day:
            raise ValueError("it ends before it begins")
        return self


def within(inner: Schools, outer: Schools) -> bool:
    """Whether some schools are all among others."""
    if outer == ALL_SCHOOLS:
        return True
    return inner != ALL_SCHOOLS and set(inner) <= set(outer)
