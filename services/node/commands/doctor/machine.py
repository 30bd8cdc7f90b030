"""Examines the machine: whether the databases can be written, and the ports are free or ours."""

import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from homeroom.errors import ServiceUnreachableError
from services.node.commands.doctor.finding import Finding, fine, look, wrong
from services.node.migrations import (
    RECORDS,
    RECORDS_VERSION_TABLE,
    STATE,
    STATE_VERSION_TABLE,
)
from services.node.settings import NodeSettings
from services.node.store.database import sqlite_file
from services.runtime.database import TablesAge, tables_age, takes_writes

_LEAST_BYTES, _FEW_BYTES = 200 * 1024**2, 2 * 1024**3
_BRING = (
    "the node brings it up to date when it starts; where its account may change no table, "
    "`python -m services.node migrate` does, with one that may"
)

_UNFIT = {
    TablesAge.NEWER: (
        "it is of a newer version than this program",
        "start the program that it was used with, or restore what was before it",
    ),
    TablesAge.UNKNOWN: (
        "it does not say of which version it is",
        "restore it: what notes how far its tables are is empty",
    ),
}

Free: TypeAlias = Callable[[Path], int]


@dataclass(frozen=True, slots=True)
class _Kept:
    """One database, and the migrations that this program knows for it."""

    what: str
    url: str
    migrations: Path
    version_table: str


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def examine_databases(settings: NodeSettings, free: Free = _free) -> list[Finding]:
    """Whether each database is there, of this program's version, and commits what is written.

    Args:
        settings: which databases.
        free: how many bytes are left where a folder is.
    """
    given = (
        _Kept("records", settings.records_url, RECORDS, RECORDS_VERSION_TABLE),
        _Kept("state", settings.state_url, STATE, STATE_VERSION_TABLE),
    )
    return [one for kept in given for one in _database(kept, free)]


def _database(kept: _Kept, free: Free) -> list[Finding]:
    file = sqlite_file(kept.url)
    if file is None:
        return [_answers(kept)]
    folder = file.parent
    if not folder.is_dir():
        remedy = "make the folder, for this account, on a disk that survives a loss of power"
        return [wrong(kept.what, f"there is no folder {folder}", remedy)]
    room = _room(kept.what, folder, free(folder))
    if not file.exists():
        said = f"{file} is not there yet"
        return [look(kept.what, said, "the node makes it when it starts"), room]
    return [_answers(kept), room]


def _answers(kept: _Kept) -> Finding:
    """How far it is, and where that is right, whether it commits."""
    try:
        age = tables_age(kept.url, kept.migrations, version_table=kept.version_table)
    except ServiceUnreachableError as away:
        remedy = "see whether it runs, is a database, and knows this account and its password"
        return wrong(kept.what, away.message, remedy)
    if age in _UNFIT:
        return wrong(kept.what, *_UNFIT[age])
    if age is TablesAge.NONE:
        return look(kept.what, "it has no tables yet", _BRING)
    if not takes_writes(kept.url, version_table=kept.version_table):
        remedy = "see whether its disk has room, and whether it is a copy that is only read"
        return wrong(kept.what, "the database takes no writes", remedy)
    if age is TablesAge.OLDER:
        return look(kept.what, "it is of an older version than this program", _BRING)
    return fine(kept.what, "the database commits what is written, and is of this version")


def _room(what: str, folder: Path, left: int) -> Finding:
    about = f"room for {what}"
    said = f"{left / 1024**3:.1f} GB are left in {folder}"
    if left < _LEAST_BYTES:
        return wrong(about, said, "make room: on a full disk nothing is answered")
    if left < _FEW_BYTES:
        return look(about, said, "make room soon: on a full disk nothing is answered")
    return fine(about, said)


def examine_ports(settings: NodeSettings, *, runs: bool) -> list[Finding]:
    """Whether the node can listen where it is to; `runs` says that it does so now."""
    wanted = {
        "port of the node": settings.address,
        "port for probes": settings.health_address,
        "port for metrics": settings.metrics_address,
    }
    return [_port(what, address, runs=runs) for what, address in wanted.items() if address]


def _port(what: str, address: str, *, runs: bool) -> Finding:
    host, _, number = address.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(number), type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return wrong(what, f"{address} is no address of this machine", "set it to host:port")
    family, kind, protocol, _, place = found[0]
    with socket.socket(family, kind, protocol) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(place)
        except OSError as taken:
            if runs:
                return fine(what, f"the node listens at {address}")
            remedy = "see which program listens there (ss -ltnp), or set another"
            return wrong(what, f"{address}: {taken.strerror}", remedy)
    return fine(what, f"{address} is free")
