"""Ways in which a file goes wrong: bytes, lines, cells, tags, encodings and whole files."""

import random
import re
from collections.abc import Callable

_SPICE = (
    *(
        b'"',
        b"\x00",
        b"\xff",
        b"<",
        b"]]>",
        b"&a;",
        b"\r",
        b",,",
        b"\\",
        b"{",
        b"\xed\xa0\x80",
        b"\n",
    ),
    *(b"<!--", b"<![CDATA[", b"</Student>", b"<?x", b"[" * 3_000, b'{"a":' * 1_500, b"'", b"\xc3"),
    *(
        b"\xef\xbb\xbf",
        b"\xe2\x80\xa8",
        b"\x1a",
        b"&#0;",
        b"\xef\xbf\xbe",
        b"\x85",
        b"}",
        b"]",
        b"//",
    ),
)
_CELLS = (
    *(b"NaN", b"1e999", b"-1", b"9" * 400, b"0000-00-00", b"2025-02-30", b"9999-12-31", b"45123"),
    *(b"TRUE", b"1,000", b"0,5", b"x" * 3_000, b"=1+1", b"\xc2\xa0", b"2025-09-01T00:00:00Z", b""),
    *(b"tobedeleted", b"1/2/3", b"\xe0\xa4\x85", b"\xf0\x9f\x98\x80", b"uri://x#", b"#", b"null"),
)
_CELL = re.compile(rb"(?<=[,>:\"])[^,<>\"\r\n]+(?=[,<\"\r\n])")
_TAG = re.compile(rb"</?([A-Za-z]+)[^<>]*>")
_MOST = 6


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The content with something wrong in it, or several things."""
    for _ in range(chance.choice((1, 1, 1, 2, 3, _MOST))):
        content = chance.choice(_WAYS)(content, chance)
    return content


def _place(content: bytes, chance: random.Random) -> tuple[int, int]:
    at = chance.randrange(len(content) + 1)
    return at, min(len(content), at + chance.randint(0, 30))


def _cut(content: bytes, chance: random.Random) -> bytes:
    at, upto = _place(content, chance)
    return content[:at] + content[upto:]


def _spiced(content: bytes, chance: random.Random) -> bytes:
    at, _ = _place(content, chance)
    return content[:at] + chance.choice(_SPICE) + content[at:]


def _stuttering(content: bytes, chance: random.Random) -> bytes:
    at, upto = _place(content, chance)
    return content[:upto] + content[at:upto] + content[upto:]


def _scrambled(content: bytes, chance: random.Random) -> bytes:
    at, upto = _place(content, chance)
    return content[:at] + chance.randbytes(upto - at) + content[upto:]


def _one_bit(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    if changed:
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _torn(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _other_lines(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    if not lines:
        return content
    at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    match chance.randrange(3):
        case 0:
            lines[at], lines[other] = lines[other], lines[at]
        case 1:
            lines.insert(other, lines[at])
        case _:
            del lines[at]
    return b"".join(lines)


def _other_cell(content: bytes, chance: random.Random) -> bytes:
    cells = [*_CELL.finditer(content)]
    if not cells:
        return content
    cell = chance.choice(cells)
    new = chance.choice((*_CELLS, chance.choice(cells)[0]))
    return content[: cell.start()] + new + content[cell.end() :]


def _other_tag(content: bytes, chance: random.Random) -> bytes:
    tags = [*_TAG.finditer(content)]
    if not tags:
        return content
    tag, name = chance.choice(tags), chance.choice(tags)[1]
    match chance.randrange(3):
        case 0:
            return content.replace(tag[1], name)
        case 1:
            return content[: tag.start()] + content[tag.end() :]
        case _:
            return content[: tag.start(1)] + name + content[tag.end(1) :]


def _other_encoding(content: bytes, chance: random.Random) -> bytes:
    text = content.decode("utf-8", errors="replace")
    encoding = chance.choice(("utf-16", "utf-16-le", "utf-8-sig", "cp1252", "utf-32", "utf-7"))
    return text.encode(encoding, errors="replace")


def _other_line_ends(content: bytes, chance: random.Random) -> bytes:
    return content.replace(b"\r\n", b"\n").replace(b"\n", chance.choice((b"\r", b"\r\n", b"\n\n")))


_WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_cut, _spiced, _stuttering, _scrambled, _one_bit, _torn, _other_lines, _other_cell),
    *(_other_cell, _other_cell, _other_tag, _other_encoding, _other_line_ends, _spiced),
)
