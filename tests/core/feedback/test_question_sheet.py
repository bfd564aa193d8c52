"""A query about two clips as one picture."""

import numpy as np
import pytest
from PIL import Image

from core_jax import envs
from core_jax.feedback import question_sheet
from core_jax.feedback.queries import Clip, Pair, PairLabel
from core_jax.visual.frames import FrameRenderer

H = 5


def clip(spec, opened):
    progress = np.linspace(0.0, opened, H, dtype=np.float32)
    start, goal = (np.array(s, np.float32) for s in (spec.start, spec.goal))
    return Clip(
        next_obs=np.zeros((H, 39), np.float32),
        action=np.zeros((H, 4), np.float32),
        target=np.zeros((H, 3), np.float32),
        snapshot=start + progress[:, None] * (goal - start),
        dense=progress,
        progress=progress,
    )


@pytest.fixture(scope="module")
def query():
    env = envs.make("drawer-open")
    return env, Pair(clip(env.spec, 0.1), clip(env.spec, 1.0), env.spec.instruction, 0, 0)


def test_frames_are_the_first_middle_and_last_of_both_clips(query):
    env, pair = query
    frames = question_sheet.frames(env, [pair, pair], size=32)
    assert frames.shape == (2, 2, 3, 32, 32, 3)
    rendered = FrameRenderer(env, 32).render(pair.b.snapshot[[0, 2, 4]])
    np.testing.assert_array_equal(frames[1, 1], rendered)
    assert (frames[0, 0, 2] != frames[0, 1, 2]).any()  # one drawer is open, the other hardly


@pytest.mark.parametrize(
    ("preference", "confidence", "words"),
    [
        (1.0, None, "B is better"),
        (0.0, 0.5, "A is better (confidence 0.50)"),
        (0.5, None, "equal"),
        (None, None, "can't tell"),
        (0.75, None, "P(B better) = 0.75"),
    ],
)
def test_answers_in_words(preference, confidence, words):
    assert (
        question_sheet.in_words(PairLabel(preference, (), (), "", confidence=confidence)) == words
    )


def test_a_sheet_is_a_picture_that_grows_with_its_answers(query, tmp_path):
    _, pair = query
    frames = np.zeros((2, 3, 32, 32, 3), np.uint8)
    one = {"scripted": PairLabel(1.0, (0.0, 0.1, 0.1), (0.0, 0.5, 1.0), "B opens it")}
    two = one | {"vlm": PairLabel(None, (), (), "both look alike")}
    heights = []
    for answers in ({}, one, two):
        path = tmp_path / f"{len(answers)}.png"
        question_sheet.draw(pair, frames, answers, "drawer-open, query 0", path)
        with Image.open(path) as picture:
            heights.append(picture.size[1])
    assert heights[0] < heights[1] < heights[2]  # a line of text for each
