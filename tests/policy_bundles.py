"""Policies as they are published, for tests: bundles of the template with other settings."""

import datetime as dt
import json
import shutil
from pathlib import Path
from typing import Any

from homeroom.signing import SigningKey
from services.runtime.policy import PolicyBundle, PolicyFolder, Release, Replayed, SignedRelease

TEMPLATE = Path(__file__).resolve().parents[1] / "policy" / "local"
NARROWER = Replayed(decisions=3, widened=0, report="00" * 32)
FAR = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)


def local_folder(folder: Path, **settings: Any) -> Path:
    """A copy of the template with some settings of its `data.json` changed."""
    shutil.copytree(TEMPLATE, folder, dirs_exist_ok=True)
    content = json.loads((TEMPLATE / "data.json").read_text())
    content["local"] |= settings
    (folder / "data.json").write_text(json.dumps(content, indent=2) + "\n")
    return folder


def bundle_of(
    folder: Path, *keys: SigningKey, scope: str, federation: str, **changed: Any
) -> PolicyBundle:
    """A folder as published, right in everything that is not changed."""
    rules = PolicyFolder.read(folder)
    fields: dict[str, Any] = {
        "federation": federation,
        "scope": scope,
        "revision": rules.revision,
        "sequence": 1,
        "expires": FAR,
        "replayed": NARROWER,
    }
    return PolicyBundle(rules, SignedRelease.sign(Release(**(fields | changed)), keys))
