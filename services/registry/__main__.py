"""Runs the registry: `python -m services.registry`; settings in HOMEROOM_REGISTRY_*."""

import sys

from services.registry.server import build_server
from services.registry.settings import RegistrySettings
from services.runtime.process import run_service

if __name__ == "__main__":
    sys.exit(run_service("registry", RegistrySettings, build_server))
