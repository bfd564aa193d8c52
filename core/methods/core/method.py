"""CoRe as a `Method`: its settings, its reward columns, and what must fit together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from core_jax import envs
from core_jax.feedback.collector import empty_labels
from core_jax.methods.base import BaseMethod, Context
from core_jax.methods.code import check_file
from core_jax.methods.core.algorithm import CoreRun
from core_jax.methods.core.config import CoreConfig, presets
from core_jax.methods.core.parts import COLUMN, FORMAL, RESIDUAL
from core_jax.methods.fit_checks import check_clips, check_input
from core_jax.methods.trials import check_trial
from core_jax.reward_models.source import RewardSource
from core_jax.training.config import TrainingConfig
from core_jax.training.plan import Rewards
from core_jax.training.reward_input import make_input, make_preference_source
from core_jax.training.train import Train


class Core(BaseMethod):
    """Formal reward from a language model + residual reward from preferences."""

    name: ClassVar[str] = "core"
    summary: ClassVar[str] = "formal reward from a language model + residual from preferences"
    config: ClassVar[type] = CoreConfig

    def asks_teacher(self, config: CoreConfig) -> bool:
        """Unless nothing is learned from labels."""
        return config.asks

    def asks_writer(self, config: CoreConfig) -> bool:
        """Unless the formal reward is given or switched off."""
        return config.frm and config.formal.file is None

    def presets(self, config: CoreConfig, task: str) -> Mapping[str, Any]:
        """The paper's schedule for the task."""
        return presets(task, config.rrm and config.residual_input == "pixels")

    def unused(self, config: CoreConfig) -> Mapping[str, str]:
        """What the switches turn off."""
        found = {}
        if not config.frm:
            found |= {"formal": "--no-frm: there is no formal reward"}
            found |= {"feedback.alpha": "--no-frm: the residual reward is the whole reward"}
        if not config.rrm:
            found |= {"residual": "--no-rrm: there is no residual reward"}
            found |= {"residual_input": "--no-rrm: there is no residual reward"}
            found |= {"feedback.denoise": "--no-rrm: nothing is fitted to labels"}
        if config.feedback.label_filter is None:
            found |= {"feedback.rime": "--feedback.denoise none: labels are not filtered"}
        if config.residual_input == "pixels":
            found |= {"residual.hidden": "--residual-input pixels: the network is a CNN"}
        else:
            found |= {"pixels": "--residual-input state: no picture is rendered"}
        if not (config.frm and config.rrm):
            reason = "there is no second reward"
            found |= {"residual_target": reason, "weighting": reason}
        elif config.residual_target == "remainder":
            reason = "--residual-target remainder: the residual reward is not right by itself"
            found |= {"weighting": reason}
        if config.formal.select == "label_agreement":
            found |= {"formal.trial_fraction": "--formal.select label_agreement: no trials"}
        if config.formal.file is not None:
            reason = "--formal.file: the formal reward is given"
            names = ("select", "candidates", "attempts", "refine_at", "rollback_margin")
            found |= {f"formal.{name}": reason for name in names}
        return found

    def check(self, config: CoreConfig, training: TrainingConfig, spec: envs.TaskSpec) -> None:
        """There is a reward, clips fit into episodes and replay, pictures into clips."""
        check_file(config.formal.file if config.frm else None)
        if not (config.frm or config.rrm):
            raise ValueError("method core with --no-frm and --no-rrm has no reward left")
        if config.frm and config.formal.file is None and config.formal.select == "gt_score":
            check_trial("formal.trial_fraction", config.formal.trial_fraction, training)
        if not config.asks:
            return
        check_clips(config.feedback, training, spec)
        if config.frm and config.rrm and config.residual_target == "remainder":
            if not config.feedback.alpha:
                raise ValueError(
                    "feedback.alpha must be above 0 with --residual-target remainder: the residual "
                    "reward can explain nothing that it has no part in"
                )
            if config.weighting != "fixed":
                raise ValueError(
                    f"--weighting {config.weighting} judges the residual reward by itself, and "
                    "with --residual-target remainder it is not fitted to be right by itself"
                )
        if config.rrm:
            check_input(config.residual_input, config.pixels, config.residual, config.feedback,
                        training, spec)  # fmt: skip

    def parallel_seeds(self, config: CoreConfig, training: TrainingConfig) -> int:
        """Trials train all candidates of all seeds at once."""
        trials = config.frm and config.formal.file is None and config.formal.select == "gt_score"
        return training.seeds * (config.formal.candidates if trials else 1)

    def rewards(self, config: CoreConfig, training: TrainingConfig, env: envs.TaskEnv) -> Rewards:
        """(1 - a) F + a R with a = 0 until the residual's first fit (section 4)."""
        weights = {FORMAL: 1.0} if config.frm else {}
        sources: tuple[RewardSource, ...] = ()
        if config.rrm:
            batch = training.render_batch
            hidden = config.residual.hidden
            frames = make_input(config.residual_input, env, config.pixels, hidden, batch)
            keep = config.feedback.label_filter
            sources = (make_preference_source(RESIDUAL, config.residual, frames, batch, keep),)
            weights |= {RESIDUAL: 0.0}
        return Rewards(weights, sources, (COLUMN,) if config.frm else ())

    def empty_arrays(
        self, config: CoreConfig, training: TrainingConfig, env: envs.TaskEnv
    ) -> dict[str, Any]:
        """Room for the labels."""
        return {"labels": empty_labels(training.seeds, config.feedback, env)}

    def start(self, config: CoreConfig, context: Context, train: Train) -> CoreRun:
        """Starts a run."""
        return CoreRun(config, context, train)
