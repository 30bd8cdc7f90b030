"""Reads the project's Markdown pages: headings, links, tables, and what they cite."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.tree import PROJECT, parsed

_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_CITED_TEST = re.compile(r"tests/[\w/]+\.py::\w+(?:::\w+)?")
_CITED_PATH = re.compile(
    r"`((?:homeroom|services|policy|deploy|docs|tests|tools|protos|benchmarks)/"
    r"(?:[\w./-]*(?:\.\w+|/))?)`"
)


def text_of(page: Path) -> str:
    """A page without its blocks of code."""
    return _FENCE.sub("", page.read_text("utf-8"))


def headings(page: Path, level: int) -> list[str]:
    """The headings of one level."""
    return re.findall(rf"^{'#' * level} (.+)$", text_of(page), re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """What links can point at inside a page, as GitHub names its headings."""
    found = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in found)
    return {heading.strip().replace(" ", "-") for heading in plain}


def sections(page: Path) -> dict[str, str]:
    """The text under each heading of the second level."""
    parts = re.split(r"^## (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def relative_links(page: Path) -> Iterator[str]:
    """The links of a page that stay in the repository."""
    for link in _LINK.findall(text_of(page)):
        if not re.match(r"[a-z]+:", link):
            yield link


def leads_somewhere(page: Path, link: str) -> bool:
    """Whether a relative link points at a file, and at a heading where it names one."""
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(PROJECT):
        return False
    return not anchor or anchor in anchors(target)


def rows(page: Path) -> Iterator[list[str]]:
    """The cells of each row of each table, without heads."""
    in_body = False
    for line in text_of(page).splitlines():
        if not line.startswith("|"):
            in_body = False
        elif re.fullmatch(r"[|\-: ]+", line):
            in_body = True
        elif in_body:
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def cited_paths(page: Path) -> list[str]:
    """The files and folders of the repository that a page names in code type."""
    return _CITED_PATH.findall(text_of(page))


def cited_tests(text: str) -> list[str]:
    """The tests that a text names, each as pytest does."""
    return _CITED_TEST.findall(text)


def is_a_test(cited: str) -> bool:
    """Whether a cited test is one that pytest would find."""
    name, *path = cited.split("::")
    file = PROJECT / name
    if not file.is_file() or not file.name.startswith("test_"):
        return False
    bodies: list[ast.stmt] = parsed(file).body
    for part in path:
        found = [
            node
            for node in bodies
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and node.name == part
        ]
        if not found:
            return False
        bodies = found[0].body
    return path[-1].startswith("test_")
