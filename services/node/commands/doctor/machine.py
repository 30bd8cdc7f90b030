"""Examines the machine: whether the databases can be written, and the ports are free or ours."""

import shutil
import socket
from pathlib import Path

from services.node.commands.doctor.finding import Finding, fine, look, wrong
from services.node.migrations import RECORDS_VERSION_TABLE, STATE_VERSION_TABLE
from services.node.settings import NodeSettings
from services.node.store.database import sqlite_file
from services.runtime.database import takes_writes

_LEAST_BYTES, _FEW_BYTES = 200 * 1024**2, 2 * 1024**3


def examine_databases(settings: NodeSettings) -> list[Finding]:
    """Whether each database is there and commits what is written."""
    given = (
        ("records", settings.records_url, RECORDS_VERSION_TABLE),
        ("state", settings.state_url, STATE_VERSION_TABLE),
    )
    return [one for what, url, versions in given for one in _database(what, url, versions)]


def _database(what: str, url: str, version_table: str) -> list[Finding]:
    file = sqlite_file(url)
    if file is None:
        return [_writes(what, url, version_table)]
    folder = file.parent
    if not folder.is_dir():
        remedy = "make the folder, for this account, on a disk that survives a loss of power"
        return [wrong(what, f"there is no folder {folder}", remedy)]
    room = _room(what, folder)
    if not file.exists():
        return [look(what, f"{file} is not there yet", "the node makes it when it starts"), room]
    return [_writes(what, url, version_table), room]


def _writes(what: str, url: str, version_table: str) -> Finding:
    if takes_writes(url, version_table=version_table):
        return fine(what, "the database commits what is written")
    remedy = "see whether it runs, has room, and knows this account; an empty one is brought up to "
    remedy += "date by `python -m services.node migrate`"
    return wrong(what, "the database takes no writes", remedy)


def _room(what: str, folder: Path) -> Finding:
    what, left = f"room for {what}", shutil.disk_usage(folder).free
    said = f"{left / 1024**3:.1f} GB are left in {folder}"
    if left < _LEAST_BYTES:
        return wrong(what, said, "make room: on a full disk nothing is answered")
    if left < _FEW_BYTES:
        return look(what, said, "make room soon: on a full disk nothing is answered")
    return fine(what, said)


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
