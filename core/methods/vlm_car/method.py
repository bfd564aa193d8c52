"""VLM-CaR as a method: programs are generated and verified before training, then its reward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import jax

from core_jax import envs
from core_jax.methods.base import BaseMethod, BaseRun, Context
from core_jax.methods.vlm_car import report, trajectories
from core_jax.methods.vlm_car.config import VLMCaRConfig
from core_jax.methods.vlm_car.generation import Accepted, Generator, NoPrograms
from core_jax.methods.vlm_car.pictures import Camera
from core_jax.methods.vlm_car.verification import Evidence
from core_jax.methods.vlm_car.watcher import SubTaskWatcher
from core_jax.reward_models.programs import compile_program
from core_jax.reward_models.source import GroundTruth
from core_jax.reward_models.subtasks import Chain
from core_jax.training.config import TrainingConfig
from core_jax.training.plan import Rewards
from core_jax.training.train import Train
from core_jax.training.watching import WatchedColumn

COLUMN = "subtasks"
_CELL = 8  # pixels of a grid's cell
_MOST = 1 << 18  # pixels of a picture that programs are compiled for


class VLMCaR(BaseMethod):
    """Rewards for sub-tasks that verified image programs recognise."""

    name: ClassVar[str] = "vlm_car"
    summary: ClassVar[str] = "sub-tasks recognised by image programs, verified before use"
    config: ClassVar[type] = VLMCaRConfig

    def asks_writer(self, config: Any) -> bool:
        """Yes."""
        del config
        return True

    def prompt_kind(self) -> str:
        """Its own."""
        return "vlm_car"

    def presets(self, config: Any, task: str) -> Mapping[str, Any]:
        """Pictures of 8 pixels a cell for grids. Of robots fewer pictures, as they move slowly, and
        noise, without which all episodes from a fixed start are the same."""
        del config
        if task in envs.names("minigrid"):
            rows, cols = envs.spec(task).tiles or (8, 8)
            size = {"car.height": _CELL * rows, "car.width": _CELL * cols}
            return {**size, "car.verify": {"steps": 60}}
        steps = min(150, envs.spec(task).horizon) if task in envs.names() else 150
        slow = {"every": 5, "early": 2} if steps == 150 else {}
        return {
            "car.gripper": False,
            "car.verify": {"expert_noise": 0.2, "steps": steps, **slow},
        }

    def check(self, config: VLMCaRConfig, training: TrainingConfig, spec: envs.TaskSpec) -> None:
        """There are pictures, an expert, and trajectories long enough."""
        del training
        car = config.car
        if not spec.has_pictures:
            raise ValueError(f"vlm_car looks at pictures: task {spec.name} has none")
        if spec.expert is None:
            raise ValueError(
                f"vlm_car verifies programs on expert trajectories: task {spec.name} has no expert"
            )
        if car.height * car.width > _MOST:
            raise ValueError(
                f"car.height ({car.height}) times car.width ({car.width}) must be at most {_MOST}"
            )
        if car.verify.steps > spec.horizon:
            raise ValueError(
                f"car.verify.steps ({car.verify.steps}) must be at most {spec.horizon}, an episode "
                f"of {spec.name}"
            )

    def rewards(self, config: VLMCaRConfig, training: TrainingConfig, env: envs.TaskEnv) -> Rewards:
        """The column of the sub-tasks; with potentials, the task's success, which they shape."""
        del training, env
        watched = (WatchedColumn(COLUMN, config.car.memory),)
        if config.car.form == "bonus":
            return Rewards({COLUMN: 1.0}, watched=watched)
        success = GroundTruth("success", "sparse")
        return Rewards({COLUMN: 1.0, "sparse": 1.0}, (success,), watched=watched)

    def start(self, config: VLMCaRConfig, context: Context, train: Train) -> VLMCaRRun:
        """Starts a run."""
        del train
        return VLMCaRRun(config, context)


class VLMCaRRun(BaseRun):
    """VLM-CaR during one run. All seeds have the same programs."""

    def __init__(self, config: VLMCaRConfig, context: Context):
        self._car, self._context = config.car, context
        self._subtasks: tuple[str, ...] = ()
        self._codes: tuple[str, ...] = ()
        self._report: list[dict[str, Any]] = []
        self._false_positives = 0
        self._watcher: SubTaskWatcher | None = None

    def begin(self) -> None:
        """Asks for sub-tasks and programs, and verifies them.

        Raises:
            NoPrograms: none was accepted; the report says why.
        """
        context = self._context
        env = context.env
        generator = Generator(
            context.chat_model("vlm_car"),
            env.spec.instruction,
            gather(self._car, env, context.seed),
            Camera(env, self._car),
            context.note,
        )
        folder, accepted = context.folder / "rewards", None
        try:
            accepted = generator.run()
        except NoPrograms as error:
            report.write(folder, context.title, error.attempts, None)
            raise
        self._report = report.write(folder, context.title, accepted.attempts, accepted)
        self._use(accepted)

    def _use(self, accepted: Accepted) -> None:
        self._subtasks, self._codes = accepted.subtasks, accepted.codes
        self._false_positives = accepted.false_positives
        self._watcher = make_watcher(self._car, self._context, self._codes)

    def programs(self) -> Mapping[str, list[Any]]:
        """The same watcher for each seed."""
        return {COLUMN: [self._watcher] * self._context.seeds}

    def summary(self) -> dict[str, Any]:
        """The sub-tasks, and how many programs were written for them."""
        tried = [e for e in self._report if e["confusion"]]
        return {
            "subtasks": list(self._subtasks),
            "programs_written": len(self._report),
            "programs_refused": sum(not e["accepted"] for e in self._report),
            "programs_verified": len(tried),
            "random_trajectories_completed": self._false_positives,
        }

    def state(self) -> dict[str, Any]:
        """The sub-tasks and their programs."""
        return {
            "subtasks": list(self._subtasks),
            "codes": list(self._codes),
            "report": self._report,
            "false_positives": self._false_positives,
        }

    def restore(self, arrays: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Takes over a checkpoint; nothing is asked or verified again."""
        del arrays
        self._report = state["report"]
        codes, subtasks = tuple(state["codes"]), tuple(state["subtasks"])
        self._use(Accepted(subtasks, codes, state["false_positives"], ()))


def gather(car: Any, env: envs.TaskEnv, seed: int) -> Evidence:
    """Plays the trajectories that programs are tried on.

    Args:
        car: the settings (`config.CarConfig`).
        env: the environment.
        seed: of the trajectories.

    Raises:
        ValueError: the task's expert does not succeed.
    """
    rules = car.verify
    keys = jax.random.split(jax.random.key(seed), 2)
    experts = trajectories.expert(env, keys[0], rules.experts, rules.steps, rules.expert_noise)
    longest = int(experts.length.max())
    randoms = trajectories.random(env, keys[1], rules.randoms, longest)
    experts = trajectories.thinned(experts, rules.every, rules.frames - 1)
    return Evidence(env, experts, trajectories.thinned(randoms, rules.every, 0), car)


def make_watcher(car: Any, context: Context, codes: tuple[str, ...]) -> SubTaskWatcher:
    """The reward of some programs in order."""
    programs = tuple(compile_program(code, car.height, car.width) for code in codes)
    gamma = context.learner.config.gamma
    return SubTaskWatcher(context.env, Chain(programs, car.frames), car, gamma)
