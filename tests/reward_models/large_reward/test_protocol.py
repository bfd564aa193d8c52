"""The released server's protocol from both sides: this client against a fake of that server, and
this project's server under the same client. Recorded requests are compared byte by byte."""

import threading

import numpy as np
import pytest
from released_server import ReleasedServer

from core_jax.reward_models.large_reward import (
    ABSTAINED,
    FAILED,
    Frames,
    server,
    wire,
)
from core_jax.reward_models.large_reward.client import ServerJudge
from core_jax.reward_models.large_reward.judge import judgements

TASK = "push the ball"


class Bright:
    """A judge for which brightness is progress."""

    name, sees, size = "bright", True, 4

    def _bright(self, frames):
        return frames.pictures.mean(axis=(1, 2, 3)) / 255.0

    def progress(self, frames, instruction, start=None, goal=None):
        assert instruction == TASK
        value = self._bright(frames)
        return judgements(value, np.ones(len(value)))

    def completion(self, frames, instruction, start=None, goal=None):
        value = (self._bright(frames) > 0.5) * 1.0
        return judgements(value, np.ones(len(value)))

    def comparison(self, a, b, instruction, start=None, goal=None):
        value = np.sign(self._bright(b) - self._bright(a))
        return judgements(value, np.ones(len(value)))


def pictures(*levels):
    return Frames(np.stack([np.full((4, 4, 3), level, np.uint8) for level in levels]))


@pytest.fixture
def released():
    fake = ReleasedServer()
    yield fake
    fake.close()


@pytest.fixture
def own():
    """This project's server, with the fake's interface as far as tests use it."""
    serving = server.make_server(Bright(), "127.0.0.1", 0)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    serving.url = f"http://127.0.0.1:{serving.server_address[1]}"
    yield serving
    serving.shutdown()
    serving.server_close()


def client(url, **settings):
    return ServerJudge(url, **{"size": 4, "retries": 1, "wait": 0.01, "timeout": 1.0, **settings})


@pytest.mark.parametrize("side", ["released", "own"])
def test_all_three_questions_are_answered(side, request):
    judge = client(request.getfixturevalue(side).url)
    assert judge.health()["status"] == "healthy" and judge.health()["model_loaded"] is True
    assert set(judge.health()["adapters"]) == {"contrastive", "progress", "completion"}
    dark, mixed = pictures(10, 100, 250), pictures(200, 40, 255)
    start, goal = pictures(0, 0, 0), pictures(255, 255, 255)
    found = judge.progress(dark, TASK, start, goal)
    np.testing.assert_allclose(found.value, [0.0, 0.4, 1.0], atol=1e-6)
    np.testing.assert_array_equal(judge.completion(dark, TASK).value, [0, 0, 1])
    np.testing.assert_array_equal(judge.comparison(dark, mixed, TASK).value, [1, -1, 1])
    assert found.answered.all() and np.isnan(found.confidence).all()
    judge.close()


def test_requests_are_byte_for_byte_the_released_client_s(released):
    judge = client(released.url, concurrency=1)
    picture = Frames(np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3))
    judge.progress(picture, TASK, picture, picture)
    judge.completion(picture, TASK)
    judge.comparison(picture, picture, TASK)
    data = '"AAECAwQFBgcICQoL"'  # the bytes 0 to 11
    one = lambda name: f'"{name}":{data},"{name}_shape":[2,2,3],"{name}_dtype":"uint8"'
    task = f'"task_description":"{TASK}"'
    body = lambda *fields: ("{" + ",".join(fields) + "}").encode()
    ends = one("goal_image"), one("initial_image")
    assert released.requests == [
        ("/compute_reward", body(one("image"), task, '"reward_type":"progress"', *ends)),
        ("/compute_completion", body(one("image"), task)),
        ("/compute_comparison", body(one("image_a"), one("image_b"), task)),
    ]
    judge.close()


@pytest.mark.parametrize("fault", [500, "html", "slow", "missing", "range", "list"])
def test_a_request_that_fails_is_never_a_value(released, fault):
    released.faults["/compute_reward"] = fault
    judge = client(released.url)
    found = judge.progress(pictures(100), TASK)
    assert found.status.tolist() == [FAILED] and np.isnan(found.value).all()
    assert len(released.requests) == 2 and judge.problems  # one repetition
    judge.close()


