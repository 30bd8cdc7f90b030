"""Runs the consent service, or works on its database: `python -m services.consent --help`.

Without a verb it serves, with its settings in HOMEROOM_CONSENT_*.
"""

import sys

from services.consent.migrations import CONSENTS, VERSION_TABLE
from services.consent.server import build_server
from services.consent.settings import ConsentSettings
from services.runtime.migrating import add_migrate
from services.runtime.process import run_verb, service_verbs

app = service_verbs("consent", __doc__, ConsentSettings, build_server)
add_migrate(app, "HOMEROOM_CONSENT_DATABASE_URL", CONSENTS, VERSION_TABLE)


if __name__ == "__main__":
    sys.exit(run_verb(app))
