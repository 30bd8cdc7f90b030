"""Runs an earlier commit's nodes with this tree's hub, and the other way round; 1 if that misleads.

Each time an app of this tree asks what is permitted and what is not, a family takes its consent
back, and the logs are held to the receipts. What a rolling upgrade needs is that neither version
misunderstands the other.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.local.layout import PROJECT
from tools.found import Found
from tools.mixed.course import course

_BEFORE = 40


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs both courses, and says what came of them."""
    parser = argparse.ArgumentParser(prog="mixed", description=__doc__)
    parser.add_argument("previous", nargs="?", default="", help="a commit or a tag")
    previous = parser.parse_args(arguments).previous or _previous()
    found = Found({"previous": _git("rev-parse", "--short", previous)})
    with (
        tempfile.TemporaryDirectory(prefix="homeroom-mixed-") as folder,
        _tree(previous, Path(folder) / "tree") as tree,
    ):
        for hub, nodes in ((PROJECT, tree), (tree, PROJECT)):
            name = "older_nodes" if nodes is tree else "older_hub"
            found.add(name, course(Path(folder) / name, hub, nodes))
    return found.say()


def _previous() -> str:
    """The newest tag; where there is none, a commit of some days ago."""
    tag = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0"],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
    )
    return tag.stdout.strip() or f"HEAD~{_BEFORE}"


@contextmanager
def _tree(commit: str, folder: Path) -> Iterator[Path]:
    """A worktree of a commit, set up by its own lock."""
    _git("worktree", "add", "--quiet", "--detach", str(folder), commit)
    try:
        subprocess.run(["make", "setup"], check=True, cwd=folder, stdout=subprocess.DEVNULL)
        yield folder
    finally:
        _git("worktree", "remove", "--force", str(folder))


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=True, cwd=PROJECT)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
