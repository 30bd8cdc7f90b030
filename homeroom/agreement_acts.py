"""What an organization says in its agreements: each a signed statement at the end of a history.

The registry's history is verified and the rules of `homeroom.lifecycle` are asked here first; the
registry asks the same rules, and so does every node.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from homeroom.agreement import AgreementDocument, Schools
from homeroom.agreement.mandatory import require_mandatory_terms
from homeroom.agreement.rendering import rendering_digest_of, require_rendering
from homeroom.agreement_statements import read_statement, write_statement
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.clock import utc_now
from homeroom.errors import ChangedMeanwhileError, EvidenceInvalidError, RequestInvalidError
from homeroom.evidence import signed
from homeroom.federation import (
    AgreementState,
    FederationState,
    KnownAgreement,
    has_pinned_keys,
)
from homeroom.lifecycle import (
    Action,
    AgreementHistory,
    CounterProposal,
    EndCause,
    Ending,
    Joining,
    JoiningCountersignature,
    Proposal,
    Resumption,
    Signature,
    Submitted,
    Suspension,
    Terms,
    Version,
    Withdrawal,
    advance,
    terms_of,
)
from homeroom.session import Session, call
from homeroom.signing import Domain, digest_of, key_id_of

_TRIES = 5
"""How often what stays right whatever others say is said again when another came first."""

Said: TypeAlias = tuple[int, Action]
"""What to say, and of which version."""


@dataclass(frozen=True, slots=True)
class ListedAgreement:
    """One version of an agreement, as its verified history has it.

    Attributes:
        statement: the document's exact bytes.
        cause: why it has ended; None while it has not.
        history: the agreement's whole life.
    """

    document: AgreementDocument
    statement: bytes
    state: AgreementState
    cause: EndCause | None
    signed_by: tuple[str, ...]
    history: AgreementHistory


class AgreementActs:
    """One organization's say in its agreements."""

    def __init__(self, session: Session) -> None:
        self._session = session

    # Towards a signed document.

    async def propose(self, document: AgreementDocument) -> ListedAgreement:
        """Offers a document to its parties, with this organization's signature on it.

        With the next version of an agreement that is in force, this is how it is amended.
        """
        return await self._offer(document, Proposal)

    async def counter(self, document: AgreementDocument) -> ListedAgreement:
        """Offers a changed document in place of the one that is proposed; all sign anew."""
        return await self._offer(document, CounterProposal)

    async def sign(
        self, agreement_id: str, version: int, shown: bytes | None = None
    ) -> ListedAgreement:
        """Adds this organization's signature to the proposed document.

        Args:
            agreement_id: the agreement.
            version: the version to sign.
            shown: the exact bytes that the steward was shown; by default whatever is proposed.

        Raises:
            ChangedMeanwhileError: if the document is no longer the one that was shown.
            EvidenceInvalidError: if it prints here as something else than was proposed.
        """

        def said(known: KnownAgreement) -> Said:
            if self._session.organization_id not in known.history.people:
                raise RequestInvalidError("this organization is no party of it", field="parties")
            proposed = known.history.proposed
            if proposed is None or proposed.terms.version != version:
                raise ChangedMeanwhileError("no such version is open for signatures")
            content = known.contents[proposed.terms.digest]
            if shown is not None and shown != content:
                raise ChangedMeanwhileError("the document is not the one that was shown")
            self._require_own_keys(known.document(proposed))
            require_rendering(content, proposed.rendering_digest)
            return version, Signature(proposed.terms.digest, proposed.rendering_digest)

        # Whoever has been shown the document signs it whatever the others do meanwhile.
        tries = _TRIES if shown is not None else 1
        return await self._say(agreement_id, _of_known(said), tries=tries)

    async def decline(self, agreement_id: str, version: int) -> ListedAgreement:
        """Takes back this organization's proposal, or declines another's."""
        return await self._say(agreement_id, lambda _known: (version, Withdrawal()))

    # While it is in force.

    async def suspend(self, agreement_id: str, reason: str = "") -> ListedAgreement:
        """Suspends this organization's part at once; answers that are running stop."""
        said = _of_known(lambda known: (_in_force(known).terms.version, Suspension(reason)))
        return await self._say(agreement_id, said, tries=_TRIES)

    async def resume(self, agreement_id: str) -> ListedAgreement:
        """Resumes the part that this organization suspended."""
        said = _of_known(lambda known: (_in_force(known).terms.version, Resumption()))
        return await self._say(agreement_id, said)

    async def end(self, agreement_id: str, *, whole: bool = False) -> ListedAgreement:
        """Ends this organization's part at once, or the whole agreement where it may."""
        said = _of_known(lambda known: (_in_force(known).terms.version, Ending(whole)))
        return await self._say(agreement_id, said, tries=_TRIES)

    async def join(
        self,
        agreement_id: str,
        purposes: Sequence[str],
        schools: Mapping[str, Schools],
        signatory: tuple[str, str] = ("", ""),
    ) -> ListedAgreement:
        """Asks to receive under an agreement's offer; each holder named opens its own schools.

        Args:
            agreement_id: the agreement, which must be in force.
            purposes: what for; among those offered.
            schools: for each holder the schools to reach; among those offered.
            signatory: the name and the title of who signs for this organization.
        """
        state = await self._session.registry_view.refreshed()
        own = state.organizations.get(self._session.organization_id)
        if own is None:
            raise RequestInvalidError(
                "this organization is not registered", field="organization_id"
            )

        def said(known: KnownAgreement) -> Said:
            version = _in_force(known)
            require_rendering(known.contents[version.terms.digest], version.rendering_digest)
            return version.terms.version, Joining(
                document_digest=version.terms.digest,
                rendering_digest=version.rendering_digest,
                kind=str(own.kind),
                purposes=tuple(sorted(set(purposes))),
                schools=schools,
                signing_key_id=key_id_of(own.signing_key),
                sealing_key_id=key_id_of(own.sealing_key),
                signatory_name=signatory[0],
                signatory_title=signatory[1],
            )

        return await self._say(agreement_id, _of_known(said))

    async def countersign(
        self, agreement_id: str, joiner: str, shown: bytes | None = None
    ) -> ListedAgreement:
        """Opens this organization's schools to a joiner, as far as its joining asks.

        Args:
            agreement_id: the agreement.
            joiner: who joins.
            shown: the digest of the joining that the steward was shown; by default the present one.

        Raises:
            ChangedMeanwhileError: if the joining is no longer the one that was shown.
        """

        def said(known: KnownAgreement) -> Said:
            joined = known.history.joiner(joiner)
            if joined is None:
                raise RequestInvalidError("there is no such joining", field="joiner")
            if shown is not None and shown != joined.digest:
                raise ChangedMeanwhileError("the joining is not the one that was shown")
            return _in_force(known).terms.version, JoiningCountersignature(joined.digest)

        return await self._say(agreement_id, _of_known(said))

    async def take_back(self, agreement_id: str, joiner: str) -> ListedAgreement:
        """Takes back this organization's countersignature of a joining, at once."""

        def said(known: KnownAgreement) -> Said:
            joined = known.history.joiner(joiner)
            if joined is None:
                raise RequestInvalidError("there is no such joining", field="joiner")
            return _in_force(known).terms.version, Withdrawal(joined.digest)

        return await self._say(agreement_id, _of_known(said), tries=_TRIES)

    # What there is.

    async def agreements(self) -> Sequence[ListedAgreement]:
        """Every version of this organization's agreements, by identifier and version."""
        state = await self._session.registry_view.refreshed()
        own = self._session.organization_id
        return [
            listed
            for _, known in sorted(state.known.items())
            for listed in _listed(known)
            if listed.document.party(own) is not None or known.history.joiner(own) is not None
        ]

    async def agreement(self, agreement_id: str, version: int = 0) -> ListedAgreement:
        """One version of an agreement; the newest if none is named.

        Raises:
            RequestInvalidError: if there is none.
        """
        state = await self._session.registry_view.refreshed()
        known = state.known.get(agreement_id)
        versions = [
            listed
            for listed in (_listed(known) if known else ())
            if version in (0, listed.document.version)
        ]
        if not versions:
            raise RequestInvalidError("there is no such agreement", agreement_id=agreement_id)
        return versions[-1]

    async def history(self, agreement_id: str) -> AgreementHistory:
        """An agreement's whole life, verified.

        Raises:
            RequestInvalidError: if there is none.
        """
        state = await self._session.registry_view.refreshed()
        known = state.known.get(agreement_id)
        if known is None:
            raise RequestInvalidError("there is no such agreement", agreement_id=agreement_id)
        return known.history

    # How it is said.

    async def _offer(
        self, document: AgreementDocument, kind: type[Proposal] | type[CounterProposal]
    ) -> ListedAgreement:
        self._require_own_keys(document)
        require_mandatory_terms(document)
        content = document.encode()
        offer = document.version, kind(digest_of(content), rendering_digest_of(document))
        return await self._say(document.agreement_id, lambda _known: offer, content)

    async def _say(
        self,
        agreement_id: str,
        said: Callable[[KnownAgreement | None], Said],
        content: bytes = b"",
        tries: int = 1,
    ) -> ListedAgreement:
        """Says something at the end of a history; a few times if it grows meanwhile."""
        while True:
            tries -= 1
            state = await self._session.registry_view.refreshed()
            known = state.known.get(agreement_id)
            try:
                return await self._say_once(agreement_id, known, said(known), content)
            except ChangedMeanwhileError:
                if not tries:
                    raise

    async def _say_once(
        self, agreement_id: str, known: KnownAgreement | None, said: Said, content: bytes
    ) -> ListedAgreement:
        history = known.history if known else AgreementHistory(agreement_id)
        version, action = said
        statement = write_statement(
            agreement_id, version, self._session.organization_id, utc_now(), history.head, action
        )
        advance(history, Submitted(read_statement(statement), _terms(content)))
        evidence = signed(
            Domain.AGREEMENT_STATEMENT,
            statement,
            self._session.organization_id,
            self._session.signing_key,
        )
        response = await call(
            self._session.registry.SubmitAgreementStatement,
            pb.SubmitAgreementStatementRequest(
                statement=evidence, document=content, request_id=secrets.token_hex(16)
            ),
        )
        self._session.seen.saw_registry(response.sequence)
        state = await self._session.registry_view.state(response.sequence)
        return _kept(state, agreement_id, version, digest_of(statement))

    def _require_own_keys(self, document: AgreementDocument) -> None:
        # Nodes believe only keys that the document names: with others the signature is void.
        party = document.party(self._session.organization_id)
        own = (self._session.signing_key.key_id, self._session.sealing_key.key_id)
        if party is None:
            raise RequestInvalidError("this organization is no party of it", field="parties")
        state = self._session.registry_view.latest
        known = state.organizations.get(self._session.organization_id) if state else None
        leads = known is not None and has_pinned_keys(document, known)
        if not leads and (party.signing_key_id, party.sealing_key_id) != own:
            raise EvidenceInvalidError("the document names other keys for this organization")


