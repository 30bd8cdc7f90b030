"""Compares given names, with care for those that twins bear."""

from enum import StrEnum
from functools import lru_cache

from rapidfuzz.distance import OSA, JaroWinkler

from services.node.domain.matching.names import NamePart
from services.node.domain.matching.nicknames import is_short_form, share_full_name

_SIMILAR = 0.88
_LENGTH_FOR_TWO = 6
_SHORTEST_CUT = 2
_SHORTEST_SIMILAR = 3


class Given(StrEnum):
    """How two given names compare.

    `SIMILAR` may be a slip of the pen, and may be a twin. `CLASHING` names share one word and each
    has another: Juan Carlos and Juan Pablo are brothers.
    """

    EQUAL = "given_name_equal"
    SHORT_FORM = "given_name_short_form"
    SHORTER = "given_name_has_fewer_words"
    REORDERED = "given_name_words_reordered"
    RELATED = "given_name_related"
    SIMILAR = "given_name_similar"
    MIDDLE = "given_name_is_the_other_middle_name"
    INITIAL = "given_name_initial"
    CLASHING = "given_name_clashing"
    OTHER_SCRIPT = "given_name_in_another_script"
    MISSING = "given_name_missing"
    DIFFERENT = "given_name_different"


class Middle(StrEnum):
    """How two middle names compare."""

    EQUAL = "middle_name_equal"
    INITIAL = "middle_name_initial"
    DIFFERENT = "middle_name_different"
    MISSING = "middle_name_missing"


@lru_cache(maxsize=16_384)
def compare_given(
    one: NamePart, one_middle: NamePart, other: NamePart, other_middle: NamePart
) -> tuple[Given, Middle]:
    """How given and middle names compare; forms differ in what they take for a middle name."""
    middle = _compare_middles(one_middle, other_middle)
    if not one or not other:
        return Given.MISSING, middle
    if one.joined == other.joined:
        return Given.EQUAL, middle
    full = one.words + one_middle.words, other.words + other_middle.words
    if "".join(full[0]) == "".join(full[1]):
        return Given.EQUAL, Middle.EQUAL
    if one.script != other.script:
        return Given.OTHER_SCRIPT, middle
    if one.words[0] == other.words[0] or set(one.words) & set(other.words):
        return _share_a_word(one, other, full), middle
    return _unlike(one, other, one_middle, other_middle), middle


def similar(one: str, other: str) -> bool:
    """Whether two words may be one, mistyped."""
    if min(len(one), len(other)) < _SHORTEST_SIMILAR:
        return False
    allowed = 2 if min(len(one), len(other)) >= _LENGTH_FOR_TWO else 1
    if OSA.distance(one, other, score_cutoff=allowed) <= allowed:
        return True
    return JaroWinkler.similarity(one, other, score_cutoff=_SIMILAR) >= _SIMILAR


def _compare_middles(one: NamePart, other: NamePart) -> Middle:
    if not one or not other:
        return Middle.MISSING
    if one.joined == other.joined:
        return Middle.EQUAL
    if one.script != other.script:
        return Middle.MISSING
    short, long = sorted((one.words, other.words), key=lambda words: len("".join(words)))
    if all(any(word.startswith(part) for word in long) for part in short) and (
        len(short) < len(long) or all(len(part) == 1 for part in short)
    ):
        return Middle.INITIAL
    return Middle.DIFFERENT


def _share_a_word(
    one: NamePart, other: NamePart, full: tuple[tuple[str, ...], tuple[str, ...]]
) -> Given:
    if sorted(one.words) == sorted(other.words):
        return Given.REORDERED
    shared = set(full[0]) & set(full[1])
    left = [[word for word in words if word not in shared] for words in full]
    if not left[0] or not left[1]:
        return Given.SHORTER
    if len(left[0]) == len(left[1]) and all(map(_word_may_be, left[0], left[1])):
        return Given.SIMILAR
    return Given.CLASHING


def _word_may_be(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one) or similar(one, other)


def _unlike(one: NamePart, other: NamePart, one_middle: NamePart, other_middle: NamePart) -> Given:
    """How given names compare that have no word in common."""
    short, long = sorted((one.joined, other.joined), key=len)
    if is_short_form(long, short) or is_short_form(short, long):
        return Given.SHORT_FORM
    if len(short) == 1:
        return Given.INITIAL if long.startswith(short) else Given.DIFFERENT
    if _takes_middle(one, other_middle) or _takes_middle(other, one_middle):
        return Given.MIDDLE
    if _mistyped(one, other):
        return Given.SIMILAR
    return Given.RELATED if _related(one, other) else Given.DIFFERENT


def _mistyped(one: NamePart, other: NamePart) -> bool:
    if similar(one.joined, other.joined):
        return True
    if len(one.words) == len(other.words) and all(map(similar, one.words, other.words)):
        return True
    several = len(one.words) > 1 or len(other.words) > 1
    return several and similar(one.words[0], other.words[0])


def _related(one: NamePart, other: NamePart) -> bool:
    """Whether a short form of the first word, or a word cut short, may explain the difference."""
    first = one.words[0], other.words[0]
    short, long = sorted(first, key=len)
    if len(short) >= _SHORTEST_CUT and long.startswith(short):
        return True
    return share_full_name(*first) or is_short_form(long, short)


def _takes_middle(one: NamePart, middle: NamePart) -> bool:
    return bool(middle) and one.joined == middle.joined
