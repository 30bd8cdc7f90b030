"""Runs a gateway: `python -m services.gateway`, with its settings in HOMEROOM_GATEWAY_*."""

import asyncio
import os
import sys

from homeroom.errors import HomeroomError
from services.gateway.server import build_server
from services.gateway.settings import GatewaySettings
from services.runtime.logs import configure_logs


async def serve(settings: GatewaySettings) -> None:
    """Serves until told to stop; one line on standard output says where."""
    server = await build_server(settings)
    port = await server.start()
    sys.stdout.write(f"listening 127.0.0.1:{port}\n")
    sys.stdout.flush()
    await server.serve_until_stopped()


def main() -> int:
    """Returns 2 when the settings are wrong, 1 when the gateway cannot start."""
    try:
        settings = GatewaySettings.read("HOMEROOM_GATEWAY_", os.environ)
    except HomeroomError as wrong:
        sys.stderr.write(f"{wrong.message}\n")
        return 2
    configure_logs("gateway", settings.organization_id)
    try:
        asyncio.run(serve(settings))
    except HomeroomError as failed:
        sys.stderr.write(f"{failed.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
