"""Runs a gateway, or works on its log where it runs: `python -m services.gateway --help`.

Without a verb it serves, with its settings in HOMEROOM_GATEWAY_*.
"""

import sys

from services.gateway.commands import log
from services.gateway.migrations import GATEWAY, VERSION_TABLE
from services.gateway.server import build_server
from services.gateway.settings import GatewaySettings
from services.runtime.migrating import add_migrate
from services.runtime.process import run_verb, service_verbs

app = service_verbs("gateway", __doc__, GatewaySettings, build_server)
add_migrate(app, "HOMEROOM_GATEWAY_DATABASE_URL", GATEWAY, VERSION_TABLE)
log.register(app)


if __name__ == "__main__":
    sys.exit(run_verb(app))
