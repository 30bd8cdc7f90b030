"""What never gets past the door: social security numbers and passwords."""

import re

_SENSITIVE = re.compile(r"ssn|socialsecurity|password|passwd|passcode")


def is_sensitive_name(name: str) -> bool:
    """Whether a column, an element or a code's system names something we must not hold."""
    return _SENSITIVE.search(re.sub(r"[^a-z]", "", name.lower())) is not None
