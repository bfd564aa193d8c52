"""The loop of a run: chunk, triggers, evaluation, checkpoint, log.

What happens at a boundary is decided by the number of environment steps alone and draws from random
streams of its own, so a resumed run is the uninterrupted run. The loop knows no method.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from core_jax import envs, files
from core_jax.methods.base import MethodRun
from core_jax.methods.triggers import Boundary, run_due
from core_jax.models import UsageLedger
from core_jax.runs import (
    checkpoint,
    finish,
    interrupt,
    machine,
    members,
    metrics,
    restore,
    run_folder,
    setup,
)
from core_jax.runs.checks import check
from core_jax.runs.config import Config
from core_jax.runs.loggers import OnRow
from core_jax.training import warm_up
from core_jax.training.devices import configure_jax
from core_jax.training.state import TrainState
from core_jax.training.streams import Stream, in_stream

if TYPE_CHECKING:
    from core_jax.runs.processes import Models

HELD = 3
"""Evaluations in a row that must reach `stop_at`: one may be chance."""


def run(
    config: Config,
    out: Path | str,
    resume: bool = False,
    quiet: bool = False,
    env: Any = None,
    on_row: OnRow | None = None,
    base_url_trusted: bool = True,
    models: Models | None = None,
) -> dict[str, Any]:
    """Runs a config to its end and returns the summary.

    Args:
        config: what to run; checked here.
        out: the run's folder; must not exist, unless `resume`.
        resume: continue from the last sound checkpoint of the folder; with more steps than before,
            a finished run continues, too.
        quiet: no progress on stderr.
        env: one world of your own, a `brax.envs.Env`, in place of `config.task`'s.
        on_row: called with every row of metrics, after it was written (`core_jax.runs.loggers`).
        base_url_trusted: False if the address of a hosted model came from a config file: the API
            key is then sent to its vendor and to this machine only.
        models: the hosted models of a run over several processes.

    Raises:
        ValueError: a bad config, a missing API key or recording, an existing folder, or one of
            another config.
        ChatError: a hosted model does not answer, or the budget is used up; there is a checkpoint
            to continue from.
        Stopped: a signal was caught (`core_jax.runs.interrupt`); there is a checkpoint.
    """
    out = Path(out)
    if env is not None and not isinstance(env, envs.TaskEnv):
        env = envs.BraxTask(env)
    members.check(config)
    configure_jax(setup.parallel_seeds(config))
    config = check(config, env.spec if env is not None else None)
    if not resume and (models is None or models.asks):  # before the folder is made
        setup.check_outside(config, base_url_trusted)
    with run_folder.opened(out, config, resume):
        finished = run_folder.summary(out) if resume else None
        if finished is not None:
            enough = run_folder.is_complete(finished, config)
            if enough and finished["episodes"] == config.final_episodes:
                return finished
        with run_folder.kept_once_begun(out, resume):
            running = _Run(config, out, resume, quiet, env, on_row, base_url_trusted, models)
            (out / "summary.json").unlink(missing_ok=True)  # it continues, or is evaluated anew
            try:
                return running.finish()
            finally:
                running.close()


class _Run:
    def __init__(
        self,
        config: Config,
        out: Path,
        resume: bool,
        quiet: bool,
        env: envs.TaskEnv | None,
        on_row: OnRow | None,
        base_url_trusted: bool,
        models: Models | None,
    ):
        self.config, self.out, self.on_row = config, out, on_row
        self._ledger: UsageLedger | None = None
        interrupt.set_idle("before its first row of metrics", self._may_leave)
        self.began, self.earlier_seconds = time.monotonic(), 0.0
        self.progress = metrics.Progress(config.training.steps, quiet)
        self.parts = setup.make_parts(
            config, out, self.progress.note, env, base_url_trusted, models
        )
        self.train, self._ledger = self.parts.train, self.parts.ledger
        self.method: MethodRun = self.parts.method
        self.keys = members.keys(config)
        self.state: TrainState = self.train.init(self.keys, members.values(config))
        self.latest: dict[str, list[float]] = {}
        self.broken = False  # whether a step that was not finite has been reported
        self.successes: list[float] = []  # of the latest evaluations, mean over seeds
        if resume:
            machine.check_keys(out)
        restored = self._restore() if resume else None
        differing = machine.record(out)
        if restored and differing:
            self.progress.note(f"not bit-exact with the run so far: {'; '.join(differing)}")
        keep = (restored or 0) if resume else None
        if lost := files.unreadable_rows(out / "metrics.jsonl"):
            self.progress.note(f"metrics.jsonl is damaged: {lost} of its lines are left out")
        self.file = metrics.MetricsFile(out / "metrics.jsonl", keep_until=keep)
        self.progress.note("compiling (the first start takes a minute, later ones seconds)")
        if restored is None:
            self.state = self.state.replace(seeds=self.method.prepare(self.state.seeds))
        warm_up.start(self.train, self.state)
        if restored is None:
            self.method.begin()

    def finish(self) -> dict[str, Any]:
        """Trains to the end and returns the summary."""
        config, steps = self.config, self.config.training.steps
        while (env_steps := int(self.state.env_steps)) < steps and not self._held():
            began = time.monotonic()
            self.state, row = self.train.train_chunk(self.state, self.method.programs())
            interrupt.set_busy()
            row = metrics.to_host(jax.device_get(row))
            env_steps = int(self.state.env_steps)
            boundary = self._boundary(env_steps, row)
            self.broken = finish.report_broken(row, boundary.events, self.broken)
            row = self._row(boundary, time.monotonic() - began)
            self.file.write(row)
            if self.on_row is not None:
                self.on_row(row)
            self.progress.update(env_steps, row, force=row["evaluated"])
            for event in boundary.events:
                self.progress.note(f"  {env_steps:,}: {event}")
            problem, signal = self.method.problem(), interrupt.received()
            every = config.checkpoint_every
            if problem or signal or (every and env_steps % every == 0):
                self._save(env_steps)
            if problem:
                raise problem
            if signal and env_steps < steps and not self._held():
                raise interrupt.Stopped(signal, env_steps)
        line = finish.unasked(config, self.method.row().get("labels"))
        if line and not self._held():
            self.progress.note(line)
        if self._held():
            reached = f"success was at least {config.stop_at} in {HELD} evaluations"
            self.progress.note(f"{reached}: training ends at {env_steps:,} of {steps:,} steps")
        if not config.checkpoint_every or env_steps % config.checkpoint_every:
            self._save(env_steps)
        interrupt.set_idle("in its last evaluation; --resume repeats that", self._may_leave)
        return self._finish()

    def _held(self) -> bool:
        """Whether success has been high enough for long enough to stop."""
        level = self.config.stop_at
        held = len(self.successes) == HELD and min(self.successes) >= (level or 0.0)
        return level is not None and held

    def close(self) -> None:
        """Ends what is under way and closes all files."""
        self.parts.close()
        self.progress.close()
        self.file.close()

    def _may_leave(self) -> bool:
        """Whether no reply that is paid for is under way; no more are asked for."""
        return self._ledger is None or self._ledger.stop()

    def _boundary(self, env_steps: int, row: dict[str, Any]) -> Boundary:
        """Runs what is due after a chunk."""
        chunk = self.config.training.chunk
        boundary = Boundary(env_steps, self.state.seeds, row, evaluation=self.latest)
        run_due(self.method.triggers, boundary, chunk)
        if env_steps % self.config.eval_every == 0:
            keys = in_stream(self.keys, Stream.EVALUATION, env_steps)
            episodes, _ = self.train.evaluate(boundary.seeds, keys)
            self.latest = boundary.evaluation = finish.means(episodes)
            mean = sum(self.latest["success"]) / len(self.keys)
            self.successes = [*self.successes, mean][-HELD:]
            run_due(self.method.triggers, boundary, chunk, evaluated=True)
        self.state = self.state.replace(seeds=boundary.seeds)
        return boundary

    def _row(self, boundary: Boundary, seconds: float) -> dict[str, Any]:
        training = self.config.training
        tokens, cost_usd = self.parts.spent()
        return {
            "env_steps": boundary.env_steps,
            "wall_seconds": round(self._wall(), 2),
            "steps_per_second": round(training.chunk * len(self.keys) / seconds, 1),
            "evaluated": boundary.env_steps % self.config.eval_every == 0,
            **self.latest,
            "phase": str(self.method.phase),
            **self.method.row(),
            "tokens": tokens,
            "cost_usd": cost_usd,
            **metrics.to_host(boundary.row),
            "events": boundary.events,
        }

    def _wall(self) -> float:
        return self.earlier_seconds + time.monotonic() - self.began

    def _arrays(self) -> dict[str, Any]:
        return {"state": self.state, **self.method.arrays()}

    def _save(self, env_steps: int) -> None:
        meta = {
            "wall_seconds": self._wall(),
            "latest": self.latest,
            "successes": self.successes,
            "method": self.method.state(),
        }
        checkpoint.save(self.out / "checkpoints", env_steps, self._arrays(), meta)

    def _restore(self) -> int | None:
        found = checkpoint.load_latest(
            self.out / "checkpoints", self._arrays(), self.progress.note, restore.grow_replay
        )
        if found is None:
            self.progress.note("no usable checkpoint: starting from the beginning")
            return None
        env_steps, arrays, meta = found
        state = arrays.pop("state")
        steps = jnp.asarray(state.env_steps)
        self.state = TrainState(seeds=self.train.place(state.seeds), env_steps=steps)
        self.method.restore(arrays, meta["method"])
        self.earlier_seconds, self.latest = meta["wall_seconds"], meta["latest"]
        self.successes = meta.get("successes", [])
        self.progress.note(f"resuming at {env_steps:,} environment steps")
        return env_steps

    def _finish(self) -> dict[str, Any]:
        config, seeds = self.config, self.state.seeds
        played, record = finish.play(config, self.train, seeds)
        self.method.close()  # replies that are paid for may still come
        interrupt.set_busy()
        tokens, cost_usd = self.parts.spent()
        summary: Mapping[str, Any] = {
            "task": config.task,
            "method": config.method,
            "protocol": config.protocol,
            "learner": config.learner,
            **({"teacher": self.parts.teacher} if config.asks_teacher else {}),
            **({"model": config.model} if config.asks_writer else {}),
            "seeds": config.training.seeds,
            "seed": config.seed,
            **({"members": members.described(config)} if config.sweep else {}),
            **played,
            "episodes": config.final_episodes,
            "env_steps": int(self.state.env_steps),
            **({"stopped_at": config.stop_at} if self._held() else {}),
            "wall_seconds": round(self._wall(), 1),
            **self.method.summary(),
            "tokens": tokens,
            "cost_usd": cost_usd,
            "pictures": self.parts.pictures(),
            "device": run_folder.device(),
            **machine.for_summary(self.out),
            "run": str(self.out),
        }
        # The summary first: a picture that cannot be drawn must not lose a finished training.
        files.write_json(self.out / "summary.json", summary)
        columns = self.train.score_record(seeds, record, self.method.programs())
        finish.draw(config, self.train.env, record, columns, self.out, self.progress.note)
        return dict(summary)
