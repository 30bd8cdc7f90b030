"""Streams the items of one interchange file: most by the shapes of earlier ones, the rest by expat.

Expat is the judge of what is well-formed. It is shown all of a file but the elements that a shape
matches; between two elements below the root, leaving one out changes nothing for it.
"""

import codecs
import io
import re
from collections.abc import Iterator
from typing import IO

from services.node.intake.edfi.items import Item
from services.node.intake.edfi_xml.reading import ROOT, Reading, Wish
from services.node.intake.edfi_xml.shapes import START, Shape, Shapes

_CHUNK = 1 << 18
# An element that goes on for longer is left to expat, which need not see its end at once.
_LONGEST_HELD = 1 << 24
_LONGEST_TOKEN = 4_096
_ENCODING = re.compile(rb"(?:\xef\xbb\xbf)?<\?xml[^>]*?encoding\s*=\s*[\"']([^\"']*)")
_DECLARED = re.compile(rb"\sxmlns[^=]*=\s*(?:\"[^\"]*\"|'[^']*')")
_EMPTY = re.compile(r'\s*<[A-Za-z_][A-Za-z0-9_.:-]*(?:\s+[A-Za-z0-9_.:-]+\s*=\s*"[^"<]*")*\s*/>')
_COMMENT = re.compile(r"\s*<!--.*?-->", re.DOTALL)

KnownShapes = dict[bytes, Shapes]
"""The shapes met so far, by what the files' roots declare."""


class Stream:
    """One file on its way to the reading."""

    def __init__(self, handle: IO[bytes], reading: Reading, wish: Wish, known: KnownShapes) -> None:
        self._handle = handle
        self._reading = reading
        self._wish = wish
        self._known = known
        self._fed = 0
        self._line = 1
        self._at = 0
        self._lost = False

    def items(self) -> Iterator[tuple[Item, str]]:
        """The items of the file, with the `id` of those that are wanted for theirs.

        Raises:
            RequestInvalidError: if it is not well-formed XML, or brings a DTD.
        """
        head = self._handle.read(_CHUNK)
        opened = self._open(head)
        if self._reading.depth == ROOT and _is_plain(head) and not self._reading.passing:
            yield from self._body(head, opened)
            return
        yield from self._show(head[opened:])
        while chunk := self._handle.read(_CHUNK):
            yield from self._show(chunk)
        self._reading.feed(b"", last=True)

    def _show(self, chunk: bytes) -> Iterator[tuple[Item, str]]:
        self._feed(chunk)
        ready = self._reading.ready
        while ready:
            yield ready.popleft()

    def _feed(self, chunk: bytes) -> None:
        self._reading.feed(chunk)
        self._fed += len(chunk)

    def _open(self, head: bytes) -> int:
        """Feeds the start of a file up to its root, tag by tag; returns how much that was."""
        at = 0
        while self._reading.depth < ROOT and (upto := head.find(b">", at)) >= 0:
            self._feed(head[at : upto + 1])
            at = upto + 1
        return at

    def _shapes(self, opening: bytes) -> Shapes:
        # Of the root all that matters is which prefixes it declares.
        declared = b"".join(sorted(_DECLARED.findall(opening)))
        if declared not in self._known:
            self._known[declared] = Shapes(b"<root" + declared + b">")
        return self._known[declared]

    def _body(self, head: bytes, opened: int) -> Iterator[tuple[Item, str]]:
        shapes = self._shapes(head[self._reading.opened_at : opened])
        prolog = head[:opened].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._line += prolog.count(b"\n")
        decoder = io.IncrementalNewlineDecoder(
            codecs.getincrementaldecoder("utf-8")(), translate=True
        )
        chunk, text = head[opened:], ""
        while True:
            text = text[self._at :] + self._decoded(decoder, chunk)
            self._at = 0
            yield from self._elements(text, shapes)
            if self._lost or len(text) - self._at > _LONGEST_HELD or not chunk:
                self._lost = True
                yield from self._show(text[self._at :].encode())
                self._at = len(text)
            if not chunk:
                break
            chunk = self._handle.read(_CHUNK)
        self._reading.feed(b"", last=True)

    def _decoded(self, decoder: io.IncrementalNewlineDecoder, chunk: bytes) -> str:
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as broken:
            lines = chunk.count(b"\n", 0, broken.start)
            raise self._reading.malformed(self._line + lines) from None
        if "\ufffe" in text or "\uffff" in text:
            self._lost = True  # XML knows no such characters; expat says where they are
        return text

    def _elements(self, text: str, shapes: Shapes) -> Iterator[tuple[Item, str]]:
        """Reads the elements that a text has whole."""
        while not self._lost:
            if (shape := shapes.find(text, self._at)) is not None:
                begun, read = self._at, shape.is_read(self._wish)
                if read:
                    yield from self._alike(text, shape)
                elif read is not None and (found := shape.pass_over(text, begun)):
                    shape.skip(text, begun, found.end(), self._reading)
                    self._pass_by(text, found.end())
                if self._at > begun:
                    continue
            end = self._end_of_next(text, self._at)
            if end < 0:
                return
            yield from self._one(text[self._at : end], shapes)
            self._at = end

    def _alike(self, text: str, shape: Shape) -> Iterator[tuple[Item, str]]:
        """Takes elements of one shape, as long as they follow each other."""
        match, take, item = shape.match, shape.take, shape.item
        reading, references, told = self._reading, self._wish.references, (shape.item, "")
        while (found := match(text, self._at)) and take(found, reading, references):
            item.line = self._line + text.count("\n", self._at, text.index("<", self._at))
            self._pass_by(text, found.end())
            yield told

    def _pass_by(self, text: str, end: int) -> None:
        """Goes on to a place without showing expat what lies between."""
        lines = text.count("\n", self._at, end)
        self._line += lines
        self._reading.passed_by += lines
        self._at = end

    def _end_of_next(self, text: str, at: int) -> int:
        """Where the next element or comment may end; -1 if that is not known yet."""
        if found := _EMPTY.match(text, at) or _COMMENT.match(text, at):
            return found.end()
        if begun := START.match(text, at):
            end = re.compile(rf"</{re.escape(begun[1])}\s*>").search(text, begun.end())
            return end.end() if end else -1
        # Something else stands here, or only a part of it does.
        self._lost = len(text) - at > _LONGEST_TOKEN
        return -1

    def _one(self, part: str, shapes: Shapes) -> Iterator[tuple[Item, str]]:
        """Has expat read a part, and all the rest if that did not end where it seemed to."""
        ends_at = self._fed + len(part[: part.rindex("<")].encode())
        yield from self._show(part.encode())
        self._line += part.count("\n")
        begun = START.match(part)
        if begun is None:
            self._lost = self._reading.depth != ROOT
        elif self._reading.depth != ROOT or self._reading.closed_at not in {ends_at, self._fed}:
            self._lost = True
        else:
            shapes.learn(begun[1], part.strip())


def _is_plain(head: bytes) -> bool:
    """Whether a file is in UTF-8, as far as its start tells."""
    said = _ENCODING.match(head)
    return (
        (said is None or said[1].lower() == b"utf-8")
        and b"\x00" not in head
        and not head.startswith((b"\xff\xfe", b"\xfe\xff"))
    )
