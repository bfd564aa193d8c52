"""The command line of a run: what it starts from, what it shows, and what it refuses."""

import dataclasses
import json
from pathlib import Path

import pytest
from flag_words import flags

from core_jax import methods
from core_jax.agents import learner as learners
from core_jax.feedback import teachers
from core_jax.models.chat_config import ChatConfig
from core_jax.runs import fields, run_folder
from core_jax.runs.checks import check
from core_jax.runs.config import Config
from core_jax.runs.flags import parse
from core_jax.runs.layout import from_dict, to_dict
from core_jax.runs.presets import defaults, make_config
from core_jax.training.config import TrainingConfig

DATA = Path(__file__).parents[2] / "data"


@dataclasses.dataclass(frozen=True)
class Flags:
    """As `scripts/train.py` has them."""

    out: Path = Path("runs/latest")
    """The run's folder."""
    resume: bool = False
    """Continue."""
    config: Path | None = None
    """A file."""


def parsed(*words):
    return parse(Flags, list(map(str, words)))[0]


def help_of(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        parse(Flags, [*words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("given", [["--task", "fold-cloth"], ["--task=fold-cloth"]])
def test_flags_start_from_the_tasks_defaults(given):
    expected = make_config(task="fold-cloth", seeds=3, sac={"gamma": 0.9})
    assert parsed("--seeds", 3, *given, "--sac.gamma", 0.9) == expected
    assert expected.training.chunk == 100


def test_without_flags_it_is_the_config_itself():
    assert parsed() == Config()


def test_what_is_said_wins_over_the_tasks_defaults():
    config = parsed("--task", "fold-cloth", "--steps", 300, "--envs", 10)
    training = config.training
    assert (training.steps, training.envs, training.chunk) == (300, 10, 100)


def test_many_environments_alone_are_enough():
    assert check(parsed("--envs", 1024)) == make_config(envs=1024)


def test_the_scripts_own_flags_are_returned_beside_the_config():
    config, own = parse(Flags, ["--out", "x", "--seeds", "2", "--residual-input", "pixels"])
    assert own == Flags(out=Path("x"))
    assert config == make_config(seeds=2, residual_input="pixels")


@pytest.mark.parametrize(
    "values",
    [
        {"task": "fold-cloth", "seeds": 2},
        {"method": "eureka", "eureka": {"iterations": 2}},
        {"method": "env_dense", "learner": "ppo"},
        {"residual_input": "pixels", "pixels": {"shadows": True, "size": 48}},
        {"frm": False, "scripted": {"kind": "mistake"}},
        {"rrm": False},
    ],
)
def test_words_of_a_config_give_the_config(values):
    config = make_config(**values)
    assert parsed(*flags(config)) == config


def test_a_resumed_run_keeps_its_flags(tmp_path):
    before = make_config(task="flatten-rope", seeds=2, steps=3_000)
    run_folder.prepare(tmp_path / "run", before, resume=False)
    given = ["--out", tmp_path / "run", "--resume"]
    assert parsed(*given) == before
    assert parsed(*given, "--steps", 4_000).training.steps == 4_000
    # Without --resume, or with nothing there, they are the defaults.
    assert parsed(*given[:2]) == Config()
    assert parsed("--out", tmp_path / "none", "--resume") == Config()
    with pytest.raises(ValueError, match="--config has no effect with --resume"):
        parsed(*given, "--config", tmp_path / "run" / "config.json")


def test_a_resumed_folder_of_another_version_is_named(tmp_path):
    (tmp_path / "config.json").write_text('{"wings": 2}')
    with pytest.raises(ValueError, match=r"config.json cannot be read.*wings"):
        parsed("--out", tmp_path, "--resume")


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_settings_can_come_from_a_file(tmp_path, suffix):
    path = tmp_path / f"settings{suffix}"
    path.write_text(
        "task: fold-cloth\nseeds: 2\nsac:\n  gamma: 0.9\n  hidden: [32, 32]\n"
        if suffix == ".yaml"
        else '{"task": "fold-cloth", "seeds": 2, "sac": {"gamma": 0.9, "hidden": [32, 32]}}'
    )
    values = {"task": "fold-cloth", "seeds": 2, "sac": {"gamma": 0.9, "hidden": [32, 32]}}
    config = parsed("--config", path)
    assert config == make_config(**values) and config.learner_settings.hidden == (32, 32)
    # A flag wins over the file.
    assert parsed("--config", path, "--seeds", 3) == make_config(**values | {"seeds": 3})


def test_a_runs_own_config_is_such_a_file(tmp_path):
    config = make_config(task="soccer", residual_input="pixels", seeds=2)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(to_dict(config)))
    assert parsed("--config", path) == config


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[1]", "must hold named settings"),
        ('{"spice": 1}', "unknown setting 'spice'"),
        ('{"task": "drawer-opne"}', "unknown task"),
        ('{"frm": "false"}', "frm must be true or false, not 'false'"),
        ('{"seeds": "2"}', "seeds must be a whole number, not '2'"),
        ('{"envs": 2.5}', "envs must be a whole number, not 2.5"),
        ('{"sac": {"gamma": NaN}}', "sac.gamma must be a finite number, not nan"),
        ('{"sac": {"hidden": [16, "x"]}}', r"sac.hidden\[1\] must be a whole number, not 'x'"),
    ],
)
def test_a_config_file_that_cannot_be_used_is_named(tmp_path, content, message):
    path = tmp_path / "settings.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        parsed("--config", path)
    with pytest.raises(ValueError, match=r"--config .*nowhere.json: No such file"):
        parsed("--config", tmp_path / "nowhere.json")


