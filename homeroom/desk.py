"""One person at their own organization's node, with a steward's certificate and a token."""

import secrets
from pathlib import Path

from homeroom.identity import Role
from homeroom.profile import Profile, load_profile
from homeroom.session import Connected, Session

_REQUEST_ID_BYTES = 16


class Desk(Connected):
    """What every desk of a steward shares: a session, and the person's token."""

    def __init__(self, profile: Profile | str | Path | None = None) -> None:
        """Reads a profile: its steward's certificate and its user's token."""
        loaded = profile if isinstance(profile, Profile) else load_profile(profile)
        self._session = Session(loaded, Role.STEWARD)
        self._token = loaded.read_user_token()


def new_request_id() -> str:
    """A name for one act, by which a retry is recognized: 32 hexadecimal digits."""
    return secrets.token_hex(_REQUEST_ID_BYTES)
