"""What image programs may be written in: values worked out by hand on small pictures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.reward_models.programs import Program, compile_program

SIZE = 16
HEAD = "import cv2\nimport numpy as np\n"


def picture(*spots: tuple[int, int, int, int], red: int = 255) -> jax.Array:
    """A black picture with red rectangles (x, y, width, height)."""
    frame = np.zeros((SIZE, SIZE, 3), np.uint8)
    for x, y, width, height in spots:
        frame[y : y + height, x : x + width, 0] = red
    return jnp.asarray(frame)


def compiled(body: str) -> Program:
    return compile_program(HEAD + body, SIZE, SIZE)


def rewards(body: str, *frames: jax.Array) -> list[float]:
    """The reward of each frame of an episode."""
    program = compiled(body)
    state, found = program.init(frames[0]), []
    for frame in frames:
        state, reward = program.step(state, frame)
        found.append(float(reward))
    return found


SPOTS = "    mask = cv2.inRange(image, np.array([200, 0, 0]), np.array([255, 9, 9]))\n"
CONTOURS = SPOTS + (
    "    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)\n"
)
TWO = picture((2, 1, 3, 3), (8, 9, 6, 4))  # areas 4 and 15, of 9 and 24 pixels


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("    return cv2.countNonZero(mask)", 33),
        ("    return len(contours)", 2),
        ("    return cv2.contourArea(contours[0])", 15),  # the lowest comes first
        ("    return max(cv2.contourArea(c) for c in contours)", 15),
        ("    return sum([len(c) for c in contours])", 8),
        ("    c = max(contours, key=cv2.contourArea)\n    return cv2.boundingRect(c)[0]", 8),
        ("    return cv2.boundingRect(min(contours, key=cv2.contourArea))[2]", 3),
        ("    return len([c for c in contours if cv2.contourArea(c) > 10])", 1),
        ("    return cv2.arcLength(sorted(contours, key=cv2.contourArea)[0], True)", 8),
        ("    return any(cv2.contourArea(c) > 14 for c in contours)", 1),
        ("    return all(cv2.contourArea(c) > 14 for c in contours)", 0),
        ("    M = cv2.moments(contours[1])\n    return int(M['m10'] / M['m00'])", 3),
        ("    ys, xs = np.where(mask > 0)\n    return xs.max() + ys.min()", 14),
        ("    x, y, w, h = cv2.boundingRect(mask)\n    return mask[y:y + h, x:x + w].mean()",
         58.4375),
        ("    a = 0\n    for i, c in enumerate(contours):\n        a += (i + 1) * len(c)\n"
         "    return a", 12),
        ("    return [cv2.contourArea(c) for c in contours][-1]", 4),
        ("    pts = contours[1].reshape(-1, 2)\n    return pts[:, 1].sum()", 8),
        ("    return int((mask[:, :8] // 255).sum()) - 9", 0),
        ("    return float(mask.astype(np.int32).sum() - 33 * 255)", 0),
        ("    return (mask + mask)[1, 2]", 254),  # uint8 wraps around
        ("    out = np.zeros_like(mask)\n    out[2:4, 5:] = 7\n    return (out > 0).sum()", 22),
    ],
)  # fmt: skip
def test_values(body: str, wanted: float) -> None:
    assert rewards(f"def reward(image):\n{CONTOURS}{body}\n", TWO) == [pytest.approx(wanted)]


def test_the_first_match_of_a_loop_is_found_and_the_rest_is_not_looked_at() -> None:
    body = """def reward(image):
    mask = image[:, :, 0]
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found = None
    looked = 0
    for c in contours:
        looked += 1
        if cv2.contourArea(c) < 10:
            continue
        x, y, w, h = cv2.boundingRect(c)
        found = (x, y)
        break
    else:
        return -1
    return 100 * looked + found[0]
"""
    three = picture((1, 1, 5, 5), (9, 1, 5, 5), (3, 12, 2, 2))
    assert rewards(body, three, picture((1, 1, 2, 2)), picture()) == [209, -1, -1]


def test_attributes_are_kept_from_frame_to_frame() -> None:
    body = """class Task:
    def __init__(self):
        self.first = None
        self.best = 0
        self.seen = []

    def count(self, image):
        return cv2.countNonZero(image[:, :, 0])

    def reward(self, image):
        n = self.count(image)
        if self.first is None:
            self.first = image
        self.seen.append(n)
        gain = max(0, n - self.best)
        self.best = max(self.best, n)
        return gain + 100 * self.count(self.first) + 10000 * len(self.seen)
