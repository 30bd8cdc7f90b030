"""Runs a gRPC server: TLS both ways, identity, access and errors for every call, graceful stop.

A stop loses no call that is running: probes hear of it first, then new calls are refused, watches
end so that their callers go elsewhere, and what else is running has its time.
"""

import asyncio
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    aclosing,
    contextmanager,
    nullcontext,
    suppress,
)
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from homeroom.channel import MAX_MESSAGE_BYTES
from homeroom.errors import InternalError, ServiceUnreachableError
from services.runtime.access import AccessTable, require_access
from services.runtime.errors import translated_errors
from services.runtime.gate import DeposedError, Gate
from services.runtime.identity import ServicerContext, caller_of, remember_caller
from services.runtime.logs import log
from services.runtime.metrics import CallMeasures, Metrics, Reading
from services.runtime.settings import ServiceSettings
from services.runtime.tracing import open_tracing

if TYPE_CHECKING:
    from services.runtime.tracing.otlp import Tracing

LIVE = "live"
"""The name under which health tells that the process runs, ready or not."""

FIT = "fit"
"""The name under which health tells that the service is ready, or stands by for one that is."""

_READY = ""
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_WATCH = "Watch"
_UNTRACED = nullcontext()
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
)


class Guard(grpc.aio.ServerInterceptor):
    """Lets a call reach its handler only if the access table lists its caller."""

    def __init__(self, federation: str, access: AccessTable, calls: CallMeasures) -> None:
        self._federation = federation
        self._access = access
        self._calls = calls
        self.tracing: Tracing | None = None
        self.gate: Gate | None = None
        self._watches: set[asyncio.Task[Any]] = set()
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False

    async def until_idle(self, seconds: float) -> None:
        """Waits until no call runs, but not for longer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    def end_watches(self) -> None:
        """Ends the streams that would never end by themselves, now and from now on."""
        self._draining = True
        for watch in self._watches:
            watch.cancel()

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], "Awaitable[grpc.RpcMethodHandler[Any, Any] | None]"
        ],
        details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        handler = await continuation(details)
        if handler is None:
            self._calls.unknown()
            return handler
        if handler.request_streaming and handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self._guard_awaited(handler.stream_stream, details.method),
                handler.request_deserializer,
                handler.response_serializer,
            )
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._guard_stream(handler.unary_stream, details.method),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return grpc.unary_unary_rpc_method_handler(
            self._guard_awaited(handler.unary_unary, details.method),
            handler.request_deserializer,
            handler.response_serializer,
        )

    def _admit(self, context: ServicerContext, method: str) -> AbstractContextManager[object]:
        """Admits a call; what it is traced by, which is nothing where there are no traces."""
        caller = caller_of(context, self._federation)
        require_access(self._access, method, caller)
        if self.gate is not None:
            self.gate.admit()
        remember_caller(caller)
        return self.tracing.serving(method, caller, context) if self.tracing else _UNTRACED

    def _guard_awaited(self, behavior: Any, method: str) -> Any:
        async def guarded(request: Any, context: ServicerContext) -> Any:
            async with translated_errors(context, method):
                with self._calls.begin(method), self._admit(context, method), self._counted():
                    response = await behavior(request, context)
                    if self.gate is not None:
                        self.gate.let_go()
                    return response

        return guarded

    def _guard_stream(self, behavior: Any, method: str) -> Any:
        is_watch = method.rpartition("/")[2].startswith(_WATCH)

        async def guarded(request: Any, context: ServicerContext) -> AsyncIterator[Any]:
            async with translated_errors(context, method):
                with self._calls.begin(method), self._admit(context, method), self._counted():
                    responses = behavior(request, context)
                    async for response in self._watched(responses) if is_watch else responses:
                        if self.gate is not None:
                            self.gate.let_go()
                        yield response

        return guarded

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._running += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def _watched(self, responses: AsyncGenerator[Any, None]) -> AsyncIterator[Any]:
        """What a watch tells until the server stops; its caller then watches elsewhere.

        It is cancelled only while it waits for something to tell. Amid sending gRPC would end it
        without a word to its caller, who would wait for one, and the stop for the caller.
        """
        task = asyncio.current_task()
        async with aclosing(responses):
            while task is not None and not self._draining:
                self._watches.add(task)
                try:
                    response = await anext(responses)
                except StopAsyncIteration:
                    return
                except asyncio.CancelledError:
                    if not self._draining:
                        raise
                    task.uncancel()
                    break
                finally:
                    self._watches.discard(task)
                yield response
        raise ServiceUnreachableError("the service is stopping") from None


class Server:
    """One service's server and the background work that lives and ends with it."""

    def __init__(self, settings: ServiceSettings, access: AccessTable) -> None:
        self._settings = settings
        self._health = HealthServicer()
        self.metrics = Metrics(access)
        self._guard = Guard(settings.federation, access, self.metrics.calls)
        self.options = _options(settings)
        self.grpc = grpc.aio.server(interceptors=[self._guard], options=self.options)
        self._health_server = grpc.aio.server()
        self._background: list[asyncio.Task[None]] = []
        self._awaited: list[Callable[[], Awaitable[None]]] = []
        self._stopping = asyncio.Event()
        self._failed = self._why = ""
        self._on_drain: list[Callable[[], None]] = []
        self._watched_over = self._started = False
        self._drain_seconds = settings.drain_seconds
        self._leaving = False
        self._serving = False
        self.resources = AsyncExitStack()
        self.port = 0
        self.metrics_port = 0
        told = "1 while calls are served: everything that must come before has come."
        self.metrics.read(Reading("homeroom_ready", told, lambda: float(self._serving)))
        if settings.traces_endpoint:
            self._trace(settings.traces_endpoint, access)

    def _trace(self, endpoint: str, access: AccessTable) -> None:
        """Sends traces from now on, until all else has ended."""
        settings = self._settings
        own = {
            "service.name": f"homeroom-{settings.service}",
            "homeroom.organization": settings.organization_id,
        }
        tracing = open_tracing(endpoint, settings.traces_share, own, access)
        self.resources.push_async_callback(tracing.close)
        self._guard.tracing = tracing

    async def start(self) -> int:
        """Listens; returns the port. Health says NOT_SERVING until `ready_after` has come."""
        self.port = self.listen_with(self.grpc)
        settings = self._settings
        self.metrics.read_certificates(
            settings.certificate.read_bytes(), settings.authorities.read_bytes()
        )
        if not self._watched_over:
            await self.be_watched()
        await self.grpc.start()
        self._started = True
        self.in_background(self._become_ready(), "becoming ready")
        return self.port

    async def be_watched(self) -> None:
        """Answers probes, and Prometheus; `start` does it where it was not done before."""
        self._watched_over = True
        if self._settings.health_address:
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._health_server)
            self._health_server.add_insecure_port(self._settings.health_address)
            await self._health.set(LIVE, _SERVING)
            await self._tell(ready=False, fit=False)
            await self._health_server.start()
        if self._settings.metrics_address:
            self.metrics_port = self.metrics.listen(self._settings.metrics_address)

    async def stand_by(self, *, fit: bool) -> None:
        """Tells health probes whether this replica would serve if its turn came."""
        await self._tell(ready=False, fit=fit)

    def stands_behind(self, gate: Gate) -> None:
        """Lets nobody in, and nothing out, that the gate does not; a stop drains behind it."""
        self._guard.gate = gate

    @property
    def serving(self) -> bool:
        """Whether all has come that must come before calls are served, and it is not leaving."""
        return self._serving

    @property
    def asked_to_stop(self) -> asyncio.Event:
        """Set once a signal has asked it to, or background work has failed."""
        return self._stopping

    async def _tell(self, *, ready: bool, fit: bool) -> None:
        for name, told in ((_READY, ready), (FIT, fit)):
            await self._health.set(name, _SERVING if told else _NOT_SERVING)

    def listen_with(self, server: grpc.aio.Server) -> int:
        """Has a gRPC server listen as the settings say; returns the port.

        Raises:
            ServiceUnreachableError: if it cannot listen there.
        """
        settings = self._settings
        own, authorities = settings.certificate.read_bytes(), settings.authorities.read_bytes()
        credentials = grpc.ssl_server_credentials(
            [(settings.private_key.read_bytes(), own)],
            root_certificates=authorities,
            require_client_auth=True,
        )
        try:
            return server.add_secure_port(settings.address, credentials)
        except RuntimeError:
            raise ServiceUnreachableError("cannot listen there", address=settings.address) from None

    def ready_after(self, waiting: Callable[[], Awaitable[None]]) -> None:
        """Adds something that must come before calls can be served."""
        self._awaited.append(waiting)

    def on_drain(self, act: Callable[[], None]) -> None:
        """Adds something to do when new calls are refused and running ones have their time."""
        self._on_drain.append(act)

    async def _become_ready(self) -> None:
        for waiting in self._awaited:
            await waiting()
        await self.ready()

    async def ready(self) -> None:
        """Tells health probes that calls will be served."""
        if self._leaving:
            return
        await self._tell(ready=True, fit=True)
        self._serving = True
        log.info("serving", address=f"port {self.port}")

    def in_background(self, work: Awaitable[None], what: str) -> None:
        """Runs work until the server stops; if it fails, the server stops too."""
        self._background.append(asyncio.ensure_future(self._watched(work, what)))

    async def _watched(self, work: Awaitable[None], what: str) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception as error:  # logged by type; a half-working server is worse
            log.error("background work failed", state=what, error_type=type(error).__name__)
            self._failed, self._why = what, "background work failed"
            if isinstance(error, DeposedError):
                self._why = error.message
                self._drain_seconds = 0  # nothing that still runs may go on here
            # A server that has not started cannot be stopped; whoever serves it sees this instead.
            self._stopping.set()
            if self._started:
                self._guard.end_watches()
                await self.grpc.stop(self._drain_seconds)

    async def stop(self) -> None:
        """Finishes running calls within their time, then ends everything."""
        self._leaving, self._serving = True, False
        await self._tell(ready=False, fit=False)
        if self._started:
            self._guard.end_watches()
            for act in self._on_drain:
                act()
            await self.grpc.stop(self._drain_seconds)
        await self._health_server.stop(None)
        await self.metrics.close()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.resources.aclose()

    def stop_on_signals(self) -> None:
        """From now on SIGTERM and SIGINT ask the server to stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)

    async def serve_until_stopped(self) -> None:
        """Serves until `stop_on_signals` hears one, or the server has ended by itself.

        Raises:
            InternalError: if it ended because background work failed.
        """
        ended = asyncio.ensure_future(self.grpc.wait_for_termination())
        asked = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        log.info("stopping")
        await self._leave()
        await self.stop()
        await ended
        if self._failed:
            raise InternalError(self._why, state=self._failed)

    async def _leave(self) -> None:
        """Has probes send no more calls, and serves those that still come."""
        if self._failed:
            return
        self._leaving, self._serving = True, False
        await self._tell(ready=False, fit=False)
        if self._guard.gate is None:
            await asyncio.sleep(self._settings.leave_seconds)
            return
        # Whoever comes hears that another replica will answer soon, as long as this one listens.
        self._guard.end_watches()
        await self._guard.until_idle(self._drain_seconds)


def _options(settings: ServiceSettings) -> tuple[tuple[str, int], ...]:
    if settings.connection_age_seconds is None:
        return _OPTIONS
    return (*_OPTIONS, ("grpc.max_connection_age_ms", settings.connection_age_seconds * 1_000))
