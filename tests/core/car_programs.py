"""Image programs on MiniGrid's pictures, good and bad, as text."""

_HEAD = "import numpy as np\nimport cv2\n\n"
STATELESS = (
    _HEAD
    + """class Check:
    def __init__(self, first_frame):
        self.first = first_frame

    def reward(self, frame):
        return 1.0 if {condition} else 0.0
"""
)
LATE = (
    _HEAD
    + """class Late:
    def __init__(self, first_frame):
        self.first = first_frame
        self.before = False

    def reward(self, frame):
        now = {condition}
        before = self.before
        self.before = now
        return 1.0 if before else 0.0
"""
)
AT_START = (
    _HEAD
    + """class AtStart:
    def __init__(self, first_frame):
        self.count = 0

    def reward(self, frame):
        self.count = self.count + 1
        return 1.0 if self.count < 4 else 0.0
"""
)
_RED, _GREEN, _BLUE = "frame[:, :, 0]", "frame[:, :, 1]", "frame[:, :, 2]"
_YELLOW = f"({_RED} > {{low}}) & ({_RED} < {{high}}) & ({_GREEN} > {{low}}) & ({_BLUE} < 60)"
_KEY = f"np.sum({_YELLOW.format(low=230, high=256)}) == 0"
_FILLED = f"np.sum({_YELLOW.format(low=95, high=140)}) < 15"
_ON_GOAL = f"np.sum(({_GREEN} > 200) & ({_RED} < 60)) < 55"
_DARK = "np.sum(np.max(frame[8:40, 40:48], axis=2) < 20) > 10"
_ROOM = "np.sum(np.max(frame[8:40, 8:40], axis=2) > 60)"
_TAKEN = f"{_ROOM} < {_ROOM.replace('frame', 'self.first')} - 5"
_BOX = "np.sum((np.max({}[8:40, 48:80], axis=2) > 47))"
_GONE = (
    "np.sum((np.max(frame[8:40, 48:80], axis=2) > 40) & "
    "(np.max(self.first[8:40, 48:80], axis=2) > 47)) < 3"
)
GOOD = {
    "minigrid-doorkey-6x6": (_KEY, _FILLED, _ON_GOAL),
    "minigrid-doorkey-8x8": (_KEY, _FILLED, _ON_GOAL),
    "minigrid-unlock": (_TAKEN, _DARK),
    "minigrid-unlockpickup": (_TAKEN, _DARK, _GONE),
}
"""Task -> a condition for each of its sub-tasks."""
# Who does not look at colours takes the key that goes for what happens last.
_BRIGHT = "np.sum(np.max(frame, axis=2) > 150)"
_COLOUR_BLIND = f"{_BRIGHT} < {_BRIGHT.replace('frame', 'self.first')}"
# Where the agent is, as a number that says nothing of the task.
_PLACE = "np.argmax(frame[:, :, 0] > 200, axis={axis})"
_CHANCE = f"(np.sum({_PLACE.format(axis=0)}) + np.sum({_PLACE.format(axis=1)})) % 3 == 0"
_GOAL_NEAR = """class Near:
    def __init__(self, first_frame):
        green = (first_frame[:, :, 1] > 200) & (first_frame[:, :, 0] < 60)
        ys, xs = np.nonzero(green)
        self.x, self.y = np.mean(xs), np.mean(ys)

    def reward(self, frame):
        ys, xs = np.nonzero((frame[:, :, 0] > 200) & (frame[:, :, 1] < 60))
        return 1.0 if abs(np.mean(xs) - self.x) + abs(np.mean(ys) - self.y) < 11 else 0.0
"""
_LAST_COLUMN = (
    "np.sum((frame[8:40, 32:40, 0] > 200) & (frame[8:40, 32:40, 1] < 60) & "
    "(frame[8:40, 32:40, 2] < 60)) > 9"
)
EARLY = {
    "minigrid-doorkey-6x6": _HEAD + _GOAL_NEAR,
    "minigrid-doorkey-8x8": _HEAD + _GOAL_NEAR,
    "minigrid-unlock": STATELESS.format(condition=_LAST_COLUMN),
    "minigrid-unlockpickup": STATELESS.format(
        condition="np.sum((frame[8:40, 48:80, 0] > 200) & (frame[8:40, 48:80, 1] < 60)) > 9"
    ),
}
"""Task -> a program for its last sub-task that fires before it is completed."""


def good(task):
    """A program for each sub-task of a task."""
    return [STATELESS.format(condition=c) for c in GOOD[task]]


def bad(task):
    """Programs that must not be believed: (what is wrong, programs of the sub-tasks before,
    program, whether its sub-task is the last one)."""
    right, last = good(task), GOOD[task][-1]
    return [
        ("always true", [], STATELESS.format(condition="True"), False),
        ("always true at the end", right[:-1], STATELESS.format(condition="True"), True),
        ("by chance", [], STATELESS.format(condition=_CHANCE), False),
        ("only at the start", [], AT_START, False),
        ("colour-blind", right[:-1], STATELESS.format(condition=_COLOUR_BLIND), True),
        ("a frame late", right[:-1], LATE.format(condition=last), True),
        ("too early", right[:-1], EARLY[task], True),
        ("order swapped", [right[1]], right[0], False),
        ("never", right[:-1], STATELESS.format(condition="False"), True),
    ]