"""
    frames = picture((0, 0, 2, 1)), picture((0, 0, 5, 1)), picture((0, 0, 1, 1))
    assert rewards(body, *frames) == [10202, 20203, 30200]


def test_first_and_previous_pictures_are_given_by_name() -> None:
    body = """def reward(first_image, prev_image, image):
    counts = [cv2.countNonZero(x[..., 0]) for x in (first_image, prev_image, image)]
    return counts[0] + 10 * counts[1] + 100 * counts[2]
"""
    frames = picture((0, 0, 1, 1)), picture((0, 0, 2, 1)), picture((0, 0, 3, 1))
    assert rewards(body, *frames) == [111, 211, 321]


def test_imread_gives_blue_first_and_an_argument_red_first() -> None:
    read = "def reward(image_path):\n    return cv2.imread(image_path)[0, 0, 2]\n"
    direct = "def reward(image):\n    return image[0, 0, 0]\n"
    frame = picture((0, 0, 1, 1), red=77)
    assert rewards(read, frame) == rewards(direct, frame) == [77]


def test_where_python_raises_the_reward_is_nan_and_the_state_stays() -> None:
    body = """class Task:
    def __init__(self):
        self.total = 0

    def reward(self, image):
        n = cv2.countNonZero(image[..., 0])
        self.total += 1
        return self.total + 6 / n
"""
    frames = picture((0, 0, 2, 1)), picture(), picture((0, 0, 3, 1))
    found = rewards(body, *frames)
    assert found[0] == 4 and np.isnan(found[1]) and found[2] == 4


def test_an_exception_is_caught_with_what_was_assigned_before_it() -> None:
    body = """def reward(image):
    n = cv2.countNonZero(image[..., 0])
    kept = 0
    try:
        kept = 1
        kept = 6 / n
        kept += 10
    except ZeroDivisionError:
        kept += 5
    return kept
"""
    assert rewards(body, picture((0, 0, 2, 1)), picture()) == [13, 6]


def test_a_name_that_some_path_leaves_unset_is_a_warning_and_nan_there() -> None:
    body = """def reward(image):
    for value in (3, 2, 1):
        if image[0, 0, 0] == value:
            found = value
    return found
"""
    program = compiled(body)
    assert program.warnings == ("line 7: `found` has no value on some paths",)
    found = rewards(body, picture((0, 0, 1, 1), red=2), picture())
    assert found[0] == 2 and np.isnan(found[1])


def test_a_program_is_jitted_scanned_and_vmapped() -> None:
    body = """class Task:
    def __init__(self):
        self.last = None

    def reward(self, image):
        c, _ = cv2.findContours(image[..., 0], cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        n, self.last = self.last, len(c)
        return 0 if n is None else self.last - n
"""
    program, traces = compiled(body), []
    frames = jnp.stack([picture(), picture((1, 1, 2, 2)), picture((1, 1, 2, 2), (9, 9, 1, 1))])
    episodes = jnp.stack([frames, frames[::-1]])

    def episode(rows: jax.Array) -> jax.Array:
        traces.append(1)
        return jax.lax.scan(program.step, program.init(rows[0]), rows)[1]

    run = jax.jit(jax.vmap(episode))
    wanted = [[0, 1, 1], [0, -1, -1]]
    assert run(episodes).tolist() == wanted and run(episodes).tolist() == wanted
    assert len(traces) == 1
    alone = [rewards(body, *rows) for rows in episodes]
    assert alone == wanted


def test_pictures_of_another_shape_or_type_are_refused() -> None:
    program = compiled("def reward(image):\n    return image[0, 0, 0]\n")
    with pytest.raises(ValueError, match="compiled for uint8 pictures of shape"):
        program.init(jnp.zeros((SIZE, SIZE, 3)))
    with pytest.raises(ValueError, match=r"shape \(8, 8, 3\)"):
        program.step((), jnp.zeros((8, 8, 3), jnp.uint8))


def test_more_contours_than_are_kept_give_nan() -> None:
    body = f"def reward(image):\n{CONTOURS}    return len(contours)\n"
    spots = [(x, y, 1, 1) for x in range(0, 16, 2) for y in range(0, 16, 2)]
    found = rewards(body, picture(*spots))
    assert found == [64]
    wide = np.zeros((32, 32, 3), np.uint8)
    wide[::2, ::2, 0] = 255
    program = compile_program(HEAD + body, 32, 32)
    assert np.isnan(program.step(program.init(jnp.asarray(wide)), jnp.asarray(wide))[1])
