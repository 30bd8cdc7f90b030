"""What Homeroom costs beside sending the same rows bare, where the rows are in PostgreSQL.

Bare nodes read by the same join through ADBC from the same server; it counts on both sides.
"""

import asyncio
from typing import Any

from benchmarks.datapath import Case, both, ratio, refs_of
from benchmarks.ground import Sites, ground
from services.node.opening import bring_tables_up_to_date
from tools.postgres import Cluster

_NODES = 3
_DAYS = 180


def run(students: int = 1852, runs: int = 5) -> dict[str, Any]:
    """The ratios of CPU, summed over all processes; medians of interleaved runs.

    Args:
        students: of each of three holders; 1,852 are a million rows.
        runs: how often each case is measured.
    """
    cluster = Cluster({})
    try:
        cluster.start()
        databases = {name: _made(cluster, name) for name in map("holder_{}".format, range(_NODES))}
        return _measured(cluster, Sites(databases=databases), students, runs)
    finally:
        cluster.remove()


def _made(cluster: Cluster, name: str) -> str:
    cluster.run(f"CREATE DATABASE {name}")
    url = cluster.url(name)
    bring_tables_up_to_date(url, url)
    return url


def _measured(cluster: Cluster, sites: Sites, students: int, runs: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with (
        ground(_NODES, students, _DAYS, sites=sites) as at,
        both(at, _NODES, [cluster.process_id]) as sides,
    ):
        refs = refs_of(at, _NODES)
        # As autovacuum would have done by the time that anybody asks.
        for name in sites.databases:
            cluster.run("ANALYZE", name)
        for name, some in (("_2k", 11), ("_20k", 111), ("", None)):
            asked = None if some is None else [ref for of in refs for ref in of[:some]]
            rows = _NODES * _DAYS * (some or students)
            case = Case(f"postgres{name}", _NODES, asked, rows, 1 if some is None else 200 // some)
            bare, full = asyncio.run(sides.measure(case, runs))
            found[f"bulk_postgres{name}_ratio"] = ratio(full.cpu, bare.cpu)
    return found
