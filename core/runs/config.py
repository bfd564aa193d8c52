"""What a run is: frozen dataclasses, presets per method, and checks that name what is wrong.

Defaults are CoRe's schedule on Meta-World with the updates per environment step chosen for a
laptop's CPU.
"""

from __future__ import annotations

import dataclasses
import difflib
from typing import Literal

from core_jax import envs, methods
from core_jax.agents.sac import SACConfig
from core_jax.feedback.sampling import Rule
from core_jax.feedback.teachers.scripted import ScriptedConfig
from core_jax.feedback.teachers.vlm_config import VLMConfig, check_vlm
from core_jax.models.chat_config import MODELS, ChatConfig, check_chat
from core_jax.reward_models import networks
from core_jax.reward_models.preference import PreferenceConfig


@dataclasses.dataclass(frozen=True)
class FeedbackConfig:
    """When preferences are asked for, and how many (CoRe on Meta-World)."""

    labels: int = 500
    """Questions asked per seed in the whole run, abstentions included."""
    labels_per_round: int = 20
    first_round: int = 20_000
    """Environment step of the first round that fits the residual reward."""
    round_every: int = 4_000
    clip_length: int = 20
    frames_shown: int = 3
    window: int = 50_000
    """Clips come from this many latest environment steps (100 episodes of 500)."""
    pairs: Rule = "uniform"
    """Which pairs are asked about: uniform (the paper), or of a larger pool those over which the
    ensemble's disagreement or its entropy is largest; recent: newer clips more often; quantiles:
    clips from all quantiles of both rewards."""
    alpha: float = 0.5
    """Weight of the residual reward after the first fit; 0 before."""
    critic_updates: int = 100
    """Updates right after the first fit, on fresh critics."""
    max_lag: int = 20_000
    """A run goes on for up to this many environment steps while a round is answered in the
    background; then it waits."""


@dataclasses.dataclass(frozen=True)
class FormalConfig:
    """How the formal reward is found and refined."""

    select: Literal["label_agreement", "gt_score"] = "label_agreement"
    """How the first one is chosen: by agreement with a first round of labels (needs no ground
    truth), or by ground-truth success after a short training of each (the paper)."""
    candidates: int = 4
    """Replies asked for at once."""
    attempts: int = 3
    """Times that candidates are asked for before a refinement is given up."""
    trial_fraction: float = 0.1
    """Length of a candidate's training under `gt_score`, as a part of `steps`."""
    refine_at: tuple[int, ...] = (25_000, 50_000, 75_000, 100_000)
    """Environment steps at which a better formal reward is looked for."""
    rollback_margin: float = 0.2
    """A refined reward is taken back if, by its second evaluation, success has dropped by more than
    this (`gt_score`), or it agrees with that much less of the newer labels than the one before."""


@dataclasses.dataclass(frozen=True)
class EurekaConfig:
    """The search of `--method eureka`. The paper trains 16 candidates in each of 5 iterations, all
    as long as the final policy."""

    iterations: int = 2
    """Times that candidates are asked for; from the second on by a reflection on the best."""
    candidates: int = 8
    """Replies asked for in an iteration, and trained side by side."""
    trial_fraction: float = 0.1
    """Length of a candidate's training, as a part of `steps`."""


@dataclasses.dataclass(frozen=True)
class PixelConfig:
    """Pictures for a residual reward that sees (`--residual-input pixels`)."""

    size: int = 64
    """Height and width."""
    samples: int = 1
    """Rays per pixel along each side; more is smoother and slower."""
    shadows: bool = False
    gripper: bool = False
    """Whether the gripper is visible; the paper hides it, and it hides what counts."""
    every: int = 5
    """Steps from one picture that is looked at to the next; the reward between is interpolated."""
    clip_frames: int = 4
    """Pictures of a clip that a batch of a fit looks at."""
    shift: float = 4.0
    """A fit sees pictures shifted at random by up to this many pixels."""
    batches: int = 12
    """Most batches in one round's fit."""
    learning_rate: float = 1e-3
    relabel: int = 3
    """Fits from one relabelling of all replay to the next; the first two always relabel."""


