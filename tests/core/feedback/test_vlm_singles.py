"""A vision-language teacher asked about one picture, or about a pair of pictures."""

import base64
import json
import urllib.request

import labelled_run
import numpy as np
import pytest
from fake_vlm import FakeVLM
from random_queries import single
from vlm_stubs import Model, Pictures, shown, words

from core_jax.feedback.labels import Frame, LabelStore
from core_jax.feedback.queries import Clip, Order, Pair, PairLabel, SingleLabel, check_label
from core_jax.feedback.teachers.scripted_values import true_value
from core_jax.feedback.teachers.vlm import VLMTeacher
from core_jax.feedback.teachers.vlm_config import VLMConfig
from core_jax.models.base import Reply

NAME = "vlm-core m"


def clip(last, steps=5):
    """A clip whose pictures are numbered; the last has this number."""
    snapshot = np.arange(last - steps + 1, last + 1, dtype=np.float32)[:, None]
    wide = np.full((steps, 2), last, np.float32)
    return Clip(wide, wide, wide, snapshot, wide[:, 0], wide[:, 0])


@pytest.fixture
def store(tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    yield store
    store.close()


@pytest.fixture
def ask(store):
    def ask(model, query, **config):
        teacher = VLMTeacher(VLMConfig(**config), model, Pictures(), store)
        store.put(teacher.name, [query], 0)
        [label] = teacher.ask([query])
        check_label(query, label)
        return label

    return ask


def rating(word, confidence=1.0):
    return {"reason": f"it is {word}", "rating": word, "confidence": confidence}


@pytest.mark.parametrize(
    ("classes", "word", "value"), [(2, "good", 1.0), (3, "average", 1.0), (5, "very bad", 0.0)]
)
def test_a_rating_takes_a_description_and_a_verdict(ask, store, classes, word, value):
    model, query = Model("the drawer is half open", rating(word, 0.75)), single(clip(9))
    query = query._replace(classes=classes)
    label = ask(model, query, ratings=4)  # the query says how many classes, not the config
    assert label == SingleLabel(value, f"it is {word}", 24, 0.5, 0.75, label.seconds)
    (look, _, free), (judge, _, bound) = model.asked
    assert shown(look) == ["9"] and shown(judge) == [] and free is None
    assert "the drawer is half open" in words(judge) and "Two pictures" not in words(look)
    assert len(bound["properties"]["rating"]["enum"]) == classes
    assert store.frames(query.key()) == [Frame("clip", 4, b"9")]
    assert [e.stage for e in store.exchanges(query.key(), NAME)] == ["description", "rating"]


def test_a_rating_of_classes_without_words_is_refused(ask):
    with pytest.raises(ValueError, match="a rating has 2 to 5 classes, not 7"):
        ask(Model(), single(clip(9), "rating", 7))


@pytest.mark.parametrize(
    ("reply", "value"),
    [("0.7", 0.7), (0.7, 0.7), (1, 1.0), ("0", 0.0), (0.35, 0.35), ("35%", 0.35), ("0.70", 0.7),
     ("unsure", None)],
)  # fmt: skip
def test_progress_takes_one_request(ask, store, reply, value):
    answer = {"reason": "half open", "progress": reply, "confidence": 0.8}
    model, query = Model(answer), single(clip(9), "progress", None)
    label = ask(model, query)
    assert label == SingleLabel(value, "half open", 12, 0.25, 0.8, label.seconds)
    [(messages, _, schema)] = model.asked
    assert shown(messages) == ["start", "goal", "9"]
    assert schema["properties"]["progress"]["enum"] == [
        *(f"{i / 10:.1f}" for i in range(11)), "unsure",
    ]  # fmt: skip
    assert list(schema["properties"]) == ["reason", "progress", "confidence"]
    assert [f.role for f in store.frames(query.key())] == ["start", "goal", "clip"]


@pytest.mark.parametrize(
    ("reply", "value"),
    [("yes", 1.0), ("No", 0.0), (True, 1.0), (False, 0.0), ("unsure", None)],
)
def test_completion_takes_one_request(ask, store, reply, value):
    answer = {"reason": "open", "completed": reply, "confidence": 0.8}
    model, query = Model(answer), single(clip(9), "completion", None)
    assert ask(model, query).value == value
    [(messages, _, schema)] = model.asked
    assert shown(messages) == ["goal", "9"]
    assert schema["properties"]["completed"]["enum"] == ["yes", "no", "unsure"]
    assert [f.role for f in store.frames(query.key())] == ["goal", "clip"]


@pytest.mark.parametrize("asks", ["progress", "completion"])
def test_a_forced_answer(ask, asks):
    name = {"progress": "progress", "completion": "completed"}[asks]
    sure = {"progress": "0.5", "completion": "no"}[asks]
    replies = [{"reason": "", name: word, "confidence": 0.5} for word in ("unsure", sure)]
    model = Model(*replies)
    assert ask(model, single(clip(9), asks, None), abstain=False).decided
    assert [attempt for _, attempt, _ in model.asked] == [0, 1]  # unsure could not be read
    assert "unsure" not in words(model.asked[0][0])
    assert "unsure" not in model.asked[0][2]["properties"][name]["enum"]


@pytest.mark.parametrize(
    ("replies", "asks", "reason"),
    [
        ([{"progress": 1.5}] * 2, "progress", "progress is 1.5, which is no number of hundredths"),
        ([{"progress": "0.12345"}] * 2, "progress", "which is no number of hundredths from 0 to 1"),
        (["no idea"] * 2, "progress", "no usable reply: progress: no progress in the reply"),
        ([{"completed": "maybe"}] * 2, "completion", "completed is 'maybe', not one of yes, no"),
        ([Reply("", problem="blocked", status="refused")], "completion", "completion: blocked"),
        (["", ""], "rating", "no usable reply: description: the description is empty"),
    ],
)
def test_nothing_usable_is_an_abstention_with_its_reason(ask, replies, asks, reason):
    classes = 3 if asks == "rating" else None
    label = ask(Model(*replies), single(clip(9), asks, classes))
    assert label.value is None and reason in label.reason


@pytest.mark.parametrize(("confidence", "value"), [(0.4, None), (0.5, 1.0)])
def test_too_little_confidence_is_an_abstention(ask, confidence, value):
    answer = {"reason": "open", "completed": "yes", "confidence": confidence}
    label = ask(Model(answer), single(clip(9), "completion", None), min_confidence=0.5)
    assert label.value == value
    assert label.reason == ("open" if value else "confidence 0.4 is below 0.5: open")


def test_a_pair_of_pictures_is_asked_about_as_in_rl_vlm_f(ask, store):
    """A clip of one step has no pictures of its start and middle."""
    query = Pair(clip(9, 1), clip(7, 1), "open the drawer", 0, 0)
    model = Model("the first is open", {"reason": "open", "choice": "1", "confidence": 0.5})
    label = ask(model, query)
    assert label == PairLabel(0.0, (), (), "open", 24, 0.5, 0.5, seconds=label.seconds)
    assert shown(model.asked[0][0]) == ["9", "7"] and shown(model.asked[1][0]) == []
    assert "picture 1" in words(model.asked[0][0])
    assert store.frames(query.key()) == [Frame("a", 0, b"9"), Frame("b", 0, b"7")]


def test_an_order_is_no_question_for_it(store):
    teacher = VLMTeacher(VLMConfig(), Model(), Pictures(), store)
    with pytest.raises(ValueError, match="cannot answer 'order'"):
        teacher.ask([Order((clip(1), clip(2)), "task", 0, 0)])


class OverHTTP:
    """A chat model that speaks OpenAI's protocol, without retries."""

    name = "fake"

    def __init__(self, url):
        self.url = url

    def complete(self, messages, n, attempt=0, schema=None):
        def part(piece):
            if isinstance(piece, str):
                return {"type": "text", "text": piece}
            data = base64.b64encode(piece.png).decode()
            return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}

        turns = [
            {"role": m.role, "content": m.content if isinstance(m.content, str)
             else [part(p) for p in m.content]}
            for m in messages
        ]  # fmt: skip
        body = json.dumps({"messages": turns}).encode()
        request = urllib.request.Request(self.url + "/chat/completions", body)
        with urllib.request.urlopen(request, timeout=30) as reply:
            [choice] = json.load(reply)["choices"]
        return [Reply(choice["message"]["content"])]

    def stop(self):
        pass