def _of_known(
    said: Callable[[KnownAgreement], Said],
) -> Callable[[KnownAgreement | None], Said]:
    def of_known(known: KnownAgreement | None) -> Said:
        if known is None:
            raise RequestInvalidError("there is no such agreement", field="agreement_id")
        return said(known)

    return of_known


def _in_force(known: KnownAgreement) -> Version:
    version = known.history.in_force
    if version is None:
        raise ChangedMeanwhileError("no version is in force", field="version")
    return version


def _terms(content: bytes) -> Terms | None:
    return terms_of(AgreementDocument.parse(content), digest_of(content)) if content else None


def _kept(
    state: FederationState, agreement_id: str, version: int, digest: bytes
) -> ListedAgreement:
    """The agreement as it stands now, with what was said in it."""
    known = state.known.get(agreement_id)
    if known is None or digest not in {one.digest for one in known.history.statements}:
        # A registry that answers and forgets would leave a suspension without effect.
        raise EvidenceInvalidError("the registry has not kept what was said")
    listed = {one.document.version: one for one in _listed(known)}
    return listed.get(version) or _withdrawn(known, version)


def _listed(known: KnownAgreement) -> list[ListedAgreement]:
    history = known.history
    versions = [*history.agreed, *([history.proposed] if history.proposed else [])]
    return [_one(known, version) for version in versions]


def _one(known: KnownAgreement, version: Version) -> ListedAgreement:
    state, cause = known.history.state(version.terms.version, utc_now().date())
    return ListedAgreement(
        document=known.document(version),
        statement=known.contents[version.terms.digest],
        state=state,
        cause=cause,
        signed_by=tuple(sorted(version.signed_by)),
        history=known.history,
    )


def _withdrawn(known: KnownAgreement, version: int) -> ListedAgreement:
    """The proposal of a version that was withdrawn: the newest there was."""
    offers = [
        statement.action
        for statement in known.history.statements
        if statement.version == version and isinstance(statement.action, Proposal | CounterProposal)
    ]
    content = known.contents[offers[-1].document_digest]
    state, cause = known.history.state(version)
    return ListedAgreement(
        AgreementDocument.parse(content), content, state, cause, (), known.history
    )