def test_a_config_of_the_version_before_loads(tmp_path):
    stored = json.loads((DATA / "config_v1.json").read_text())
    assert "learner" not in stored and {"eureka", "vlm", "scripted", "pixels"} <= set(stored)
    (tmp_path / "config.json").write_text(json.dumps(stored))
    assert run_folder.load_config(tmp_path) == Config()
    assert parsed("--config", tmp_path / "config.json") == Config()
    changed = stored | {"method": "env_dense", "seeds": 3, "sac": {**stored["sac"], "gamma": 0.9}}
    (tmp_path / "config.json").write_text(json.dumps(changed))
    expected = make_config(method="env_dense", seeds=3, sac={"gamma": 0.9})
    assert run_folder.load_config(tmp_path) == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--residual.hidden", 8, "--residual-input", "pixels"],
         "--residual.hidden has no effect in this run. --residual-input pixels: the network is"),
        (["--pixels.size", 64],
         "--pixels.size has no effect in this run. --residual-input state: no picture"),
        (["--eureka.iterations", 2],
         "--eureka.iterations has no effect in this run: it belongs to --method eureka"),
        (["--scripted.kind", "oracle", "--method", "env_dense"],
         "--scripted.kind has no effect in this run: method env_dense .* asks for no labels"),
        (["--ppo.gamma", 0.9], "--ppo.gamma has no effect in this run: it belongs to --learner"),
        (["--vlm.size", 64], "--vlm.size has no effect in this run: it belongs to --teacher vlm"),
        (["--chat.name", "x"], "--chat.name has no effect .* --model gemini or openai"),
        (["--formal.trial-fraction", 0.2], "--formal.select label_agreement: no trials"),
        (["--formal.file", "x.py", "--formal.candidates", 2], "the formal reward is given"),
        (["--no-rrm", "--residual.members", 2], "--no-rrm: there is no residual reward"),
        (["--task", "flatten-rope", "--randomise", 0.3],
         "--randomise has no effect in this run. Only Meta-World's tasks can vary"),
    ],
)  # fmt: skip
def test_a_flag_without_effect_is_refused_with_the_reason(words, message):
    with pytest.raises(ValueError, match=message):
        parsed(*words)


