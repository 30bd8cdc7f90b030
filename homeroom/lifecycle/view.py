"""What an agreement is for an organization that joined it: no more than it joined for."""

from collections.abc import Mapping

from homeroom.agreement import ALL_SCHOOLS, AgreementDocument, Party, Schedule, Schools
from homeroom.lifecycle.history import Joined


def joined_view(document: AgreementDocument, joined: Joined) -> AgreementDocument:
    """The document with the joiner as a recipient, narrowed to its purposes and schools.

    Only the holders that have countersigned disclose to it.
    """
    joining = joined.joining
    joiner = Party(
        organization_id=joined.organization_id,
        role="recipient",
        signing_key_id=joining.signing_key_id,
        sealing_key_id=joining.sealing_key_id,
    )
    parties = [_as_seen(party, joined) for party in document.parties]
    return document.model_copy(
        update={
            "parties": (*parties, joiner),
            "schools": _reached(document.schools, joined),
            "schedules": tuple(
                _narrowed(schedule, joined)
                for schedule in document.schedules
                if schedule.purpose in joining.purposes
            ),
        }
    )


def _narrowed(schedule: Schedule, joined: Joined) -> Schedule:
    if schedule.schools is None:
        return schedule
    return schedule.model_copy(update={"schools": _reached(schedule.schools, joined)})


def _reached(agreed: Mapping[str, Schools], joined: Joined) -> dict[str, Schools]:
    asked = joined.joining.schools
    return {
        holder: _both(agreed.get(holder, ()), asked[holder])
        for holder in sorted(joined.countersigned_by)
    }


def _as_seen(party: Party, joined: Joined) -> Party:
    if party.organization_id in joined.countersigned_by:
        return party
    return party.model_copy(update={"role": "recipient"})


def _both(agreed: Schools, asked: Schools) -> Schools:
    if agreed == ALL_SCHOOLS:
        return asked
    if asked == ALL_SCHOOLS:
        return agreed
    return tuple(school for school in agreed if school in asked)
