"""A person as a teacher, at the level of HTTP; `test_person_browser.py` drives the page."""

import io
import json
import threading

import labelled_run
import numpy as np
import pytest
from label_page import Page
from PIL import Image
from random_queries import single

from core_jax import envs
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.person import LabelSession
from core_jax.feedback.person.choices import choices, label_of
from core_jax.feedback.person.labelling import PersonLabelling
from core_jax.feedback.queries import PairLabel, SingleLabel
from core_jax.feedback.rounds import Entry, Round
from core_jax.visual.frames import FrameRenderer

SIZE = 32


@pytest.fixture(scope="module")
def env():
    return envs.make("drawer-open")


@pytest.fixture(scope="module")
def render(env):
    return FrameRenderer(env, SIZE).render


@pytest.fixture
def page(run, env, render):
    with Page(run, env, render) as page:
        yield page


@pytest.fixture
def run(tmp_path):
    return labelled_run.make(tmp_path / "run", count=5)


def stored(run, teacher="person"):
    store = LabelStore(run / "labels.sqlite")
    found = {row.key: row.label for row in store.rows() if row.teacher == teacher}
    store.close()
    return found


def preferences(run, teacher="person"):
    return {key: label.preference for key, label in stored(run, teacher).items()}


def test_answers_are_kept_and_the_next_question_comes(run, page):
    expected = {}
    state = page.state()
    assert (state["answered"], state["total"], state["teacher"]) == (0, 5, "person")
    assert state["next"]["title"] == "Which clip does it better: open the drawer?"
    assert state["next"]["roles"] == ["a", "b"]
    for choice, value in (("a", 0.0), ("b", 1.0), ("equal", 0.5), ("unsure", None)):
        key = state["next"]["key"]
        status, state = page.answer(key, choice)
        expected[key] = value
        assert status == 200 and state["answered"] == len(expected)
        assert preferences(run) == expected  # on disk before the page knows
    status, state = page.answer(state["next"]["key"], "a")
    assert (state["answered"], state["next"]) == (5, None)
    oracle = page.session.store.find(key, "scripted-oracle")
    answer = page.session.store.find(key, "person")
    assert oracle.preference is not None and answer.preference is None  # side by side
    assert answer.seconds == 1.5 and answer.scores_a == ()


def test_nothing_is_asked_twice_after_a_restart(run, env, render):
    with Page(run, env, render) as page:
        first = page.key()
        page.answer(first, "a")
    with Page(run, env, render) as page:
        state = page.state()
        assert state["answered"] == 1 and state["next"]["key"] != first
        assert page.answer(first, "b") == (409, {"error": "this question has been answered"})
    assert preferences(run) == {first: 0.0}


def test_undo_asks_again_also_after_a_restart(run, env, render):
    with Page(run, env, render) as page:
        first = page.key()
        _, state = page.answer(first, "a")
        second = state["next"]["key"]
        page.answer(second, "b")
        undone = json.loads(page.send("POST", "/undo", {})[1])
        assert undone["next"]["key"] == second and preferences(run) == {first: 0.0}
    with Page(run, env, render) as page:
        page.send("POST", "/undo", {})
        assert page.key() == first and preferences(run) == {}
        assert json.loads(page.send("POST", "/undo", {})[1])["answered"] == 0  # none left: no harm
        page.answer(first, "b")
    assert preferences(run) == {first: 1.0}
    assert len(stored(run, "scripted-oracle")) == 5  # undo is the person's alone


def test_people_are_kept_apart(run, env, render):
    with Page(run, env, render, "alice") as page:
        page.answer(page.key(), "a")
    with Page(run, env, render, "bob") as page:
        assert page.state()["answered"] == 0
    assert len(stored(run, "person-alice")) == 1
    with pytest.raises(ValueError, match="--name 'Bob; '"):
        LabelSession(run, env, render, "Bob; ")


