"""Signing keys are exchanged in a running federation, and nothing that is under way fails."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from homeroom import Client
from homeroom.answer import Answer
from homeroom.api.common.v1.evidence_pb2 import SignedStatement
from homeroom.clock import utc_now
from homeroom.errors import HomeroomError
from homeroom.federation import AgreementState
from homeroom.key_exchange import KeyKind, exchange_keys
from homeroom.profile import load_profile
from homeroom.receipts import KeptReceipt, ReceiptFiles
from homeroom.signing import SigningKey
from homeroom.steward import Steward
from tests.federation.records import ATTENDANCE, HARBOR, MILL_RIVER, SPARE
from tests.federation.running import AGREEMENT, ASKER, Federation
from tests.federation.test_reconciliation import next_second

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]


class Asking:
    """Asks again and again, from before the exchange until after it."""

    def __init__(self, federation: Federation, client: Client) -> None:
        self._federation = federation
        self._client = client
        self._turn = threading.Condition()
        self._ended = False
        self.answers: list[Answer] = []
        self.failures: list[HomeroomError] = []

    def run(self) -> None:
        while not self._ended:
            try:
                answer = self._federation.attendance(client=self._client)
            except HomeroomError as failure:
                self.failures.append(failure)
            else:
                self.answers.append(answer)
            with self._turn:
                self._turn.notify_all()

    def some_more(self, count: int = 3) -> None:
        """Waits until so many further questions have ended."""
        with self._turn:
            wanted = len(self.answers) + len(self.failures) + count
            ended = self._turn.wait_for(
                lambda: len(self.answers) + len(self.failures) >= wanted, timeout=120
            )
        assert ended

    @contextmanager
    def going_on(self) -> Iterator[None]:
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            self.some_more()
            yield
        finally:
            self._ended = True
            thread.join()


def test_signing_keys_are_exchanged_while_everything_goes_on(
    federation: Federation, tmp_path: Path
) -> None:
    """Questions, receipts, consents and reconciliation; agreements stay in force."""
    profiles = {name: federation.layout.profile(name) for name in (HARBOR, MILL_RIVER, ASKER)}
    files = {name: load_profile(path).signing_key for name, path in profiles.items()}
    former = {name: key_in(file) for name, file in files.items()}
    begun = next_second()
    requester = load_profile(profiles[ASKER]).model_copy(update={"receipts": tmp_path})
    with Client(requester) as client:
        asking = Asking(federation, client)
        with asking.going_on():
            for name in (MILL_RIVER, ASKER):
                asyncio.run(exchange_keys(load_profile(profiles[name]), [KeyKind.SIGNING]))
                asking.some_more()
            given = client.consents.record(**federation.form(SPARE, [ATTENDANCE]))
            asking.some_more()
            client.consents.revoke(given.consent_id)
        whole = {one.holder: one for one in client.reconcile(since=begun).holders}

    assert asking.failures == []
    assert [answer for answer in asking.answers if not answer.complete] == []
    for holder in (HARBOR, MILL_RIVER):
        assert (whole[holder].failure, whole[holder].gaps) == ("", ())
        assert whole[holder].receipts >= len(asking.answers)
    signers = signers_of(tmp_path, MILL_RIVER)
    assert signers == {former[MILL_RIVER], key_in(files[MILL_RIVER])}
    exchanged = {name for name, file in files.items() if key_in(file) != former[name]}
    assert exchanged == {MILL_RIVER, ASKER}
    assert standing_of(profiles[HARBOR]) is AgreementState.ACTIVE


def signers_of(receipts: Path, holder: str) -> set[str]:
    """The fingerprints of the keys that signed a holder's receipts."""
    kept = [one for one in ReceiptFiles(receipts, utc_now).kept() if isinstance(one, KeptReceipt)]
    return {
        signature.key_id
        for one in kept
        if one.holder == holder
        for signature in SignedStatement.FromString(one.evidence).signatures
    }


def key_in(file: Path | None) -> str:
    assert file is not None
    return SigningKey.load(file).key_id


def standing_of(profile: Path) -> AgreementState:
    async def found() -> AgreementState:
        async with Steward(profile) as steward:
            return (await steward.agreement(AGREEMENT)).state

    return asyncio.run(found())
