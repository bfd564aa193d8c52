"""A person as a teacher, at the level of HTTP; `test_person_browser.py` drives the page."""

import http.client
import io
import json
import threading
import types

import labelled_run
import numpy as np
import pytest
from PIL import Image

from core_jax.feedback.labels import LabelStore
from core_jax.feedback.person import Desk, desk, make_server
from core_jax.feedback.person.by_hand import ByHand
from core_jax.feedback.queries import PairLabel
from core_jax.feedback.rounds import Entry, Round
from core_jax.visual import episodes as film

SIZE = 32


@pytest.fixture(scope="module", autouse=True)
def small_pictures():
    """Pictures are small and their painter is compiled once."""
    painters = {}
    paint = lambda env, size: painters.setdefault(size, film.painter(env, size))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk, "_SIZE", SIZE)
        patch.setattr(desk, "film", types.SimpleNamespace(painter=paint))
        yield


class Page:
    """A server for a run and what a page would ask of it."""

    def __init__(self, run, name=""):
        self.desk = Desk(run, name)
        self.server = make_server(self.desk)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.desk.close()

    def send(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        if isinstance(body, dict):
            body = json.dumps(body)
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        return reply, content

    def state(self):
        return json.loads(self.send("GET", "/state")[1])

    def answer(self, key, choice, seconds=1.5):
        body = {"key": key, "choice": choice, "seconds": seconds}
        reply, content = self.send("POST", "/answer", body)
        return reply.status, json.loads(content)


@pytest.fixture
def run(tmp_path):
    return labelled_run.make(tmp_path / "run", count=5)


def stored(run, teacher="person"):
    store = LabelStore(run / "labels.sqlite")
    found = {row[0]: row[6] for row in store.rows() if row[5] == teacher}
    store.close()
    return found


def test_answers_are_kept_and_the_next_question_comes(run):
    expected = {}
    with Page(run) as page:
        state = page.state()
        assert (state["answered"], state["total"], state["teacher"]) == (0, 5, "person")
        assert state["instruction"] == "open the drawer"
        for choice, value in (("a", 0.0), ("b", 1.0), ("equal", 0.5), ("unsure", None)):
            key = state["next"]
            status, state = page.answer(key, choice)
            expected[key] = value
            assert status == 200 and state["answered"] == len(expected)
            assert stored(run) == expected  # on disk before the page knows
        status, state = page.answer(state["next"], "a")
        assert (state["answered"], state["next"]) == (5, None)
        oracle = page.desk.store.find(key, "scripted-oracle")
        answer = page.desk.store.find(key, "person")
    assert oracle.preference is not None and answer.preference is None  # side by side
    assert answer.seconds == 1.5 and answer.scores_a == ()


def test_nothing_is_asked_twice_after_a_restart(run):
    with Page(run) as page:
        first = page.state()["next"]
        page.answer(first, "a")
    with Page(run) as page:
        state = page.state()
        assert state["answered"] == 1 and state["next"] != first
        assert page.answer(first, "b") == (409, {"error": "this question has been answered"})
    assert stored(run) == {first: 0.0}


def test_undo_asks_again_also_after_a_restart(run):
    with Page(run) as page:
        first = page.state()["next"]
        _, state = page.answer(first, "a")
        second = state["next"]
        page.answer(second, "b")
        undone = json.loads(page.send("POST", "/undo", {})[1])
        assert undone["next"] == second and stored(run) == {first: 0.0}
    with Page(run) as page:
        page.send("POST", "/undo", {})
        assert page.state()["next"] == first and stored(run) == {}
        assert json.loads(page.send("POST", "/undo", {})[1])["answered"] == 0  # none left: no harm
        page.answer(first, "b")
    assert stored(run) == {first: 1.0}
    assert len(stored(run, "scripted-oracle")) == 5  # undo is the person's alone


def test_people_are_kept_apart(run):
    with Page(run, "alice") as page:
        page.answer(page.state()["next"], "a")
    with Page(run, "bob") as page:
        assert page.state()["answered"] == 0
    assert len(stored(run, "person-alice")) == 1
    with pytest.raises(ValueError, match="--name 'Bob; '"):
        Desk(run, "Bob; ")


def test_a_clip_is_its_frames_from_top_to_bottom(run):
    with Page(run) as page:
        key = page.state()["next"]
        reply, content = page.send("GET", f"/clip/{key}/b.png")
        question = page.desk.store.question(key).question
        expected = film.pictures(page.desk.env, question.b.snapshot, SIZE)
        _, goal = page.send("GET", "/goal.png")
    assert reply.headers["Content-Type"] == "image/png"
    strip = np.asarray(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(strip.reshape(20, SIZE, SIZE, 3), expected)
    assert Image.open(io.BytesIO(goal)).size == (SIZE, SIZE)


def test_a_run_under_way_gets_new_questions(run):
    with Page(run) as page:
        other = LabelStore(run / "labels.sqlite")
        other.put("vlm", labelled_run.questions(3, round=1), 8_000)  # asked, not answered yet
        other.close()
        assert page.state()["total"] == 8


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/state", None, {"Host": "evil.example"}, 403),  # a name that resolves to loopback
        ("GET", "/", None, {"Host": "127.0.0.1:1"}, 403),
        ("POST", "/undo", {}, {"Host": "evil.example"}, 403),
        ("POST", "/undo", {}, {"Origin": "http://evil.example"}, 403),
        ("POST", "/undo", {}, {"Origin": "null"}, 403),
        ("POST", "/undo", "{}", {"Content_Type": "text/plain"}, 415),  # a form of another page
        ("POST", "/undo", "x" * 5_000, {}, 413),
        ("POST", "/undo", "{", {}, 400),
        ("POST", "/answer", {"key": "0" * 64, "choice": "a", "seconds": 1}, {}, 409),
        ("POST", "/answer", {"key": "?", "choice": "a"}, {}, 409),
        ("POST", "/answer", "[1]", {}, 409),
        ("POST", "/elsewhere", {}, {}, 404),
        ("GET", "/../../etc/passwd", None, {}, 404),
        ("GET", "/clip/../../config.json/a.png", None, {}, 404),
        ("GET", "/%2e%2e/config.json", None, {}, 404),
        ("GET", "/clip/" + "0" * 64 + "/a.png", None, {}, 404),
        ("GET", "/labels.sqlite", None, {}, 404),
        ("DELETE", "/state", None, {}, 501),
    ],
)
def test_nothing_else_is_served(shared, method, path, body, headers, status):
    reply, content = shared.send(method, path, body, **headers)
    assert reply.status == status
    assert b"root:" not in content and b"next_obs" not in content
    assert shared.state()["answered"] == 0


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with Page(labelled_run.make(tmp_path_factory.mktemp("shared") / "run", count=2)) as page:
        yield page