def test_a_clip_is_its_frames_from_top_to_bottom(page, render):
    key = page.key()
    reply, content = page.send("GET", f"/clip/{key}/b.png")
    question = page.session.store.question(key).question
    expected = render(question.b.snapshot)
    _, goal = page.send("GET", "/goal.png")
    assert reply.headers["Content-Type"] == "image/png"
    strip = np.asarray(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(strip.reshape(20, SIZE, SIZE, 3), expected)
    assert Image.open(io.BytesIO(goal)).size == (SIZE, SIZE)


def test_a_run_under_way_gets_new_questions(run, page):
    other = LabelStore(run / "labels.sqlite")
    other.put("vlm", labelled_run.questions(3, round=1), 8_000)  # asked, not answered yet
    other.close()
    assert page.state()["total"] == 8


@pytest.fixture
def singles(tmp_path, env):
    """A run that asks for a rating, whether the task is completed, and for progress."""
    run = labelled_run.make(tmp_path / "run", count=0)
    clip = labelled_run.questions(1)[0].a
    store = LabelStore(run / "labels.sqlite")
    asked = [single(clip), single(clip, "completion", None), single(clip, "progress", None)]
    store.put("vlm", asked, 4_000)
    store.close()
    return run


def test_single_clips_are_asked_by_their_own_choices(singles, env, render):
    with Page(singles, env, render) as page:
        state = page.state()
        assert state["total"] == 3
        question = state["next"]
        assert question["roles"] == ["clip"] and "how good is it" in question["title"]
        offered = [(c["choice"], c["text"], c["keys"]) for c in question["choices"]]
        assert offered[:3] == [("0", "bad", ["1"]), ("1", "average", ["2"]), ("2", "good", ["3"])]
        assert page.answer(question["key"], "3")[0] == 409
        reply, _ = page.send("GET", f"/clip/{question['key']}/clip.png")
        assert reply.status == 200
        _, state = page.answer(question["key"], "2")
        assert stored(singles) == {question["key"]: SingleLabel(2.0, "", seconds=1.5)}
        question = state["next"]
        assert "is it done" in question["title"]
        assert [c["choice"] for c in question["choices"]] == ["0", "1", "unsure"]
        _, state = page.answer(question["key"], "unsure")
        assert stored(singles)[question["key"]].value is None
        question = state["next"]
        assert "how far from start" in question["title"] and question["roles"] == ["clip"]
        offered = [(c["choice"], c["keys"]) for c in question["choices"]]
        assert offered[:2] == [("0.0", ["0"]), ("0.1", ["1"])] and offered[10] == ("1.0", ["d"])
        assert page.answer(question["key"], "0.55")[0] == 409
        _, state = page.answer(question["key"], "0.7")
        assert state["next"] is None
        assert stored(singles)[question["key"]] == SingleLabel(0.7, "", seconds=1.5)


def test_single_clips_are_asked_beside_pairs(run, env, render):
    clip = labelled_run.questions(1)[0].a
    store = LabelStore(run / "labels.sqlite")
    asked = [single(clip), single(clip, "progress", None)]
    store.put("vlm", [query._replace(round=7) for query in asked], 9_000)
    store.close()
    with Page(run, env, render) as page:
        kinds = []
        while question := page.state()["next"]:
            kinds.append(question["asks"])
            page.answer(question["key"], question["choices"][0]["choice"])
    assert kinds == ["pair"] * 5 + ["rating", "progress"] and len(stored(run)) == 7


@pytest.mark.parametrize("place", [("pair", None), ("rating", 9), ("progress", None)])
def test_every_choice_is_a_label_with_keys_of_its_own(place):
    found = choices(*place)
    keys = [key for one in found for key in one.keys]
    assert len(set(keys)) == len(keys)
    assert not {*keys} & {"z", "Backspace", " ", ",", ".", "-", "+", "="}  # the page's own
    for one in found:
        label_of(*place, one.choice, 1.0)


@pytest.mark.parametrize("choice", ["c", "", "A"])
def test_a_choice_that_is_none(page, choice):
    status, told = page.answer(page.key(), choice)
    assert status == 409 and "Valid: a, b, equal, unsure" in told["error"]


def test_a_folder_without_questions(tmp_path, env, render):
    with pytest.raises(ValueError, match="has no labels.sqlite"):
        LabelSession(tmp_path, env, render)
    run = labelled_run.make(tmp_path / "run", count=0)
    with pytest.raises(ValueError, match="has asked no questions of these kinds yet: completion"):
        LabelSession(run, env, render)


def test_a_run_waits_for_a_person_and_a_new_process_goes_on_waiting(tmp_path):
    """The run and the page are two processes on one store; here, two stores on one file."""
    path = tmp_path / "labels.sqlite"
    run, page = LabelStore(path), LabelStore(path)
    teacher, asked = PersonLabelling(run), labelled_run.questions(4)
    early = Round(0, 1_000, True, tuple(Entry(0, q, 0.1) for q in asked[:2]))
    late = Round(1, 5_000, True, tuple(Entry(0, q._replace(round=1), 0.1) for q in asked[2:]))
    teacher.put(early)
    teacher.put(late)
    assert teacher.collect(0) == []  # not due yet: training goes on
    assert [r.index for r in teacher.pending()] == [0, 1]

    resumed = PersonLabelling(run)
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
    assert [a.preference for a in arrived.labels] == [1.0, None]
    assert resumed.waited > 0.5 and resumed.pending() == [late]