@dataclasses.dataclass(frozen=True)
class Config:
    """One run: a task, a method, a budget, and how fast to spend it."""

    task: str = "drawer-open"
    method: str = "core"
    protocol: str = "paper"
    """paper: nothing is random at reset; random: the benchmark's own resets."""
    seeds: int = 1
    """Seeds trained side by side, as one program."""
    seed: int = 0
    """The first seed; the others follow it."""
    steps: int = 120_000
    """Environment steps of each seed."""
    teacher: str = "scripted"
    """Who compares clips. scripted: ground truth; vlm: a vision-language model (see --vlm);
    person: whoever sits at `scripts/label.py RUN` meanwhile."""
    wait_for_labels: bool = False
    """Wait for every round of a vlm's or a person's answers, as the paper does, instead of training
    on."""
    model: str = "replay"
    """Who writes formal rewards. replay: recorded replies; gemini; openai: OpenAI, or any service
    that speaks its protocol (see --chat.base-url)."""
    max_cost: float = 5.0
    """USD that a run may spend on gemini and openai. It stops before a request that could exceed
    them; with more, --resume goes on."""

    frm: bool = True
    """Use a formal reward (off: an ablation)."""
    rrm: bool = True
    """Use a residual reward (off: an ablation)."""
    importance: bool = True
    """Use the teacher's per-frame scores (off: an ablation)."""
    residual_input: Literal["state", "pixels"] = "state"
    """What the residual reward looks at: what a picture shows, as numbers, or the picture."""
    render_batch: int = 512
    """Pictures rendered at once, for each seed; bounds the memory. On a CPU fewer are quicker, and
    8 at most are rendered at once whatever this says."""

    envs: int = 100
    """Environments stepped side by side for each seed."""
    rollout: int = 5
    """Vector steps between two bursts of updates."""
    updates: int = 32
    """Updates in a burst. The paper does one per environment step; this is 0.064."""
    random_steps: int = 4_000
    """Environment steps with uniform random actions, before the first update."""
    replay: int = 200_000
    """Transitions kept for each seed."""
    chunk: int = 1_000
    """Environment steps between two rows of metrics."""
    eval_every: int = 10_000
    eval_episodes: int = 10
    final_episodes: int = 50
    checkpoint_every: int = 20_000
    """Environment steps between checkpoints; 0 keeps only the last."""
    dense_scale: float = 0.1
    """Ground-truth dense reward is multiplied by this when it is learned from."""

    sac: SACConfig = dataclasses.field(default_factory=SACConfig)
    formal: FormalConfig = dataclasses.field(default_factory=FormalConfig)
    eureka: EurekaConfig = dataclasses.field(default_factory=EurekaConfig)
    residual: PreferenceConfig = dataclasses.field(default_factory=PreferenceConfig)
    pixels: PixelConfig = dataclasses.field(default_factory=PixelConfig)
    feedback: FeedbackConfig = dataclasses.field(default_factory=FeedbackConfig)
    scripted: ScriptedConfig = dataclasses.field(default_factory=ScriptedConfig)
    chat: ChatConfig = dataclasses.field(default_factory=ChatConfig)
    vlm: VLMConfig = dataclasses.field(default_factory=VLMConfig)

    @classmethod
    def of(cls, flags: Config) -> Config:
        """The config in a script's flags, which are a config with more fields."""
        return cls(**{f.name: getattr(flags, f.name) for f in dataclasses.fields(cls)})

    @property
    def hosted(self) -> bool:
        """Whether any hosted model is asked."""
        return self.teacher == "vlm" or (self.uses_formal and self.model != "replay")

    @property
    def labeller(self) -> tuple[str, ChatConfig]:
        """Whom a vlm teacher asks, and how."""
        if self.vlm.model == "same":
            return self.model, self.chat
        return self.vlm.model, self.vlm.chat

    @property
    def block(self) -> int:
        """Environment steps of one block: a rollout, then a burst of updates."""
        return self.envs * self.rollout

    @property
    def uses_formal(self) -> bool:
        """Whether a formal reward is part of the reward."""
        return self.frm and methods.get(self.method).formal

    @property
    def uses_residual(self) -> bool:
        """Whether a residual reward is part of the reward."""
        return self.rrm and methods.get(self.method).residual

    @property
    def refines_formal(self) -> bool:
        """Whether the formal reward is refined during the training, by labels."""
        return self.uses_formal and methods.get(self.method).writer == "core"

    @property
    def searches(self) -> bool:
        """Whether the formal reward is found by Eureka's search."""
        return self.uses_formal and methods.get(self.method).writer == "eureka"

    @property
    def trial_lanes(self) -> int:
        """Trials of candidates that run side by side; 0 without trials."""
        if self.searches:
            return self.eureka.candidates
        by_trials = self.refines_formal and self.formal.select == "gt_score"
        return self.seeds * self.formal.candidates if by_trials else 0

    @property
    def trial_steps(self) -> int:
        """Environment steps of a candidate's trial, in whole chunks."""
        fraction = (self.eureka if self.searches else self.formal).trial_fraction
        return max(1, round(fraction * self.steps / self.chunk)) * self.chunk

    @property
    def replay_rows(self) -> int:
        """Rows of the replay ring: a multiple of the rollout that holds the transitions kept."""
        kept = min(self.replay, self.steps)
        return -(-kept // self.block) * self.rollout


def check(config: Config) -> Config:
    """Returns the config, or raises a ValueError naming field, value and what is right."""
    suggest("task", config.task, envs.names())
    suggest("method", config.method, methods.names())
    suggest("protocol", config.protocol, envs.PROTOCOLS)
    suggest("teacher", config.teacher, ("scripted", "vlm", "person"))
    suggest("model", config.model, MODELS)
    if config.teacher == "vlm":
        check_vlm(config.vlm, *config.labeller, config.max_cost)
    if config.feedback.max_lag < 0:
        raise ValueError(f"feedback.max_lag must not be negative, but is {config.feedback.max_lag}")
    if config.model != "replay":
        check_chat(config.model, config.chat, config.max_cost)
    for name in (
        "seeds",
        "steps",
        "envs",
        "rollout",
        "chunk",
        "replay",
        "eval_every",
        "render_batch",
    ):
        if getattr(config, name) < 1:
            raise ValueError(f"{name} must be at least 1, not {getattr(config, name)}")
    for name in ("formal.candidates", "formal.attempts", "eureka.iterations", "eureka.candidates"):
        group, field = name.split(".")
        if (value := getattr(getattr(config, group), field)) < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    if config.chunk % config.block:
        raise ValueError(
            f"chunk ({config.chunk}) must be a multiple of envs * rollout ({config.block})"
        )
    if config.residual_input == "pixels":
        if config.rollout % config.pixels.every:
            raise ValueError(
                f"pixels.every ({config.pixels.every}) must divide rollout ({config.rollout})"
            )
        if config.feedback.clip_length % config.pixels.clip_frames:
            raise ValueError(
                f"pixels.clip_frames ({config.pixels.clip_frames}) must divide "
                f"feedback.clip_length ({config.feedback.clip_length})"
            )
        if config.pixels.size < networks.SMALLEST_PICTURE:
            raise ValueError(
                f"pixels.size ({config.pixels.size}) must be at least {networks.SMALLEST_PICTURE}"
            )
    every = {
        "steps": config.steps,
        "eval_every": config.eval_every,
        "checkpoint_every": config.checkpoint_every,
        "random_steps": config.random_steps,
    }
    for name, value in every.items():
        if value % config.chunk:
            raise ValueError(f"{name} ({value}) must be a multiple of chunk ({config.chunk})")
    if config.trial_lanes and config.trial_steps <= config.random_steps:
        group = "eureka" if config.searches else "formal"
        raise ValueError(
            f"a candidate's trial ({config.trial_steps} steps) ends before anything is learned: it "
            f"must be longer than random_steps ({config.random_steps}); raise "
            f"{group}.trial_fraction or steps"
        )
    clip_rows = 2 * config.feedback.clip_length
    if config.uses_residual and config.random_steps < clip_rows * config.envs:
        raise ValueError(
            f"random_steps ({config.random_steps}) must be at least {clip_rows * config.envs}: two "
            f"clips of {config.feedback.clip_length} steps in each of {config.envs} environments"
        )
    # Meta-World's episodes are longer than any clip; its worlds take seconds to build.
    if config.uses_residual and config.task in envs.names("softgym"):
        horizon = envs.make(config.task).spec.horizon
        if config.feedback.clip_length > horizon:
            raise ValueError(
                f"feedback.clip_length ({config.feedback.clip_length}) must be at most {horizon}, "
                f"an episode of {config.task}"
            )
    if not (config.uses_formal or config.uses_residual or methods.get(config.method).ground_truth):
        raise ValueError(f"method {config.method} with --no-frm and --no-rrm has no reward left")
    return config


def suggest(what: str, value: str, valid: tuple[str, ...]) -> None:
    """Raises ValueError unless `value` is one of `valid`; suggests the nearest."""
    if value in valid:
        return
    near = difflib.get_close_matches(value, valid, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"unknown {what} {value!r}.{hint} Valid: {', '.join(valid)}.")