def test_a_flag_that_another_one_gives_an_effect_is_accepted():
    trials = parsed("--formal.select", "gt_score", "--formal.trial-fraction", 0.2)
    assert trials.settings.formal.trial_fraction == 0.2
    pixels = parsed("--residual-input", "pixels", "--pixels.size", 48)
    assert pixels.settings.pixels.size == 48


def test_help_shows_the_chosen_groups_alone(capsys):
    core = help_of(capsys)
    for shown in ("--formal.select", "--feedback.labels", "--residual.hidden", "--scripted.kind",
                  "--sac.gamma", "--task", "drawer-open", "env_dense"):  # fmt: skip
        assert shown in core
    for hidden in ("--eureka", "--pixels.", "--vlm.", "--chat.name", "--ppo."):
        assert hidden not in core
    assert "--pixels.size" in help_of(capsys, "--residual-input", "pixels")
    eureka = help_of(capsys, "--method", "eureka")
    assert "--eureka.iterations" in eureka
    assert "--feedback" not in eureka and "--scripted" not in eureka
    assert "--ppo.gamma" in help_of(capsys, "--learner", "ppo")
    vlm = help_of(capsys, "--teacher", "vlm", "--model", "gemini")
    assert "--vlm.size" in vlm and "--chat.name" in vlm and "--scripted" not in vlm


def config_classes():
    """Every dataclass of settings, nested ones included."""
    found, left = [], [Config, TrainingConfig, ChatConfig]
    left += [methods.get(name).config for name in methods.names()]
    left += [learners.config_class(name) for name in learners.names()]
    left += [c for name in teachers.names() if (c := teachers.config_class(name))]
    while left:
        cls = left.pop()
        if cls not in found:
            found.append(cls)
            kinds = fields.hints(cls).values()
            left += [fields.bare(kind) for kind in kinds if fields.is_group(kind)]
    return found


@pytest.mark.parametrize("cls", config_classes(), ids=lambda cls: cls.__name__)
def test_every_flag_has_a_line_of_text(cls):
    texts = fields.docs(cls)
    missing = [n for n, kind in fields.hints(cls).items()
               if not fields.is_group(kind) and not texts.get(n)]  # fmt: skip
    assert missing == []


def test_defaults_of_choices_ignore_what_they_do_not_depend_on():
    assert defaults({"task": "soccer", "learner": "ppo"}).learner_settings.gamma > 0
    assert from_dict(to_dict(Config())) == Config()


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        (["--method", "env_dense", "--teacher", "person"], "--teacher"),
        (["--method", "eureka", "--wait-for-labels"], "--wait-for-labels"),
        (["--wait-for-labels"], "--wait-for-labels"),
        (["--method", "env_dense", "--model", "gemini"], "--model"),
        (["--max-cost", "10"], "--max-cost"),
    ],
)
def test_run_settings_without_effect_are_refused(words, flag):
    with pytest.raises(ValueError, match=f"^{flag} has no effect in this run"):
        parse(Flags, words)


@pytest.mark.parametrize(
    "words",
    [
        ["--method", "env_dense", "--teacher", "scripted"],
        ["--teacher", "person", "--wait-for-labels"],
        ["--model", "openai", "--max-cost", "10"],
        ["--teacher", "vlm", "--model", "openai", "--max-cost", "10", "--wait-for-labels"],
    ],
)
def test_run_settings_with_an_effect_or_their_defaults_are_accepted(words):
    parse(Flags, words)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run", None, "is a folder; give .*config.json"),
        ("empty", None, "is a folder; give a .json, .yaml or .yml file"),
        ("a.toml", b"seed = 1", "must be a .json, .yaml or .yml file, not .toml"),
        ("a.json", b"\xff\xfe\x00", "is not a text file"),
        ("a.yaml", b"[1, 2]", "must hold named settings"),
        ("none.json", None, "No such file"),
    ],
)
def test_a_file_that_is_no_config_is_named(tmp_path, name, content, message):
    (tmp_path / "run").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"--config .*{name} {message}|{name}: {message}"):
        parsed("--config", tmp_path / name)