class Numbered(Pictures):
    """Every snapshot has a picture of its own."""

    def png(self, snapshots):
        return [x.astype(np.float32).tobytes() for x in snapshots]


@pytest.mark.parametrize("style", ["core", "rl_vlm_f", "rating"])
def test_the_fake_model_of_other_tests_knows_the_truth(tmp_path, store, style):
    pairs = labelled_run.questions(4)
    pictures = [Pair(*(Clip(*(x[-1:] for x in c)) for c in (q.a, q.b)), *q[2:]) for q in pairs]
    pictures = [q._replace(round=1) for q in pictures]
    singles = [
        single(q.a, asks, classes)._replace(round=2)
        for q in pairs
        for asks, classes in (("rating", 4), ("progress", None), ("completion", None))
    ]
    fake = FakeVLM(tmp_path)
    teacher = VLMTeacher(VLMConfig(question=style), OverHTTP(fake.url), Numbered(), store)
    for queries in (pairs, pictures, singles):
        store.put(teacher.name, queries, 0)
    for query in (*pairs, *pictures):
        [label] = teacher.ask([query])
        assert label.preference == float(query.b.dense.sum() > query.a.dense.sum()), label
    for query, label in zip(singles, teacher.ask(singles), strict=True):
        assert abs(label.value - true_value(query)) < 0.06, label
    fake.close()
