"""Runs the registry: `python -m services.registry`."""

import asyncio
import os
import sys

from homeroom.errors import HomeroomError
from services.registry.server import serve
from services.registry.settings import RegistrySettings
from services.runtime.logs import configure_logs


def main() -> int:
    """Reads the settings and serves; 2 if the settings are wrong."""
    try:
        settings = RegistrySettings.read("HOMEROOM_REGISTRY_", os.environ)
    except HomeroomError as wrong:
        print(wrong.message, file=sys.stderr)
        return 2
    configure_logs("registry", settings.organization_id)
    asyncio.run(serve(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
