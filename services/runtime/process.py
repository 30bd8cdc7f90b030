"""Runs one service as a process: settings, logs, server, and exit codes a starter can rely on."""

import asyncio
import ctypes
import gc
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import typer

from homeroom.errors import HomeroomError
from services.runtime.logs import configure_logs
from services.runtime.server import Server
from services.runtime.settings import ServiceSettings
from services.runtime.systemd import Systemd

S = TypeVar("S", bound=ServiceSettings)

EXIT_FAILED = 1
EXIT_SETTINGS = 2

# A batch keeps tens of thousands of objects alive at once, none of them in a cycle: looking through
# them every 700 would take a fifth of the time.
_COLLECT_AFTER = (10_000, 20, 20)

_M_ARENA_MAX = -8
_ARENAS = 2


def run_service(
    name: str, settings_type: type[S], build: Callable[[S], Awaitable[Server | None]]
) -> int:
    """Serves until told to stop; one line on standard output says where.

    Settings come from `HOMEROOM_<NAME>_*`. Where `build` makes no server, it was asked to stop.

    Returns:
        2 when the settings are wrong, 1 when the service cannot start or go on, 0 after a stop.
    """
    try:
        settings = settings_type.read(f"HOMEROOM_{name.upper()}_", os.environ)
    except HomeroomError as wrong:
        sys.stderr.write(f"{wrong.message}\n")
        return EXIT_SETTINGS
    configure_logs(name, settings.organization_id)
    gc.set_threshold(*_COLLECT_AFTER)
    keep_few_arenas()
    try:
        asyncio.run(_serve(settings, build, Systemd(os.environ)))
    except HomeroomError as failed:
        sys.stderr.write(f"{failed.message}\n")
        return EXIT_FAILED
    except OSError as failed:
        sys.stderr.write(f"{failed.strerror}: {failed.filename}\n")
        return EXIT_FAILED
    return 0


def service_verbs(
    name: str, told: str, settings_type: type[S], build: Callable[[S], Awaitable[Server]]
) -> typer.Typer:
    """The program of a service: it serves where no verb is given; further verbs are added to it.

    Args:
        name: the service's.
        told: what `--help` says.
        settings_type: its settings.
        build: makes its server.
    """
    app = typer.Typer(
        help=told, add_completion=False, pretty_exceptions_enable=False, no_args_is_help=False
    )

    @app.callback(invoke_without_command=True)
    def serve(context: typer.Context) -> None:
        """Serves, when no verb is given."""
        context.obj = os.environ
        if context.invoked_subcommand is None:
            raise typer.Exit(run_service(name, settings_type, build))

    return app


def run_verb(app: typer.Typer) -> int:
    """Runs what the command line says; a failure is one sentence, and exit code 1."""
    try:
        app()
    except HomeroomError as failed:
        sys.stderr.write(f"{failed.message}\n")
        return EXIT_FAILED
    return 0


def keep_few_arenas() -> None:
    """Has all threads share two arenas of memory; call it before there are threads.

    By default each has its own and keeps what its largest batch took. Threads that take turns at
    the interpreter gain nothing by that.
    """
    # Another C library than GNU's has no such arenas, and no such function.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


async def _serve(
    settings: S, build: Callable[[S], Awaitable[Server | None]], systemd: Systemd
) -> None:
    server = await build(settings)
    if server is None:
        return
    server.stop_on_signals()
    server.on_drain(systemd.stopping)
    try:
        port = await server.start()
    except BaseException:
        await server.stop()
        raise
    sys.stdout.write(f"listening 127.0.0.1:{port}\n")
    sys.stdout.flush()
    server.in_background(systemd.follow(), "telling systemd")
    await server.serve_until_stopped()
