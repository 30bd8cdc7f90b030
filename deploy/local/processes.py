"""Starts and stops the processes of a federation on one machine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local.layout import PROJECT, EngineKind, Layout, ProcessPlan
from homeroom.errors import RequestInvalidError, ServiceUnreachableError
from services.runtime.policy import ROOM_FOR_GARBAGE, find_opa, start_opa_server

_READY_SECONDS = 60.0
_STOP_SECONDS = 15.0
# Else a process that takes long to start is looked at ever more rarely.
_OFTEN = (("grpc.max_reconnect_backoff_ms", 500),)
_POLL_SECONDS = 0.05


def engine_here(environment: Mapping[str, str]) -> EngineKind:
    """OPA servers where an `opa` binary is at hand, else the embedded evaluator.

    HOMEROOM_POLICY_ENGINE chooses otherwise.
    """
    chosen = environment.get("HOMEROOM_POLICY_ENGINE")
    if chosen in ("embedded", "server"):
        return "embedded" if chosen == "embedded" else "server"
    if chosen:
        raise RequestInvalidError("HOMEROOM_POLICY_ENGINE is embedded or server")
    return "server" if find_opa(environment) else "embedded"


class Processes:
    """The running processes of one layout, by name."""

    def __init__(
        self, layout: Layout, begins: Mapping[str, Sequence[str]] = MappingProxyType({})
    ) -> None:
        """Has none running.

        Args:
            layout: what there is to run.
            begins: what the commands of some begin with, by which they run elsewhere.
        """
        self.layout = layout
        self._begins = begins
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._policies: dict[str, list[subprocess.Popen[bytes]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop_all()

    def start(self, *names: str) -> None:
        """Starts processes side by side, and waits until each one serves.

        Raises:
            ServiceUnreachableError: naming one that does not, and where it says why.
        """
        for name in names:
            self._start(name)
        for name in names:
            self._wait_until_serving(name)

    def launch(self, name: str) -> None:
        """Starts a process and does not wait for it: it may stand by for another one."""
        self._start(name)

    def is_running(self, name: str) -> bool:
        """Whether a process that was started has not ended."""
        return self._running[name].poll() is None

    def process_id(self, name: str) -> int:
        """The number of a running process."""
        return self._running[name].pid

    def process_ids(self) -> Mapping[str, int]:
        """The numbers of every process that was started, OPA servers included."""
        numbers = {name: process.pid for name, process in self._running.items()}
        for name, servers in self._policies.items():
            numbers |= {f"{name} OPA {i}": server.pid for i, server in enumerate(servers)}
        return numbers

    def signal(self, name: str, number: signal.Signals) -> None:
        """Sends a signal to one process, for example to hold it still."""
        self._running[name].send_signal(number)

    def stop_policies(self, name: str) -> None:
        """Ends the OPA servers beside one process."""
        _end(self._policies.pop(name, []))

    def stop(self, name: str) -> None:
        """Ends one process and the OPA servers beside it."""
        _end([self._running.pop(name)])
        self.stop_policies(name)

    def stop_all(self) -> None:
        """Ends every process."""
        running = [*self._running.values(), *(p for ps in self._policies.values() for p in ps)]
        self._running.clear()
        self._policies.clear()
        _end(running)

    def _start(self, name: str) -> None:
        plan = self.layout.processes[name]
        with (self.layout.folder / "logs" / f"{name}.log").open("ab") as output:
            self._policies[name] = list(_start_policies(plan, output))
            self._running[name] = subprocess.Popen(
                [*self._begins.get(name, ()), sys.executable, "-m", plan.module],
                cwd=PROJECT,
                env={**_inherited(), **plan.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C is for whoever started the federation; its processes are ended in order.
                start_new_session=True,
            )

    def _wait_until_serving(self, name: str) -> None:
        process, plan = self._running[name], self.layout.processes[name]
        patience = time.monotonic() + _READY_SECONDS
        with grpc.insecure_channel(plan.health_address, _OFTEN) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            while time.monotonic() < patience:
                if process.poll() is not None:
                    break
                with suppress(grpc.RpcError):
                    reply = health.Check(health_pb2.HealthCheckRequest(), timeout=1)
                    if reply.status == health_pb2.HealthCheckResponse.SERVING:
                        return
                time.sleep(_POLL_SECONDS)
        raise ServiceUnreachableError(self._why_not_serving(name, process.poll()))

    def _why_not_serving(self, name: str, status: int | None) -> str:
        """What became of a process, and the last that it said of itself."""
        told = self.layout.folder / "logs" / f"{name}.log"
        became = f"ended with {status}" if status is not None else "is not ready"
        last = told.read_text(errors="replace").rstrip().rpartition("\n")[2]
        return f"{name} {became}; {told} says why, and last: {last}"


def _start_policies(plan: ProcessPlan, output: IO[bytes]) -> Iterable[subprocess.Popen[bytes]]:
    if not plan.policies:
        return
    binary = find_opa(os.environ)
    if binary is None:
        raise RequestInvalidError("this federation was laid out with OPA servers; opa is gone")
    for path, policy in plan.policies.items():
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).unlink(missing_ok=True)
        yield start_opa_server(Path(policy), Path(path), binary, output)


def _inherited() -> dict[str, str]:
    """The environment without settings of Homeroom: a process gets only those of its plan."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HOMEROOM_")}
    return {**ROOM_FOR_GARBAGE, **kept}


def _end(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    ending = list(processes)
    for process in ending:
        process.send_signal(signal.SIGCONT)
        process.terminate()
    for process in ending:
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
