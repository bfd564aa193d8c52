"""A vision-language teacher: what it is shown and told, and what becomes of its replies."""

import json

import numpy as np
import pytest
from vlm_stubs import Model, Pictures, shown, words

from core_jax.feedback.labels import Frame, LabelStore
from core_jax.feedback.queries import Clip, Pair
from core_jax.feedback.teachers.vlm import VLMTeacher
from core_jax.feedback.teachers.vlm_config import VLMConfig
from core_jax.models.base import Reply
from core_jax.prompts.message import Picture


def question(length=20):
    rng = np.random.default_rng(0)
    clips = []
    for offset in (0, 100):
        wide = rng.random((length, 2)).astype(np.float32)
        snapshot = np.arange(length, dtype=np.float32)[:, None] + offset
        clips.append(Clip(wide, wide, wide, snapshot, wide[:, 0], wide[:, 0]))
    return Pair(*clips, "open the drawer", 0, 0)


@pytest.fixture
def store(tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    store.put("vlm-core m", [question()], 0)
    yield store
    store.close()


@pytest.fixture
def answer(store):
    def ask(model, **config):
        teacher = VLMTeacher(VLMConfig(**config), model, Pictures(), store)
        store.put_to(teacher.name, question().key())
        [given] = teacher.ask([question()])
        return given

    return ask


def verdict(choice, confidence=1.0, a=(0.0, 0.1, 0.2), b=(0.3, 0.4, 0.5)):
    return {"reason": "seen", "scores_a": a, "scores_b": b, "choice": choice,
            "confidence": confidence}  # fmt: skip


def test_the_papers_two_stages(answer, store):
    model = Model("A opens the drawer, B does not.", verdict("A", 0.75))
    given = answer(model)
    assert given.preference == 0.0 and given.confidence == 0.75 and given.reason == "seen"
    assert given.scores_a == (0.0, 0.1, 0.2) and given.scores_b == (0.3, 0.4, 0.5)
    assert (given.tokens, given.cost_usd) == (24, 0.5) and given.ratings is None
    (look, _, free), (judge, _, bound) = model.asked
    # The first, middle and last frame of each clip, after the start and the goal.
    assert shown(look) == ["start", "goal", "0", "10", "19", "100", "110", "119"]
    said = words(look)
    for text in (
        "The task: open the drawer.",
        "Clip A, picture 1 of 3:",
        "Clip B, picture 3 of 3:",
    ):
        assert said.count(text) == 1
    assert free is None and shown(judge) == []
    assert "A opens the drawer, B does not." in words(judge) and '"unsure"' in words(judge)
    assert bound["properties"]["choice"]["enum"] == ["A", "B", "unsure"]
    key = question().key()
    assert store.frames(key, "vlm-core m") == [
        Frame("start", 0, b"start"), Frame("goal", 0, b"goal"),
        *(Frame("a", i, str(i).encode()) for i in (0, 10, 19)),
        *(Frame("b", i, str(100 + i).encode()) for i in (0, 10, 19)),
    ]  # fmt: skip
    description, choice = store.exchanges(key, "vlm-core m")
    assert (description.stage, choice.stage) == ("description", "verdict")
    assert description.reply == "A opens the drawer, B does not." and description.tokens == 12
    pictures = [p["png"] for p in description.prompt[1][1] if isinstance(p, dict)]
    assert len(pictures) == 8 and pictures[0] == Picture(b"start").digest()


def test_b_is_chosen_or_nobody(answer):
    assert answer(Model("d", verdict("B"))).preference == 1.0
    unsure = answer(Model("d", verdict("unsure")))
    assert unsure.preference is None and unsure.reason == "seen" and unsure.scores_a


def test_a_forced_choice(answer):
    model = Model("d", verdict("unsure"), verdict("B"))
    assert answer(model, abstain=False).preference == 1.0  # unsure could not be read
    assert [attempt for _, attempt, _ in model.asked] == [0, 0, 1]
    assert "unsure" not in words(model.asked[1][0])
    assert model.asked[1][2]["properties"]["choice"]["enum"] == ["A", "B"]


def test_too_little_confidence_is_an_abstention(answer):
    given = answer(Model("d", verdict("A", 0.4)), min_confidence=0.5)
    assert given.preference is None and given.confidence == 0.4
    assert given.reason == "confidence 0.4 is below 0.5: seen"
    assert answer(Model("d", verdict("A", 0.5)), min_confidence=0.5).preference == 0.0
    silent = {k: v for k, v in verdict("A").items() if k != "confidence"}
    assert answer(Model("d", silent), min_confidence=0.5).reason == "no confidence given: seen"
    assert answer(Model("d", silent)).preference == 0.0


def test_both_orders_agree(answer, store):
    back = verdict("A", 0.5, a=(0.5, 0.4, 0.3), b=(0.2, 0.1, 0.0))
    model = Model("d", verdict("B", 0.9), "e", back)
    given = answer(model, both_orders=True)
    assert given.preference == 1.0 and given.confidence == 0.5
    np.testing.assert_allclose(given.scores_a, [0.1, 0.1, 0.1])
    np.testing.assert_allclose(given.scores_b, [0.4, 0.4, 0.4])
    assert shown(model.asked[2][0])[2:] == ["100", "110", "119", "0", "10", "19"]
    stages = [e.stage for e in store.exchanges(question().key(), "vlm-core m")]
    assert stages == ["description", "verdict", "description, swapped", "verdict, swapped"]


@pytest.mark.parametrize(("choice", "place"), [("A", "first"), ("B", "second")])
def test_both_orders_disagree(answer, choice, place):
    given = answer(Model("d", verdict(choice), "e", verdict(choice)), both_orders=True)
    assert given.preference is None
    assert given.reason == f"prefers the clip that is shown {place}, whichever that is"


def test_an_abstention_is_not_asked_about_the_other_way_round(answer):
    model = Model("d", verdict("unsure"))
    assert answer(model, both_orders=True).preference is None and len(model.asked) == 2


def test_shuffled_pictures_and_their_scores(answer):
    """Scores are given by what is in a picture, and come back in the order of time."""
    value = {str(100 * side + step): (side * 10 + i) / 20
             for side in (0, 1) for i, step in enumerate((0, 10, 19))}  # fmt: skip

    class Seer(Model):
        def complete(self, messages, n, attempt=0, schema=None):
            if schema is None:
                self.seen = shown(messages)[2:]
                self.look = words(messages)
            else:
                self.judge = words(messages)
                scores = [value[p] for p in self.seen]
                self.replies.insert(0, verdict("A", a=scores[:3], b=scores[3:]))
            return super().complete(messages, n, attempt, schema)

    model = Seer("d")
    given = answer(model, shuffle=True)
    assert model.seen != ["0", "10", "19", "100", "110", "119"]
    assert sorted(model.seen[:3]) == ["0", "10", "19"]
    assert given.scores_a == (0.0, 0.05, 0.1) and given.scores_b == (0.5, 0.55, 0.6)
    a, b = model.seen.index("19") + 1, model.seen.index("119") - 2
    for said in (model.look, model.judge):
        assert f"The last in time are picture {a} of A and picture {b} of B." in said


def test_one_picture_of_each_clip(answer, store):
    model = Model("d", {"reason": "open", "choice": "2", "confidence": 0.5})
    given = answer(model, question="rl_vlm_f")
    assert given.preference == 1.0 and given.scores_a == given.scores_b == ()
    assert shown(model.asked[0][0]) == ["19", "119"]
    frames = store.frames(question().key(), "vlm-rl_vlm_f m")
    assert frames == [Frame("a", 19, b"19"), Frame("b", 19, b"119")]


def rating(word, confidence=1.0):
    return {"reason": f"it is {word}", "rating": word, "confidence": confidence}


@pytest.mark.parametrize(
    ("a", "b", "preference", "ratings"),
    [("bad", "good", 1.0, (0, 2)), ("average", "bad", 0.0, (1, 0)), ("good", "good", None, (2, 2))],
)
def test_ratings_and_the_preference_they_imply(answer, a, b, preference, ratings):
    model = Model("d", rating(a, 0.9), "e", rating(b, 0.6))
    given = answer(model, question="rating")
    assert given.preference == preference and given.ratings == ratings
    assert given.confidence == 0.6 and given.scores_a == ()
    assert given.reason == f"A is {a}: it is {a} B is {b}: it is {b}"
    assert [shown(m) for m, _, _ in model.asked] == [["19"], [], ["119"], []]


def test_a_reply_that_cannot_be_read_is_asked_for_again(answer, store):
    model = Model("d", "A, I think", verdict("A"))
    assert answer(model).preference == 0.0
    assert [attempt for _, attempt, _ in model.asked] == [0, 0, 1]
    said = store.exchanges(question().key(), "vlm-core m")
    assert [e.stage for e in said] == ["description", "verdict", "verdict, attempt 2"]
    assert said[1].reply == "A, I think" and said[1].problem == "no choice in the reply"


@pytest.mark.parametrize(
    ("replies", "asked", "reason"),
    [
        (["d", "?", "?!"], 3, "no usable reply: verdict: no choice in the reply"),
        (["", " "], 2, "no usable reply: description: the description is empty"),
        ([Reply("", problem="blocked: SAFETY", status="refused")], 1,
         "no usable reply: description: blocked: SAFETY"),
        ([Reply("half", problem="cut off", status="cut")] * 2, 2,
         "no usable reply: description: cut off"),
        (["d", *[Reply('{"choice": "A', problem="cut off", status="cut")] * 2], 3,
         "no usable reply: verdict: cut off"),
        ([Reply("", problem="has no choices", status="malformed")] * 2, 2,
         "no usable reply: description: has no choices"),
    ],
)  # fmt: skip
def test_nothing_usable_is_an_abstention_with_its_reason(answer, store, replies, asked, reason):
    model = Model(*replies)
    given = answer(model)
    assert given.preference is None and given.scores_a == given.scores_b == ()
    assert given.reason == reason and given.confidence is None
    assert len(model.asked) == asked
    assert store.exchanges(question().key(), "vlm-core m")[-1].problem in reason


@pytest.mark.parametrize("around", ["%s", "So: %s", "```json\n%s\n```\n", "<think>A</think>%s"])
def test_a_whole_verdict_at_the_end_of_a_cut_reply_is_read(answer, around):
    text = around % json.dumps(verdict("B"))
    assert answer(Model("d", Reply(text, problem="cut off", status="cut"))).preference == 1.0


@pytest.mark.parametrize(
    "text",
    [
        'A draft is {"choice": "B"}. But look at the drawer again: it',
        "choice: B\nconfidence: 0.9\nscores_a: [0.1, 0.2",
        json.dumps(verdict("B")) + "\nWait, is it? {}",
        json.dumps(verdict("B"))[:-1],
    ],
)
def test_a_draft_in_a_cut_reply_is_no_verdict(answer, text):
    """Unmarked reasoning that reaches the token limit."""
    model = Model("d", *[Reply(text, problem="cut off", status="cut")] * 2)
    given = answer(model)
    assert given.preference is None and given.reason.startswith("no usable reply: verdict: cut off")


def test_what_was_paid_for_before_is_counted_once(answer, store):
    """A resumed run hears the same replies from its cache, for nothing."""
    answer(Model("d", verdict("A")))
    free = [Reply("d"), Reply(json.dumps(verdict("A")))]
    again = answer(Model(*free))
    assert (again.tokens, again.cost_usd) == (24, 0.5)
    assert len(store.exchanges(question().key(), "vlm-core m")) == 2
