"""A district whose node is three processes over one PostgreSQL, behind a real gateway."""

import dataclasses
import re
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local.addresses import free_addresses
from deploy.local.layout import Layout, Member, make_layout
from deploy.local.processes import Processes
from homeroom import Answer
from homeroom.errors import HomeroomError
from tests.federation.records import HARBOR
from tests.federation.running import ASKER, STRANGER, Federation, begin_federation

REPLICAS = (HARBOR, f"{HARBOR}-2", f"{HARBOR}-3")
TAKEOVER_SECONDS = 3
_PREFIX = "HOMEROOM_NODE_"
_PATIENCE_SECONDS = 40.0


@dataclass(frozen=True)
class ReplicatedLayout(Layout):
    """A layout whose district keeps everything in one PostgreSQL.

    Attributes:
        database: its URL.
    """

    database: str = ""

    def records_url(self, organization_id: str) -> str:
        return self.database

    def state_url(self, organization_id: str) -> str:
        return self.database


@dataclass
class Replicated:
    """The federation, and the district's replicas by name."""

    federation: Federation
    addresses: Mapping[str, str]

    @property
    def processes(self) -> Processes:
        return self.federation.processes

    def elected(self) -> str:
        """The replica that serves now; waits for it."""
        patience = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < patience:
            serving = [name for name in REPLICAS if self.says(name)]
            if len(serving) == 1:
                return serving[0]
            time.sleep(0.05)
        raise AssertionError("no replica, or several, serve")

    def says(self, name: str, service: str = "") -> bool:
        """Whether a replica says of itself that it serves, under a name of health."""
        address = self.processes.layout.processes[name].health_address
        with grpc.insecure_channel(address) as channel, suppress(grpc.RpcError):
            asked = health_pb2.HealthCheckRequest(service=service)
            reply = health_pb2_grpc.HealthStub(channel).Check(asked, timeout=1)
            return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)
        return False

    def number(self, name: str, metric: str) -> float:
        """A number of a replica's page."""
        plan = self.processes.layout.processes[name].environment
        with urllib.request.urlopen(f"http://{plan[_PREFIX + 'METRICS_ADDRESS']}/metrics") as page:
            found = re.search(rf"^{metric} (\S+)$", page.read().decode(), re.MULTILINE)
        assert found is not None
        return float(found[1])

    def log_of(self, name: str) -> str:
        """What a replica said."""
        return (self.processes.layout.folder / "logs" / f"{name}.log").read_text("utf-8")

    def revive(self, name: str) -> None:
        """What Kubernetes does with a process that ended: starts it again."""
        if self.processes.is_running(name):
            self.processes.stop(name)
        self.processes.launch(name)
        self.until_fit(name)

    def until_fit(self, name: str) -> None:
        patience = time.monotonic() + _PATIENCE_SECONDS
        while not self.says(name, "fit"):
            assert time.monotonic() < patience, self.log_of(name)
            time.sleep(0.05)


@dataclass
class Asking:
    """Asks one question after the other from a few threads, until told to stop.

    Attributes:
        answers: with when each was asked and when it was there.
    """

    at: Replicated
    timeout: float = 10.0
    answers: list[tuple[float, float, Answer]] = field(default_factory=list)
    errors: list[HomeroomError] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Asks."""
        while not self._over.is_set():
            began = time.monotonic()
            try:
                answer = self.at.federation.attendance(timeout=self.timeout)
            except HomeroomError as failed:
                self.errors.append(failed)
            else:
                self.answers.append((began, time.monotonic(), answer))

    def whole_since(self, moment: float) -> list[float]:
        """When the whole answers were there that came after a moment."""
        return [there for _, there, answer in self.answers if there > moment and answer.complete]

    def until_whole(self, moment: float, seconds: float = 30) -> float:
        """How long after a moment the first whole answer to a question asked after it was there."""
        patience = time.monotonic() + seconds
        while time.monotonic() < patience:
            found = [e for b, e, a in self.answers if b >= moment and a.complete]
            if found:
                return min(found) - moment
            time.sleep(0.02)
        raise AssertionError(f"nobody answers: {[a.sources for *_, a in self.answers[-3:]]}")

    def stop(self) -> None:
        self._over.set()


@contextmanager
def asking(at: Replicated, askers: int = 2) -> Iterator[Asking]:
    """Asks while the block runs."""
    work = Asking(at)
    threads = [threading.Thread(target=work.run) for _ in range(askers)]
    for thread in threads:
        thread.start()
    try:
        yield work
    finally:
        work.stop()
        for thread in threads:
            thread.join()


@contextmanager
def replicated(folder: Path, database: str) -> Iterator[Replicated]:
    """Founds the federation and starts it, with all replicas."""
    members = [
        Member(HARBOR, "Harbor Public Schools", "district", ("students", "attendance")),
        Member(ASKER, "Neighborhood Initiative", "community_org", ()),
        Member(STRANGER, "Second Street Club", "community_org", ()),
    ]
    told = {
        "records_url": database,
        "state_url": database,
        "takeover_seconds": str(TAKEOVER_SECONDS),
        "drain_seconds": "10",
    }
    made = make_layout(folder, members, "embedded", node_settings=told)
    layout, addresses = _with_replicas(made, database)
    processes = Processes(layout)
    try:
        federation = begin_federation(layout, processes, [HARBOR])
        for name in REPLICAS[1:]:
            processes.launch(name)
        at = Replicated(federation, addresses)
        for name in REPLICAS:
            at.until_fit(name)
        yield at
    finally:
        processes.stop_all()


def _with_replicas(made: Layout, database: str) -> tuple[ReplicatedLayout, Mapping[str, str]]:
    """The same layout, with more processes like the district's own, and all their addresses."""
    first = made.processes[HARBOR]
    addresses = {HARBOR: made.node_addresses[HARBOR]}
    processes = dict(made.processes)
    for name in REPLICAS[1:]:
        own: Sequence[str] = free_addresses(3)
        changed = zip(("ADDRESS", "HEALTH_ADDRESS", "METRICS_ADDRESS"), own, strict=True)
        environment = {**first.environment, **{_PREFIX + k: v for k, v in changed}}
        processes[name] = replace(first, environment=environment, health_address=own[1])
        addresses[name] = own[0]
    given = {one.name: getattr(made, one.name) for one in dataclasses.fields(made)}
    given["processes"] = processes
    given["node_addresses"] = {
        **made.node_addresses,
        HARBOR: "ipv4:" + ",".join(addresses.values()),
    }
    return ReplicatedLayout(**given, database=database), addresses
