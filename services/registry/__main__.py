"""Runs the registry, or works on its database: `python -m services.registry --help`.

Without a verb it serves, with its settings in HOMEROOM_REGISTRY_*.
"""

import sys

from services.registry.migrations import REGISTRY, VERSION_TABLE
from services.registry.server import build_server
from services.registry.settings import RegistrySettings
from services.runtime.migrating import add_migrate
from services.runtime.process import run_verb, service_verbs

app = service_verbs("registry", __doc__, RegistrySettings, build_server)
add_migrate(app, "HOMEROOM_REGISTRY_DATABASE_URL", REGISTRY, VERSION_TABLE)


if __name__ == "__main__":
    sys.exit(run_verb(app))
