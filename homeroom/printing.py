"""Prints parts of text and tables as a PDF.

The font has Latin, Greek and Cyrillic letters; a character of another script is printed as its
number, such as [U+4E2D], and never left out.
"""

import io
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from xml.sax.saxutils import escape

from reportlab.lib.pagesizes import LETTER
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from homeroom.agreement.outline import Part
from homeroom.errors import InternalError

_REGULAR, _BOLD = "SourceSansPro-Regular", "SourceSansPro-Bold"
_FONTS = "font_source_sans_pro"
_MARGIN = 20 * mm


def print_parts(title: str, parts: Sequence[Part], foot: Sequence[str] = ()) -> bytes:
    """A title and its parts as a PDF, with some lines below each page; the same, the same bytes."""
    _fonts()

    def footed(canvas: Canvas, template: object) -> None:
        canvas.setFont(_REGULAR, 7)
        lines = (*foot, f"Page {canvas.getPageNumber()}")
        for number, line in enumerate(lines):
            canvas.drawString(_MARGIN, 16 * mm - number * 3 * mm, line)

    written = io.BytesIO()
    template = SimpleDocTemplate(
        written,
        pagesize=LETTER,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=24 * mm,
        title=title,
        lang="en",
        # Without it the time of printing is in the file, and no two prints are the same.
        invariant=1,
    )
    template.build(_story(title, parts), onFirstPage=footed, onLaterPages=footed)
    return written.getvalue()


def _story(title: str, parts: Sequence[Part]) -> list[Flowable]:
    story: list[Flowable] = [
        _paragraph(title, _style(16, heading=True)),
        Spacer(0, 4 * mm),
    ]
    for number, part in enumerate(parts, 1):
        story += [_paragraph(f"{number}. {part.heading}", _style(13, heading=True))]
        story += _particulars(part)
        for place, inner in enumerate(part.parts, 1):
            heading = f"{number}.{place} {inner.heading}"
            story += [_paragraph(heading, _style(11, heading=True)), *_particulars(inner)]
    return story


def _particulars(part: Part) -> list[Flowable]:
    shown: list[Flowable] = [_paragraph(text, _style(10)) for text in part.paragraphs]
    if part.rows:
        cells = [
            [_paragraph(head, _style(9, bold=True)), _paragraph(text, _style(9))]
            for head, text in part.rows
        ]
        shown += [Table(cells, colWidths=[55 * mm, 120 * mm], style=_GRID, splitInRow=1)]
    shown += [_paragraph(line, _style(7)) for line in part.exact.splitlines()]
    return shown


_GRID = TableStyle(
    [("GRID", (0, 0), (-1, -1), 0.4, "#767676"), ("VALIGN", (0, 0), (-1, -1), "TOP")]
)


@cache
def _style(size: int, *, bold: bool = False, heading: bool = False) -> ParagraphStyle:
    return ParagraphStyle(
        name=f"{size}-{bold}-{heading}",
        fontName=_BOLD if bold or heading else _REGULAR,
        fontSize=size,
        leading=size * 1.3,
        spaceBefore=size * 0.7 if heading else 2,
        spaceAfter=2,
        keepWithNext=heading,
        splitLongWords=1,
    )


def _paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(escape(_printable(text)).replace("\n", "<br/>"), style)


def _printable(text: str) -> str:
    glyphs = _fonts()
    return "".join(c if c == "\n" or ord(c) in glyphs else f"[U+{ord(c):04X}]" for c in text)


@cache
def _fonts() -> frozenset[int]:
    """Registers the font once; returns the characters that it has."""
    found = find_spec(_FONTS)
    if found is None or found.origin is None:
        raise InternalError("the font to print with is not installed: homeroom[print]")
    folder = Path(found.origin).parent / "files"
    fonts = [TTFont(name, str(folder / f"{name}.ttf")) for name in (_REGULAR, _BOLD)]
    for font in fonts:
        pdfmetrics.registerFont(font)
    return frozenset.intersection(*(frozenset(font.face.charToGlyph) for font in fonts))
