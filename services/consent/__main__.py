"""Runs the consent service: `python -m services.consent`."""

import asyncio
import os
import sys

from homeroom.errors import HomeroomError
from services.consent.server import serve
from services.consent.settings import ConsentSettings
from services.runtime.logs import configure_logs


def main() -> int:
    """Reads the settings and serves; 2 if the settings are wrong."""
    try:
        settings = ConsentSettings.read("HOMEROOM_CONSENT_", os.environ)
    except HomeroomError as wrong:
        print(wrong.message, file=sys.stderr)
        return 2
    configure_logs("consent", settings.organization_id)
    asyncio.run(serve(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
