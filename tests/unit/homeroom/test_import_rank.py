"""An import of forms gives way: what is recorded is settled before more is sent."""

import csv
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pytest

from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent_import import import_forms
from homeroom.consent_terms import OpenedConsent
from homeroom.consents import Consents, RecordedConsent

FORM = {
    "holder": "anytown",
    "elements": "daily_attendance",
    "purposes": "direct_service",
    "signer_relation": "parent",
    "form": "written",
    "sign_date": "2026-09-01",
    "start_date": "2026-09-01",
    "end_date": "2027-06-30",
    "link_code": "CODE",
}


def rank() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


class Recorder:
    """Records what it is given, and notes the rank at which it sealed; stands in for `Consents`."""

    recorder = "helpers"
    import_secret = b"secret"

    def __init__(self) -> None:
        self.ranks: list[int] = []

    async def not_parties(self, consents: Sequence[OpenedConsent]) -> set[tuple[str, str]]:
        return set()

    async def sealing(self, consents: Sequence[OpenedConsent]) -> Callable[[], list[pb.Consent]]:
        def seal() -> list[pb.Consent]:
            self.ranks.append(rank())
            return [pb.Consent(consent_id=one.consent_id) for one in consents]

        return seal

    async def send(
        self, consents: Sequence[OpenedConsent], made: Sequence[pb.Consent], *, skip_recorded: bool
    ) -> list[RecordedConsent]:
        assert skip_recorded
        return [RecordedConsent(one.consent_id, "", place) for place, one in enumerate(made, 1)]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no rank of their own")
async def test_forms_are_sealed_behind_what_else_runs_and_nothing_else_is(tmp_path: Path) -> None:
    file = tmp_path / "forms.csv"
    with file.open("w", encoding="utf-8", newline="") as opened:
        rows = csv.DictWriter(opened, FORM)
        rows.writeheader()
        rows.writerow(FORM)
    before, recorder = rank(), Recorder()

    lines = [line async for some in import_forms(cast("Consents", recorder), file) for line in some]

    assert [(line.status, line.sequence) for line in lines] == [("recorded", 1)]
    assert recorder.ranks == [max(before, 5)]
    assert rank() == before
