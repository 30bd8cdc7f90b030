"""Examines the key files of a node: whether each holds what it must, for this account alone."""

import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from homeroom.errors import EvidenceInvalidError
from homeroom.sealing import SealingKey
from homeroom.signing import SigningKey
from services.node.commands.doctor.finding import Finding, fine, look, wrong
from services.node.settings import NodeSettings

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_GROUP_MAY_READ = stat.S_IRGRP


def examine_keys(settings: NodeSettings) -> list[Finding]:
    """What is wrong with the files of the organization's keys."""
    files = {
        "signing key": (settings.signing_key, SigningKey.load),
        "sealing key": (settings.sealing_key, SealingKey.load),
        "checkpoint key": (settings.checkpoint_key, SigningKey.load),
    }
    found = [_holds(what, path, load) for what, (path, load) in files.items()]
    paths = [*(path for path, _ in files.values()), settings.private_key]
    return [*found, *_apart(settings), _alone(paths)]


def _holds(what: str, path: Path, load: Callable[[Path], object]) -> Finding:
    try:
        load(path)
    except OSError as unread:
        remedy = "set it to the file, which this account must be able to read"
        return wrong(what, f"{path}: {unread.strerror}", remedy)
    except EvidenceInvalidError as other:
        return wrong(
            what, f"{path}: {other.message}", "take the key from your backup (docs/keys.md)"
        )
    return fine(what, str(path))


def _apart(settings: NodeSettings) -> list[Finding]:
    try:
        same = settings.signing_key.read_bytes() == settings.checkpoint_key.read_bytes()
    except OSError:
        return []  # said already
    if not same:
        return []
    remedy = "make one of its own: who has it can sign what the log is, and nothing else"
    return [wrong("checkpoint key", "it is the signing key", remedy)]


def _alone(paths: Iterable[Path]) -> Finding:
    """Whether only this account, and a group that it is given by, can read them."""
    what = "who may read the keys"
    open_to = [path for path in paths if path.exists() and path.stat().st_mode & _OTHERS]
    beyond = [path for path in open_to if path.stat().st_mode & (_OTHERS & ~_GROUP_MAY_READ)]
    if beyond:
        named = ", ".join(str(path) for path in beyond)
        return wrong(what, f"others than this account: {named}", "chmod 600")
    if open_to:
        named = ", ".join(str(path) for path in open_to)
        return look(what, f"a group: {named}", "chmod 600, unless your platform gives them so")
    return fine(what, "this account alone")
