"""Examines the two policies: whether there are rules, and a bundle is signed and has not ended."""

import datetime as dt
from pathlib import Path

from homeroom.errors import EvidenceInvalidError, HomeroomError
from homeroom.signing import SigningKey
from services.node.commands.doctor.finding import Finding, fine, look, wrong
from services.node.settings import NodeSettings
from services.runtime.policy import FEDERATION, PolicyBundle, PolicyFolder, PolicyTrust

_SOON = dt.timedelta(days=14)
_REMEDY = "fetch it anew: without both policies nothing is decided (docs/policy-guide.md)"


def examine_policies(settings: NodeSettings, now: dt.datetime) -> list[Finding]:
    """Whether the node can decide by the files that it was told of."""
    federal = PolicyTrust(settings.federation, FEDERATION, bytes.fromhex(settings.registry_key))
    found = [_policy("federation's policy", settings.federation_policy, federal, now)]
    try:
        own_key = SigningKey.load(settings.signing_key).public
    except (OSError, EvidenceInvalidError):
        return found  # the key is what is wrong, and is said to be
    own = PolicyTrust(settings.federation, settings.organization_id, own_key)
    return [*found, _policy("own policy", settings.local_policy, own, now)]


def _policy(what: str, path: Path, trust: PolicyTrust, now: dt.datetime) -> Finding:
    try:
        if path.is_dir():
            return fine(what, f"a folder, {PolicyFolder.read(path).revision}")
        bundle = PolicyBundle.read(path)
        trust.require_signed(bundle.signed)
    except HomeroomError as refused:
        return wrong(what, refused.message, _REMEDY)
    ends = bundle.release.expires
    said = f"release {bundle.release.sequence}, until {ends:%Y-%m-%d}"
    if ends <= now:
        return wrong(what, f"it ended: {said}", _REMEDY)
    if ends - now < _SOON:
        return look(what, f"it ends soon: {said}", "ask who publishes it for the next")
    return fine(what, said)
