"""Any chat model as a judge: what it is shown, orders, abstentions, failures, concurrency."""

import json
import threading
import time

import numpy as np
import pytest

from core_jax.models.base import Reply
from core_jax.models.chat_judge import ChatJudge
from core_jax.models.failures import ChatError
from core_jax.prompts.message import Picture
from core_jax.reward_models.large_reward import ABSTAINED, FAILED, Frames

TASK = "push the ball"


class Bright:
    """A model that reads pictures of one byte: more is further. `always` replies the same."""

    name = "bright"

    def __init__(self, always=None, seconds=0.0):
        self.always, self.seconds, self.asked, self.schemas = always, seconds, [], []
        self.now = self.most = 0
        self.lock = threading.Lock()

    def complete(self, messages, n, attempt=0, schema=None):
        with self.lock:
            self.asked.append(messages)
            self.schemas.append(schema)
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        with self.lock:
            self.now -= 1
        if isinstance(self.always, Exception):
            raise self.always
        if self.always is not None:
            return [Reply(self.always)]
        levels = [p.png[0] for p in messages[1].parts if isinstance(p, Picture)]
        title = schema["title"]
        if title == "progress":
            answer = {"progress": f"{round(levels[2] / 255, 1):.1f}"}
        elif title == "completion":
            answer = {"completed": "yes" if levels[1] > 127 else "no"}
        else:
            answer = {"further": "B" if levels[2] > levels[1] else "A"}
        return [Reply(json.dumps({"reason": "seen", **answer, "confidence": 0.75}))]


def to_png(picture):
    return bytes([int(picture[0, 0, 0])])


def frames(*levels):
    return Frames(np.stack([np.full((2, 2, 3), level, np.uint8) for level in levels]))


ENDS = frames(0, 0, 0), frames(255, 255, 255)
SHOWN = frames(10, 200, 100)


def judge(model, **settings):
    return ChatJudge(model, to_png, concurrency=4, **settings)


def test_the_three_questions():
    asked = judge(Bright())
    found = asked.progress(SHOWN, TASK, *ENDS)
    np.testing.assert_allclose(found.value, [0.0, 0.8, 0.4], atol=1e-6)
    np.testing.assert_allclose(found.confidence, 0.75)
    assert asked.completion(SHOWN, TASK, *ENDS).value.tolist() == [0.0, 1.0, 0.0]
    compared = asked.comparison(SHOWN, frames(20, 100, 99), TASK, *ENDS)
    assert compared.value.tolist() == [1.0, -1.0, -1.0] and compared.answered.all()
    assert TASK in asked._model.asked[0][1].parts[-1]


@pytest.mark.parametrize("reply", ["no idea", '{"further": "C"}', ""])
def test_a_reply_that_cannot_be_read_is_asked_again_and_then_a_failure(reply):
    model = Bright(reply)
    found = judge(model).comparison(SHOWN, SHOWN, TASK, *ENDS)
    assert found.status.tolist() == 3 * [FAILED] and np.isnan(found.value).all()
    assert len(model.asked) == 9


def test_a_service_that_does_not_answer_is_a_failure():
    found = judge(Bright(ChatError("down"))).progress(SHOWN, TASK, *ENDS)
    assert found.status.tolist() == 3 * [FAILED] and np.isnan(found.value).all()


def test_unsure_is_an_abstention():
    found = judge(Bright('{"further": "unsure", "confidence": 0.2}')).comparison(
        SHOWN, SHOWN, TASK, *ENDS
    )
    assert found.status.tolist() == 3 * [ABSTAINED] and np.isnan(found.value).all()


def test_both_orders_must_agree():
    other = frames(20, 100, 99)
    good = judge(Bright(), both_orders=True).comparison(SHOWN, other, TASK, *ENDS)
    assert good.value.tolist() == [1.0, -1.0, -1.0]
    biased = Bright('{"further": "B", "confidence": 0.9}')
    found = judge(biased, both_orders=True).comparison(SHOWN, other, TASK, *ENDS)
    assert found.status.tolist() == 3 * [ABSTAINED] and len(biased.asked) == 6
    once = judge(biased).comparison(SHOWN, other, TASK, *ENDS)
    assert once.value.tolist() == [1.0, 1.0, 1.0]


def test_shuffled_frames_have_their_own_answers():
    levels = list(range(0, 250, 10))
    ends = frames(*[0] * 25), frames(*[255] * 25)
    model = Bright()
    found = judge(model, shuffle=True).progress(frames(*levels), TASK, *ends)
    np.testing.assert_allclose(found.value, [round(x / 255, 1) for x in levels], atol=1e-6)
    order = [[p.png[0] for p in m[1].parts if isinstance(p, Picture)][2] for m in model.asked]
    assert sorted(order) == levels and order[:8] != levels[:8]


def test_requests_are_under_way_together():
    model = Bright(seconds=0.1)
    judge(model).progress(frames(*range(8)), TASK, frames(*[0] * 8), frames(*[255] * 8))
    assert model.most == 4


def test_pictures_that_are_missing_are_named():
    with pytest.raises(ValueError, match="start and the goal"):
        judge(Bright()).progress(SHOWN, TASK)
