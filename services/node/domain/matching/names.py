"""Reads names for comparison: however they were typed, the same name reads the same.

Case, accents, apostrophes, hyphens and spaces do not tell people apart. Letters of other scripts
are kept: a name written in Chinese or Arabic equals itself.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from services.node.domain.matching.word_list import words

_LETTERS = str.maketrans(
    {
        "ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i",
        "ħ": "h", "ŧ": "t", "ŋ": "n", "ə": "e", "ɓ": "b", "ɗ": "d", "ƙ": "k",
    }
)  # fmt: skip
# Letters of other scripts that look like a Latin one: a name that mixes scripts was mistyped, or
# made to deceive.
_LOOK_ALIKES = str.maketrans("авекмнорстухіјѕԁһӏαβεικνορτυχ", "abekmhopctyxijsdhlabeikvoptux")
_APOSTROPHES = re.compile("['’‘ʼʻ`´′ʹ＇‛]")
_SPACES = re.compile(r"[\s\-‐-―−.,()\"“”]+")
_LONGEST_NAME = 120
_SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv", "2nd", "3rd"})
PARTICLES = frozenset(
    words(
        """
    da das de dei del dela della delos den der di do dos du e el la las le les los st van von y
    al bin bint ibn ter ten zu af av
    """
    )
)
# What stands in a form where a name is not known. "Sample", "Null" and "Last" are also families'
# names: those words are no name only where a given name is asked for.
_NO_NAME = frozenset(
    words(
        """
    test tests testing unknown unk noname none nil anonymous donotuse delete deleted duplicate
    xx xxx xxxx tbd notknown notgiven desconocido fnu lnu sinnombre
    """
    )
)
_NO_GIVEN_NAME = _NO_NAME | frozenset(
    words(
        """
    tester student null dummy fake sample example infant newborn baby boy girl child twin first
    firstname name nombre nofirstname male female
    """
    )
)
_NO_GIVEN_PHRASES = ("babyboy", "babygirl", "twinboy", "twingirl", "boybaby", "girlbaby")


@dataclass(frozen=True, slots=True, eq=False)
class NamePart:
    """One field of a name.

    Attributes:
        words: all its words, in order.
        core: those that tell families apart, without particles and suffixes.
        joined: the words as one, so that "da Veiga" and "DaVeiga" are the same.
        script: the first letters' script; empty where there is no letter.
        doubtful: scripts are mixed, or there are signs that no name has.
    """

    words: tuple[str, ...]
    core: tuple[str, ...]
    joined: str
    script: str
    doubtful: bool = False

    def __bool__(self) -> bool:
        return bool(self.words)


NO_NAME = NamePart((), (), "", "")


@dataclass(frozen=True, slots=True)
class PersonName:
    """A name in its three fields."""

    given: NamePart
    middle: NamePart
    family: NamePart

    @property
    def doubtful(self) -> bool:
        """Whether some field mixes scripts or has signs that no name has."""
        return self.given.doubtful or self.middle.doubtful or self.family.doubtful

    @property
    def placeholder(self) -> bool:
        """Whether it stands where a name is not known."""
        given, family = self.given, self.family
        return (
            (bool(given.words) and given.words[0] in _NO_GIVEN_NAME)
            or given.joined.startswith(_NO_GIVEN_PHRASES)
            or not _NO_NAME.isdisjoint(family.words)
        )


def person_name(given: str, middle: str, family: str) -> PersonName:
    """A name, read for comparison."""
    return PersonName(name_part(given), name_part(middle), name_part(family))


def folded(text: str) -> str:
    """Text in small letters, without the accents of alphabets that only decorate with them."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    kept: list[str] = []
    base = ""
    for character in decomposed:
        category = unicodedata.category(character)
        if category == "Cf":
            continue
        if category == "Mn" and _decorates(base):
            continue
        if category != "Mn":
            base = character
        kept.append(character)
    return unicodedata.normalize("NFC", "".join(kept)).translate(_LETTERS)


@lru_cache(maxsize=16_384)
def name_part(text: str) -> NamePart:
    """One field of a name, read for comparison."""
    short = folded(text[:_LONGEST_NAME])
    bare = _APOSTROPHES.sub("", short)
    found: list[str] = []
    doubtful = len(text) > _LONGEST_NAME
    for written in _SPACES.split(bare):
        word = "".join(c for c in written if unicodedata.category(c)[0] in "LM")
        doubtful = doubtful or word != written
        if not word:
            continue
        plain = _one_script(word)
        doubtful = doubtful or plain != word
        found.append(plain)
    named = [word for word in found if word not in _SUFFIXES] or found
    joined = "".join(named)
    return NamePart(
        tuple(named),
        tuple(word for word in named if word not in PARTICLES) or tuple(named),
        joined,
        _script(joined),
        doubtful,
    )


def _one_script(word: str) -> str:
    """A word in one script: in one that mixes Latin with its look-alikes, those become Latin."""
    if word.isascii():
        return word
    scripts = {_script(character) for character in word if character.isalpha()}
    return word.translate(_LOOK_ALIKES) if "LATIN" in scripts and len(scripts) > 1 else word


@lru_cache(maxsize=4_096)
def _script_of(character: str) -> str:
    return unicodedata.name(character, "").split(" ")[0]


def _script(word: str) -> str:
    """The script of a word's first letter, as Unicode names it."""
    if not word:
        return ""
    return "LATIN" if word[0].isascii() else _script_of(word[0])


def _decorates(base: str) -> bool:
    return bool(base) and _script(base) in {"LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW"}
