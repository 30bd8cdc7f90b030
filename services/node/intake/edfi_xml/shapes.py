"""Reads elements that are made as one before them was: by a pattern, not by a parser.

Exports say thousands of elements with the same tags in the same order. Of one that the parser has
read, a `Shape` is made: a pattern of its tags, with any text between them. What the pattern matches
is well-formed, for it differs from the element that the parser took by its texts alone, and these
hold no markup, no entity and no character that XML forbids. All else goes to the parser.
"""

import re
from collections import Counter
from collections.abc import Iterator

from services.node.intake.edfi.items import Item, is_layer
from services.node.intake.edfi_xml.reading import (
    Counts,
    Reading,
    Wish,
    is_sensitive_word,
    systems_of,
)

_FORBIDDEN = r"\x00-\x08\x0b\x0c\x0e-\x1f"
_TEXT = rf"[^<>&{_FORBIDDEN}]*+"
_VALUE = rf'[^<>&"\t\n{_FORBIDDEN}]*+'
_BLANK = r"[ \t\n]*+"
_NAME = r"[A-Za-z_][A-Za-z0-9_.:-]*"
_PIECE = re.compile(r"<[^<>]*>|[^<>]+")
_TAG = re.compile(rf'<(/?)({_NAME})((?:\s+{_NAME}="{_VALUE}")*)(\s*)(/?)>')
_ATTRIBUTE = re.compile(rf'(\s+)({_NAME})="({_VALUE})"')
_PLAIN_TEXT = re.compile(_TEXT)
_VALUES = re.compile(r'(?<=>)[^<]*|"[^"<>]*"')
START = re.compile(rf"\s*<({_NAME})(?=[\s/>])")
"""Where an element begins, and its name."""

# A shape costs as much as reading many elements, and takes time to try on others.
_BEFORE_SHAPES = 12
_BEFORE_ONE = 3
_MOST_SHAPES = 24
_MOST_ALIKE = 10_000
_PLACEHOLDER = re.compile(r"~(\d+)~")


class Shape:
    """The elements of one shape.

    Attributes:
        match: finds one at a place of a text, after any blank.
        pass_over: finds one or more of them in a row.
        item: what is made of one. It is the same each time, with other texts: whoever keeps one
            must copy it.
    """

    def __init__(self, outline: "_Outline", item: Item, dropped: Counter[str]) -> None:
        self.item = item
        self._name = outline.name
        self._identifier = outline.identifier
        self._ending = outline.ending
        self._dropped = dropped
        texts, refs, systems = _uses(item)
        used = sorted({*texts, *refs})
        self.match = re.compile(f"{_BLANK}{outline.pattern(used)}").match
        self.pass_over = re.compile(f"(?:{_BLANK}{outline.pattern([])})++").match
        self._texts = [texts.get(number, Item("", 0)) for number in used]
        self._refs = [(named, used.index(number)) for number, named in refs.items()]
        self._systems = [used.index(number) for number in systems]
        if not refs:
            item.leaves = list(texts.values())

    def is_read(self, wish: Wish) -> bool | None:
        """Whether such elements are read; None if the parser must, for they are kept."""
        wanted = wish.has(self._name, self._identifier)
        return None if wanted and wish.with_id else wanted

    def skip(self, text: str, at: int, end: int, reading: Reading) -> None:
        """Counts those that were passed over."""
        reading.skip(self._name, text.count(self._ending, at, end))

    def take(self, found: re.Match[str], reading: Reading, references: dict[str, Item]) -> bool:
        """Makes the item of an element; False if the parser must read it."""
        texts = found.groups()
        for place in self._systems:
            if is_sensitive_word(texts[place].strip()):
                return False
        for said, text in zip(self._texts, texts, strict=True):
            said.text = text.strip()
        for named, place in self._refs:
            known = references.get(texts[place])
            named.ref = texts[place]
            named.children = known.children if known is not None else {}
        if self._dropped:
            reading.drop(self._dropped)
        return True