@pytest.mark.parametrize("choice", ["c", "", "A"])
def test_a_choice_that_is_none(shared, choice):
    status, told = shared.answer(shared.state()["next"], choice)
    assert status == 409 and "Valid: a, b, equal, unsure" in told["error"]


def test_the_page_needs_nothing_from_elsewhere(shared):
    reply, content = shared.send("GET", "/")
    page = content.decode()
    assert reply.status == 200 and "<canvas>" in page
    assert "http://" not in page and "https://" not in page and 'src="//' not in page
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    assert shared.server.server_address[0] == "127.0.0.1"


def test_a_folder_without_questions(tmp_path):
    with pytest.raises(ValueError, match="no config.json"):
        Desk(tmp_path)
    run = labelled_run.make(tmp_path / "run", count=0)
    with pytest.raises(ValueError, match="has asked no questions yet"):
        Desk(run)


def test_a_taken_port_is_named(shared):
    with pytest.raises(ValueError, match=f"--port {shared.port}: .*0 takes a free one"):
        make_server(shared.desk, shared.port)


def test_a_run_waits_for_a_person_and_a_new_process_goes_on_waiting(tmp_path):
    """The run and the page are two processes on one store; here, two stores on one file."""
    path = tmp_path / "labels.sqlite"
    run, page = LabelStore(path), LabelStore(path)
    teacher, asked = ByHand(run), labelled_run.questions(4)
    early = Round(0, 1_000, True, tuple(Entry(0, q, 0.1) for q in asked[:2]))
    late = Round(1, 5_000, True, tuple(Entry(0, q._replace(round=1), 0.1) for q in asked[2:]))
    teacher.put(early)
    teacher.put(late)
    assert teacher.collect(0) == []  # not due yet: training goes on
    assert [r.index for r in teacher.pending()] == [0, 1]

    resumed = ByHand(run)
    for waiting in teacher.pending():
        resumed.put_again(waiting)
    keys = page.open("person")
    assert keys == [q.key() for q in asked]

    def answer():
        for key, value in zip(keys[:2], (1.0, None), strict=True):
            page.answer(key, "person", PairLabel(value, (), (), reason=""))

    threading.Timer(1.0, answer).start()
    [arrived] = resumed.collect(1_000)
    assert arrived.round == early
    assert [a.preference for a in arrived.answers] == [1.0, None]
    assert resumed.waited > 0.5 and resumed.pending() == [late]
