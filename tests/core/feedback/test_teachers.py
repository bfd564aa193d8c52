"""The registry of teachers, and the one that repeats another run's labels."""

from types import SimpleNamespace

import pytest
from random_queries import clip, questions, single

from core_jax.feedback import teachers
from core_jax.feedback.labels import LabelFileError, LabelStore
from core_jax.feedback.person.labelling import ANSWERS, PersonLabelling
from core_jax.feedback.queries import Order, OrderLabel, PairLabel, SingleLabel
from core_jax.feedback.rounds import AtOnce, Entry, InBackground, Round
from core_jax.feedback.teachers.replay import ReplayTeacher
from core_jax.feedback.teachers.replay_config import ReplayTeacherConfig
from core_jax.feedback.teachers.scripted import ScriptedTeacher
from core_jax.feedback.teachers.scripted_config import ScriptedConfig
from core_jax.feedback.teachers.vlm import VLMTeacher
from core_jax.feedback.teachers.vlm_config import VLMConfig
from core_jax.visual import frames

ORDER = Order((clip(0), clip(1)), "task", 0, 5)


@pytest.fixture
def store(tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    yield store
    store.close()


@pytest.fixture
def make(store, tmp_path):
    def make(teacher, config=None, **more):
        given = {"store": store, "folder": tmp_path, "frames_shown": 3, "seed": 7}
        return teachers.make_labelling(teacher, config, **given, **more)

    return make


def test_the_registry_says_what_each_can_answer():
    assert teachers.names() == ("scripted", "vlm", "person", "replay")
    answers = {name: teachers.get(name).answers for name in teachers.names()}
    assert answers["scripted"] == ScriptedTeacher.answers == teachers.ALL_KINDS
    assert answers["vlm"] == VLMTeacher.answers and answers["person"] == ANSWERS
    assert answers["replay"] == ReplayTeacher.answers
    for name in teachers.names():
        config = teachers.get(name).config
        assert config is None or config() == config()
    with pytest.raises(ValueError, match="unknown teacher 'scriptd'. Did you mean 'scripted'"):
        teachers.get("scriptd")


def test_a_scripted_teacher_is_made_with_the_runs_seed(make, store):
    name, labelling = make("scripted", ScriptedConfig("noisy"))
    assert name == "scripted-noisy" and isinstance(labelling, AtOnce)
    asked = [*questions(3), single(clip(2)), ORDER]
    asked = [q._replace(round=0) for q in asked]
    labelling.put(Round(0, 100, True, tuple(Entry(0, q, 0.5) for q in asked)))
    [arrived] = labelling.collect(100)
    assert arrived.labels == ScriptedTeacher(ScriptedConfig("noisy"), seed=7).ask(asked, 0.5)
    assert store.progress()[name].asked == 5


def test_a_person_is_made_without_settings(make):
    name, labelling = make("person")
    assert name == "person" and isinstance(labelling, PersonLabelling)
    with pytest.raises(ValueError, match="teacher person cannot answer 'order'; it answers"):
        labelling.put(Round(0, 100, True, (Entry(0, ORDER),)))


def test_settings_of_another_teacher_are_refused(make):
    with pytest.raises(ValueError, match="teacher 'vlm' takes a VLMConfig, not ScriptedConfig"):
        make("vlm", ScriptedConfig())
    with pytest.raises(ValueError, match="teacher 'vlm' needs labeller, the model to ask"):
        make("vlm", VLMConfig())


def test_a_vlm_asks_the_model_that_it_is_given(make, monkeypatch):
    class Model:
        name = "m"

        def complete(self, messages, n, attempt=0, schema=None):
            raise AssertionError("nothing was asked")

        def stop(self):
            self.stopped = True

    made = []
    renderer = lambda *given: made.append(given) or SimpleNamespace(start=b"", goal=b"")
    monkeypatch.setattr(frames, "FrameRenderer", renderer)
    model = Model()
    with pytest.raises(ValueError, match="teacher 'vlm' needs env, to render clips"):
        make("vlm", VLMConfig(), labeller=model)
    config = VLMConfig(question="rl_vlm_f", size=64)
    name, labelling = make("vlm", config, labeller=model, env="the environment")
    assert made == [("the environment", 64, True, False, 1, 2)]
    assert name == "vlm-rl_vlm_f m" and isinstance(labelling, InBackground)
    labelling.close()
    assert model.stopped


@pytest.fixture
def recorded(tmp_path):
    """A run's folder with labels of two teachers of three kinds of questions."""
    folder = tmp_path / "other"
    folder.mkdir()
    store = LabelStore(folder / "labels.sqlite")
    asked = [questions(1, round=5)[0], single(clip(2)), ORDER]
    keys = store.put("vlm", asked, 4_000)
    labels = [
        PairLabel(1.0, (0.1,), (0.9,), "closer", 12, 0.5, 0.75, seconds=2.5),
        SingleLabel(2.0, "good", 12, 0.5, seconds=2.5),
        OrderLabel((1, 0), "", 12, 0.5, seconds=2.5),
    ]
    for key, label in zip(keys, labels, strict=True):
        store.answer(key, "vlm", label)
    store.answer(keys[0], "person", PairLabel(0.0, (), (), ""))
    store.close()
    return folder, asked, labels


def test_replay_repeats_labels_by_content_and_costs_nothing(recorded, make):
    folder, asked, labels = recorded
    name, labelling = make("replay", ReplayTeacherConfig(str(folder), "vlm"))
    assert name == "replay vlm"
    asked = [q._replace(seed=3, round=0) for q in asked]  # another seed and round: same content
    labelling.put(Round(0, 100, True, tuple(Entry(0, q) for q in asked)))
    [arrived] = labelling.collect(100)
    free = [label._replace(tokens=0, cost_usd=0.0, seconds=0.0) for label in labels]
    assert arrived.labels == free


def test_replay_abstains_from_what_it_does_not_know(recorded):
    folder, asked, _ = recorded
    teacher = ReplayTeacher(ReplayTeacherConfig(str(folder / "labels.sqlite"), "vlm"))
    other = [q._replace(instruction="close it") for q in asked]
    for label in teacher.ask(other):
        assert not label.decided and "has no label of vlm for this question" in label.reason
    strict = ReplayTeacher(ReplayTeacherConfig(str(folder), "vlm", unknown="error"))
    with pytest.raises(ValueError, match="has no label of vlm for this question .*round 5"):
        strict.ask(other)
    assert strict.ask(asked[:1])[0].preference == 1.0
    teacher.close()
    strict.close()


def test_replay_needs_labels_of_one_teacher(recorded, tmp_path):
    folder, _, _ = recorded
    with pytest.raises(ValueError, match="not exactly one teacher; .* labels of 'vlm', 'person'"):
        ReplayTeacher(ReplayTeacherConfig(str(folder)))
    with pytest.raises(ValueError, match="no teacher 'ann'; it has labels of 'vlm', 'person'"):
        ReplayTeacher(ReplayTeacherConfig(str(folder), "ann"))
    with pytest.raises(ValueError, match="needs a path"):
        ReplayTeacher(ReplayTeacherConfig())
    with pytest.raises(ValueError, match="does not exist"):
        ReplayTeacher(ReplayTeacherConfig(str(tmp_path)))
    (tmp_path / "labels.sqlite").write_text("not a database, but long enough to look like" * 20)
    with pytest.raises(LabelFileError):
        ReplayTeacher(ReplayTeacherConfig(str(tmp_path)))


def test_replay_refuses_a_label_that_is_no_answer(recorded):
    folder, asked, _ = recorded
    store = LabelStore(folder / "labels.sqlite")
    store.database.connection.execute(
        "UPDATE answers SET payload = replace(payload, '1.0,', '7.5,') WHERE teacher = 'vlm'"
    )
    store.close()
    teacher = ReplayTeacher(ReplayTeacherConfig(str(folder), "vlm"))
    with pytest.raises(ValueError, match="preference must be in .0, 1., not 7.5"):
        teacher.ask(asked[:1])
    teacher.close()