class Shapes:
    """The shapes of the elements of files that declare the same namespaces."""

    def __init__(self, opening: bytes) -> None:
        self._opening = opening
        self._latest: Shape | None = None
        self._of: dict[str, list[Shape]] = {}
        self._shown: Counter[str] = Counter()
        self._alike: Counter[int] = Counter()

    def find(self, text: str, at: int) -> Shape | None:
        """The shape that matches at a place."""
        if self._latest is not None and self._latest.match(text, at):
            return self._latest
        begun = START.match(text, at)
        for shape in self._of.get(begun[1], ()) if begun else ():
            if shape.match(text, at):
                self._latest = shape
                return shape
        return None

    def learn(self, name: str, element: str) -> None:
        """Makes a shape of an element that expat took, where that is worth it."""
        self._shown[name] += 1
        shapes = self._of.setdefault(name, [])
        if self._shown[name] <= _BEFORE_SHAPES or len(shapes) >= _MOST_SHAPES:
            return
        outline = _Outline()
        if len(self._alike) > _MOST_ALIKE:
            self._alike.clear()
        alike = hash(_VALUES.sub("", element))
        self._alike[alike] += 1
        if self._alike[alike] == _BEFORE_ONE and outline.draw(element):
            shape = self._shape_of(outline)
            if shape is not None:
                shapes.append(shape)

    def _shape_of(self, outline: "_Outline") -> Shape | None:
        counts = Counts()
        reading = Reading("", Wish(_EVERY_NAME, {}), counts)
        reading.feed(self._opening)
        reading.feed("".join(outline.shown).encode())
        [(item, _)] = reading.ready
        told = [said.text for said in _all(item)]
        if all(_PLACEHOLDER.fullmatch(text) for text in told if text):
            return Shape(outline, item, counts.dropped)
        return None


class _EveryName:
    """Has them all."""

    def __contains__(self, _name: object) -> bool:
        return True


_EVERY_NAME = _EveryName()


class _Outline:
    """The tags of an element, with a numbered placeholder for each of its texts.

    Attributes:
        name: the element's name.
        identifier: its `id`.
        ending: the tag it ends with, which is nowhere else in it.
        shown: the pieces of the element, with placeholders for texts.
    """

    def __init__(self) -> None:
        self.name = ""
        self.identifier = ""
        self.ending = ""
        self.shown: list[str] = []
        self._pieces: list[tuple[str, int | None]] = []
        self._count = 0

    def draw(self, element: str) -> bool:
        """Takes an element apart; False if it has anything unusual in it."""
        pieces = _PIECE.findall(element)
        if "".join(pieces) != element:
            return False
        self.ending = pieces[-1]
        if not self.ending.startswith("</") or pieces.count(self.ending) > 1:
            return False
        before = ""
        for piece, after in zip(pieces, [*pieces[1:], ""], strict=True):
            drawn = self._tag(piece) if piece[0] == "<" else self._text(piece, before, after)
            if not drawn:
                return False
            before = piece
        return True

    def pattern(self, used: list[int]) -> str:
        """The pattern of the elements, with a group for each placeholder that is used."""
        wanted = set(used)
        return "".join(
            f"({piece})" if number in wanted else piece for piece, number in self._pieces
        )

    def _tag(self, tag: str) -> bool:
        found = _TAG.fullmatch(tag)
        if found is None:
            return False
        closing, name, attributes, blank, empty = found.groups()
        self.name = self.name or name.rpartition(":")[2]
        self._literally(f"<{closing}{name}")
        for space, attribute, value in _ATTRIBUTE.findall(attributes):
            if attribute == "ref" and is_layer(name.rpartition(":")[2]):
                return False  # it dissolves into its parent once it is found
            if attribute == "id" and not self._pieces[2:]:
                self.identifier = value
            if attribute.startswith("xmlns"):
                self._literally(f'{space}{attribute}="{value}"')
            else:
                self._literally(f'{space}{attribute}="')
                self._anything(_VALUE)
                self._literally('"')
        self._literally(f"{blank}{empty}>")
        return True

    def _text(self, text: str, before: str, after: str) -> bool:
        if not _PLAIN_TEXT.fullmatch(text):
            return False
        is_leaf = not before.startswith("</") and after.startswith("</")
        if is_leaf or text.strip(" \t\n"):
            self._anything(_TEXT)
        else:
            self.shown.append(text)
            self._pieces.append((_BLANK, None))
        return True

    def _literally(self, text: str) -> None:
        self.shown.append(text)
        self._pieces.append((re.escape(text), None))

    def _anything(self, pattern: str) -> None:
        self.shown.append(f"~{self._count}~")
        self._pieces.append((pattern, self._count))
        self._count += 1


def _all(item: Item) -> Iterator[Item]:
    yield item
    for children in item.children.values():
        for child in children:
            yield from _all(child)


def _uses(item: Item) -> tuple[dict[int, Item], dict[int, Item], set[int]]:
    """Which item has each placeholder: as its text, as its `ref`, and as the name of a system."""
    texts: dict[int, Item] = {}
    refs: dict[int, Item] = {}
    systems: set[int] = set()
    for said in _all(item):
        if found := _PLACEHOLDER.fullmatch(said.text):
            texts[int(found[1])] = said
        if not said.children and (found := _PLACEHOLDER.fullmatch(said.ref)):
            refs[int(found[1])] = said
        for system in systems_of(said):
            if found := _PLACEHOLDER.fullmatch(system.text):
                systems.add(int(found[1]))
    return texts, refs, systems
