"""What stands between a server and its callers beside the access table."""

from typing import Protocol

from homeroom.errors import ServiceUnreachableError


class DeposedError(ServiceUnreachableError):
    """Another replica may have been elected: this one answers nothing any more."""


class Gate(Protocol):
    """Whom a server may let in now, and whether its responses may leave."""

    def admit(self) -> None:
        """Raises HomeroomError if no call may begin now."""

    def let_go(self) -> None:
        """Raises HomeroomError if no response may leave any longer."""
