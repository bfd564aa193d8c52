"""A few recorded states of each task, to try a reward on without simulating.

`scripts/tools/record_samples.py` records them: protocol `paper`, the scripted expert from the start
until the task is done, and uniform random actions.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

PATH = Path(__file__).with_name("samples.json")


class Sample(NamedTuple):
    """The arguments of a formal reward at one step.

    Attributes:
        label: which step it is.
        observation: the formal view [formal] after the step.
        action: of the step [action]; zeros at a reset.
        target: [target].
    """

    label: str
    observation: np.ndarray
    action: np.ndarray
    target: np.ndarray


def recorded(name: str) -> tuple[Sample, ...]:
    """Returns the recorded states of a task, the start first; empty if there are none."""
    rows = json.loads(PATH.read_text()).get(name, [])
    return tuple(Sample(label, *(np.array(x, np.float32) for x in parts)) for label, *parts in rows)
