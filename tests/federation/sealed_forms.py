"""Consents as an organization's app makes them, for a consent service that a test plays."""

import datetime as dt
import secrets
from collections.abc import Sequence

from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent import make_consents, new_subject_ref
from homeroom.consent_terms import ConsentTerms, OpenedConsent
from homeroom.question import elements_named
from homeroom.vocabulary import ConsentForm, SignerRelation
from tests.federation.puppets import Siege
from tests.federation.records import HARBOR, TODAY, Child
from tests.federation.running import AGREEMENT, PURPOSE
from tests.federation.wire import Keys


def consent_of(
    siege: Siege, recorder: Keys, child: Child, elements: Sequence[str], subject_ref: str = ""
) -> pb.Consent:
    """A parent's consent, signed by the recorder and sealed to the district and the recorder."""
    recipient = recorder.organization_id
    opened = OpenedConsent(
        consent_id=secrets.token_hex(16),
        recorder=recipient,
        terms=ConsentTerms(
            holder=HARBOR,
            agreement_id=AGREEMENT,
            elements=elements_named(elements),
            purposes=(PURPOSE,),
            signer_relation=SignerRelation.PARENT,
            form=ConsentForm.WRITTEN,
            sign_date=TODAY - dt.timedelta(days=30),
            start_date=TODAY - dt.timedelta(days=30),
            end_date=TODAY + dt.timedelta(days=200),
        ),
        link_code=siege.codes[child].encode(),
        subject_refs={recipient: subject_ref or new_subject_ref()},
    )
    keys = {name: Keys.of(siege.layout, name).sealing.public for name in (HARBOR, recipient)}
    return make_consents([opened], recorder.signing, keys)[0]
