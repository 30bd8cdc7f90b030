"""Runs a gateway: `python -m services.gateway`, with its settings in HOMEROOM_GATEWAY_*."""

import sys

from services.gateway.server import build_server
from services.gateway.settings import GatewaySettings
from services.runtime.process import run_service


def main() -> int:
    """Serves until told to stop; returns the exit code."""
    return run_service("gateway", GatewaySettings, build_server)


if __name__ == "__main__":
    sys.exit(main())
