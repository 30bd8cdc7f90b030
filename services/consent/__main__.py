"""Runs the consent service: `python -m services.consent`; settings in HOMEROOM_CONSENT_*."""

import sys

from services.consent.server import build_server
from services.consent.settings import ConsentSettings
from services.runtime.process import run_service

if __name__ == "__main__":
    sys.exit(run_service("consent", ConsentSettings, build_server))
