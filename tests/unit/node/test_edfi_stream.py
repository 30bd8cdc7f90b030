"""What reading elements by their shape promises: the same as expat, whatever stands in a file."""

import io
from collections import Counter
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from homeroom.errors import RequestInvalidError
from services.node.intake.edfi.items import Item
from services.node.intake.edfi_xml import shapes, stream
from services.node.intake.edfi_xml.reading import Counts, Reading, Wish
from services.node.intake.edfi_xml.stream import Stream

OPENING = '<InterchangeX xmlns="http://ed-fi.org/5.2.0" xmlns:xsi="urn:x" xmlns:e="urn:e">'
EVENT = (
    "\n <Event><Day>{day}</Day><StudentReference><StudentIdentity><StudentUniqueId>{who}"
    "</StudentUniqueId></StudentIdentity></StudentReference></Event>"
)
ODD = (
    *("<Event/>", "<Event></Event >", "<Event a='1>2'/>", '<Event id="e"><Day>1</Day></Event>'),
    *("<!-- <Event> -->", "<!-- </Event> --><Event/>", "<?say </Event>?>", "text", "\r\n", "\r"),
    *("<Event><!-- </Event> --></Event>", "<Event><![CDATA[</Event>]]></Event>", "<Other/>"),
    *("<Event><Event>x</Event></Event>", "<Event><Day>&amp;</Day></Event>"),
    *("<Event></Event ><!-- </Event> -->", "<e:Event><e:Day>2</e:Day></e:Event>"),
    *('<Event xsi:nil="true"/>', '<Event><Day ref="R"/></Event>', '<Event ref="R" xmlns="u"/>'),
    '<Event><Code System="SSN"><Text>078</Text></Code><Password>x</Password></Event>',
    "<Event><Code><IdentificationSystem>SSN</IdentificationSystem><No>7</No></Code></Event>",
    "<Event><Code><IdentificationSystem>State</IdentificationSystem><No>7</No></Code></Event>",
    "<Event><Address><City>x</City></Address><Day> 3 </Day></Event>",
    "<Event>some <Day>4</Day> mixed</Event>",
)
BROKEN = (
    *("<Event>&no;</Event>", "<no:Event/>", "<Event>]]></Event>", "</Event>", "<", "\x00"),
    *("<Event><Day>\x01</Day></Event>", "<Event>\ufffe</Event>", "<Event></Event ><!-- </Event>"),
    *("<Event><Day></Event>", '<Event a="1" a="2"/>', "<!DOCTYPE x>"),
)
TEXTS = st.sampled_from(["2025-09-01", "", " x ", "Zoë\n", '"', "'", ">", "é" * 9])


@st.composite
def files(draw: st.DrawFn) -> bytes:
    parts = draw(st.lists(st.one_of(st.none(), st.sampled_from(ODD)), min_size=1, max_size=12))
    body = ""
    for part in parts:
        if part is None:
            alike = {"day": draw(TEXTS), "who": draw(TEXTS)}
            body += EVENT.format(**alike) * draw(st.integers(1, 6))
        else:
            body += part * draw(st.sampled_from([1, 1, 7]))
    body += draw(st.sampled_from(["", "", *BROKEN]))
    return f"<?xml version='1.0'?>\n{OPENING}{body}\n</InterchangeX>".encode()


def plain(item: Item) -> Any:
    children = {n: [plain(child) for child in of] for n, of in item.children.items()}
    return (item.name, item.text, item.ref, children)


def read(content: bytes, most_shapes: int, chunk: int) -> Any:
    counts, found, known = Counts(), [], Item("R", 1)
    known.add(Item("SchoolId", 1, "77"))
    wish = Wish({"Event"}, {"R": known})
    with (
        mock.patch.object(shapes, "_MOST_SHAPES", most_shapes),
        mock.patch.object(shapes, "_BEFORE_SHAPES", 1),
        mock.patch.object(shapes, "_BEFORE_ONE", 1),
        mock.patch.object(stream, "_CHUNK", chunk),
    ):
        try:
            reading = Reading("f", wish, counts)
            for item, identifier in Stream(io.BytesIO(content), reading, wish, {}).items():
                found.append((plain(item), item.line, identifier if identifier != "e" else ""))
        except RequestInvalidError as refused:
            return str(refused), dict(refused.metadata)
    return found, +counts.dropped, +Counter(counts.skipped)


@settings(max_examples=120, deadline=None)
@given(content=files(), chunk=st.sampled_from([1 << 18, 300, 1_000]))
def test_shapes_change_nothing_but_the_time(content: bytes, chunk: int) -> None:
    assert read(content, 24, chunk) == read(content, 0, 1 << 18)


def test_elements_made_alike_are_not_shown_to_the_parser() -> None:
    """Else this would pass without any shape at all."""
    content = f"{OPENING}{EVENT.format(day='2025-09-01', who='7') * 500}</InterchangeX>".encode()
    wish = Wish({"Event"}, {})
    reading = Reading("f", wish, Counts())
    found = [item.line for item, _ in Stream(io.BytesIO(content), reading, wish, {}).items()]

    assert found == list(range(2, 502))
    assert reading.passed_by > 480
