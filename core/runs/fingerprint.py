"""Which runs are the same run: a hash of all settings on which a result depends."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from core_jax.runs.fields import flatten
from core_jax.runs.layout import from_dict, to_dict
from core_jax.runs.run_folder import RENEWABLE, current_version

# No result depends on these; on two that a resumed run may be given anew, it does.
_APART = set(RENEWABLE) - {"final_episodes", "stop_at"}


def fingerprint(stored: Mapping[str, Any] | None) -> str | None:
    """A hash of a config as `config.json` has it, of any version: settings that it lacks count as
    their defaults of today, so that a setting that came later does not make it another run.

    Returns:
        None for a config that this version cannot read, and without one.
    """
    if stored is None:
        return None
    try:
        values = to_dict(from_dict(current_version(stored)))
    except (ValueError, TypeError, AttributeError):
        return None
    known = {name: value for name, value in flatten(values) if name not in _APART}
    content = json.dumps(known, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