def test_a_request_is_repeated_after_a_passing_failure(released):
    released.faults["/compute_completion"] = 1
    judge = client(released.url)
    assert judge.completion(pictures(200), TASK).value.tolist() == [1.0]
    assert judge.problems == ["/compute_completion: HTTP 500: CUDA out of memory"]
    judge.close()


def test_a_comparison_that_the_server_could_not_read_is_an_abstention(released):
    released.faults["/compute_comparison"] = "unreadable"
    judge = client(released.url)
    found = judge.comparison(pictures(1), pictures(2), TASK)
    assert found.status.tolist() == [ABSTAINED] and np.isnan(found.value).all()
    judge.close()


def test_without_a_server_all_requests_fail():
    judge = client("http://127.0.0.1:9", retries=0)
    found = judge.completion(pictures(1, 2), TASK)
    assert found.status.tolist() == [FAILED, FAILED]
    with pytest.raises(wire.WireError):
        judge.health()
    with pytest.raises(ValueError, match="lrm.url"):
        client("127.0.0.1:5001")


def test_requests_are_under_way_together_and_answers_keep_their_order():
    slow = ReleasedServer(seconds=0.2)
    judge = client(slow.url, concurrency=8, timeout=10.0)
    levels = list(range(0, 160, 10))
    found = judge.progress(pictures(*levels), TASK)
    assert slow.most > 4
    np.testing.assert_allclose(found.value, [round(x / 255, 1) for x in levels], atol=1e-6)
    judge.close()
    slow.close()


def body(**fields):
    return {**wire.flat("image", np.full((4, 4, 3), 200, np.uint8)), "task_description": TASK,
            **fields}  # fmt: skip


def test_this_server_offers_every_endpoint():
    frames = [wire.picture_object(np.full((4, 4, 3), x, np.uint8)) for x in (0, 100, 255)]
    clip = {"frames": frames, "task_description": TASK, "fps": 5}
    ask = lambda path, content: server.answer(Bright(), "POST", path, content)
    assert ask("/compute_reward", body()) == (
        200, {"success": True, "score": 0.8, "response": '{"completion_progress": 0.8}'},
    )  # fmt: skip
    assert ask("/compute_completion", body())[1]["completed"] is True
    batch = {"images": frames, "task_descriptions": 3 * [TASK], "reward_type": "progress"}
    results = ask("/compute_rewards_batch", batch)[1]["results"]
    assert [r["score"] for r in results] == [0.0, 0.4, 1.0]
    assert ask("/compute_roboreward", clip)[1] == {"success": True, "score": 1.0, "raw_score": 5}
    top = ask("/compute_topreward", clip)[1]
    assert top["log_prob"] == 0.0 and top["score"] == 1.0 and top["token_count"] == 1
    robometer = ask("/compute_robometer", clip)[1]
    assert robometer["progress_per_frame"] == [0.0, 0.3922, 1.0] and robometer["score"] == 1.0
    shape = {"frames": [f["data"] for f in frames], "frame_shape": [4, 4, 3]}
    assert ask("/compute_robometer", {**clip, **shape})[1] == robometer


@pytest.mark.parametrize(
    "content, named",
    [
        (None, "JSON object"),
        ({"task_description": TASK}, "image is missing"),
        (body(image_shape=[4, 4]), "shape"),
        (body(image_shape=[4, 5, 3]), "48 bytes"),
        (body(image_dtype="float32"), "dtype"),
        (body(image="###"), "base64"),
        (body(task_description=""), "task_description"),
        (body(reward_type="quality"), "quality"),
    ],
)
def test_this_server_refuses_what_is_malformed_as_the_released_one_does(content, named):
    status, reply = server.answer(Bright(), "POST", "/compute_reward", content)
    assert status == 500 and reply["success"] is False and named in reply["error"]
    assert server.answer(Bright(), "POST", "/nowhere", content)[0] == 404


def test_a_picture_is_resized_by_the_means_of_cells():
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:2, :2] = [[[100] * 3, [200] * 3], [[0] * 3, [100] * 3]]
    found = server.resized(picture, 4)
    assert found.shape == (4, 4, 3) and found[0, 0].tolist() == [100, 100, 100]
    assert server.resized(picture, 3).shape == (3, 3, 3)
