"""The labelling page while its clips are rendered, and where they cannot be."""

import http.client
import threading
import time

import labelled_run
import numpy as np
import pytest
from label_page import Page

from core_jax import envs

SIZE = 32


@pytest.fixture(scope="module")
def env():
    return envs.make("drawer-open")


@pytest.fixture
def run(tmp_path):
    return labelled_run.make(tmp_path / "run", count=5)


def blank(snapshots):
    """Pictures without rendering."""
    return np.zeros((len(snapshots), SIZE, SIZE, 3), np.uint8)


def test_the_page_says_how_many_pictures_are_ready(run, env):
    """Two clips of 20 pictures are rendered in parts of 16."""
    may, began = threading.Semaphore(0), threading.Semaphore(0)

    def slow(snapshots):
        began.release()
        assert may.acquire(timeout=60)
        return blank(snapshots)

    with Page(run, env, slow) as page:
        for rendered in (0, 16, 32):
            question = page.state()["next"]
            assert began.acquire(timeout=60)
            assert (question["rendered"], question["pictures"]) == (rendered, 40)
            assert question["ready"] is False and question["problem"] == ""
            may.release()
            until = time.monotonic() + 60
            while page.state()["next"]["rendered"] == rendered and time.monotonic() < until:
                time.sleep(0.01)
        may.release(100)
        assert page.send("GET", f"/clip/{question['key']}/a.png")[0].status == 200
        question = page.state()["next"]
        assert question["ready"] is True and question["rendered"] == 40


def test_a_session_that_is_closed_while_it_renders_cancels_the_rest(run, env, capfd):
    began, may, calls = threading.Event(), threading.Event(), []

    def slow(snapshots):
        calls.append(len(snapshots))
        began.set()
        assert may.wait(60)
        return blank(snapshots)

    with Page(run, env, slow) as page:
        key = page.key()
        paths = (f"/clip/{key}/a.png", "/goal.png", "/state")
        assert began.wait(60)
        waiting = [threading.Thread(target=refused, args=(page, path)) for path in paths[:2]]
        for thread in waiting:
            thread.start()
        closing = threading.Thread(target=page.session.close)
        closing.start()
        closing.join(0.2)
        assert closing.is_alive()  # the picture under way is waited for
        may.set()
        for thread in (closing, *waiting):
            thread.join(60)
        refused(page, "/state")  # of a page that is still open
    assert calls == [16] and capfd.readouterr().err == ""


def refused(page, path):
    """Asks for what a closing session does not give: an error's status, or no reply at all."""
    try:
        reply, _ = page.send("GET", path)
    except (http.client.HTTPException, ConnectionError):
        return
    assert reply.status >= 400


def test_clips_that_cannot_be_rendered_are_named(run, env):
    def broken(snapshots):
        raise RuntimeError("no device")

    with Page(run, env, broken) as page:
        page.state()
        page.session._pictures._renderer.submit(lambda: None).result()  # after the clips
        question = page.state()["next"]
        assert question["ready"] and question["problem"] == (
            "the clips cannot be rendered: no device"
        )
