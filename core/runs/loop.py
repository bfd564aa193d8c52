"""The host's loop: chunk, feedback round, refinement, evaluation, checkpoint, log.

Everything that happens at a chunk's boundary is decided by the number of environment steps alone
and draws from random streams of its own, so a resumed run is the undisturbed run.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from core_jax import methods
from core_jax.agents.evaluation import Episodes
from core_jax.feedback.labels import LabelStore
from core_jax.feedback.teachers.registry import make_labelling
from core_jax.methods import eureka_search as eureka
from core_jax.methods import text2reward_write as text2reward
from core_jax.methods.core.formal import FormalModule
from core_jax.methods.core.residual import ResidualModule
from core_jax.methods.trials import Trials, ground_truth_scores
from core_jax.models import check_chat_model, check_labeller, make_chat_model, open_books
from core_jax.runs import checkpoint, metrics, run_folder
from core_jax.runs.config import Config, check
from core_jax.training import warm_up
from core_jax.training.rewards import Formal
from core_jax.training.state import Train, TrainState
from core_jax.training.train import make_train
from core_jax.visual import episodes as film


def run(config: Config, out: Path, resume: bool = False, quiet: bool = False) -> dict[str, Any]:
    """Runs a config to its end and returns the summary.

    Args:
        config: what to run; checked here.
        out: the run's folder; must not exist, unless `resume`.
        resume: go on from the last sound checkpoint of the folder; with more steps than before,
            a finished run goes on as well.
        quiet: no progress on stderr.

    Raises:
        ValueError: a bad config, a missing API key or recording, an existing folder, or one of
            another config.
        ChatError: a hosted model does not answer, or the budget is used up; there is a checkpoint
            to go on from.
    """
    config = check(config)
    if not resume:  # before the folder is made
        if config.uses_formal:
            check_chat_model(config)
        if config.teacher == "vlm":
            check_labeller(config)
    run_folder.prepare(out, config, resume)
    finished = run_folder.summary(out) if resume else None
    if finished is not None:
        if finished["env_steps"] >= config.steps:
            return finished
        (out / "summary.json").unlink()  # it goes on
    running = _Run(config, out, resume, quiet)
    try:
        return running.finish()
    finally:
        running.close()


class _Run:
    def __init__(self, config: Config, out: Path, resume: bool, quiet: bool):
        self.config, self.out = config, out
        self.began = time.monotonic()
        self.earlier_seconds = 0.0
        self.progress = metrics.Progress(config.steps, quiet)
        self.train: Train = make_train(config)
        self.store = LabelStore(out / "labels.sqlite")
        self.books = open_books(config, out) if config.hosted else None
        env = self.train.env
        self.teacher, self.labelling = make_labelling(config, env, self.store, out, self.books)
        self.residual = ResidualModule(config, self.train, self.labelling, self.store)
        self.formal: FormalModule | None = None
        if config.uses_formal:
            model = make_chat_model(config, out, books=self.books)
            self.formal = FormalModule(config, env, model, out / "rewards")
        self.trials: Trials | None = None
        if config.trial_lanes:
            path = out / "rewards" / "trials.json"
            self.trials = Trials(config, config.trial_lanes, path, self.progress.note)
        self.state: TrainState = self.train.init(run_folder.seed_keys(config))
        self.latest: dict[str, list[float]] = {}
        restored = self._restore() if resume else None
        self.file = metrics.MetricsFile(
            out / "metrics.jsonl", keep_until=(restored or 0) if resume else None
        )
        self.progress.note("compiling (the first start takes a minute, later ones seconds)")
        warm_up.start(config, self.train, self.state)
        if restored is None and self.formal is not None:
            self._first_rewards()

    def finish(self) -> dict[str, Any]:
        config = self.config
        while (env_steps := int(self.state.env_steps)) < config.steps:
            began = time.monotonic()
            formal = self._formal() if self.formal else None
            self.state, row = self.train.train_chunk(self.state, formal)
            row = metrics.to_host(jax.device_get(row))
            env_steps = int(self.state.env_steps)
            if self.formal:
                self.formal.observe(row)
            row["events"] = self._feedback(env_steps, row)
            if env_steps % config.eval_every == 0:
                self._evaluate(env_steps)
                row["events"] += self._rollback(env_steps)
            row = self._row(env_steps, row, time.monotonic() - began)
            self.file.write(row)
            self.progress.update(env_steps, row, force=env_steps % config.eval_every == 0)
            for event in row["events"]:
                self.progress.note(f"  {env_steps:,}: {event}")
            problem = self.labelling.problem
            if problem or (config.checkpoint_every and env_steps % config.checkpoint_every == 0):
                self._save(env_steps)
            if problem:
                raise problem
        if not config.checkpoint_every or config.steps % config.checkpoint_every:
            self._save(config.steps)
        return self._finish()

    def _feedback(self, env_steps: int, row: dict[str, Any]) -> list[str]:
        """The round and the refinement that are due after this chunk."""
        config, events, lanes = self.config, [], self.state.lanes
        needs_labels = config.refines_formal or config.uses_residual
        selecting = self.formal is not None and self.formal.current[0] is None
        first = selecting and env_steps >= config.random_steps and not self.residual.rounds
        if first:
            self.residual.ask(lanes, env_steps, fits=False)
        if needs_labels and self.residual.due(env_steps):
            self.residual.ask(lanes, env_steps, fits=config.uses_residual)
        collected = self.residual.collect(env_steps)
        row.update(collected.row)
        events += collected.events
        if selecting and collected.answered:
            events += self._select(env_steps)
        if first or (selecting and collected.answered):
            lanes = self.train.relabel_formal(lanes, self._formal())
        if collected.fits:
            lanes, fitted = self.residual.fit(lanes)
            row.update(metrics.to_host(fitted))
        refine_at = config.formal.refine_at if config.refines_formal else ()
        selected = self.formal is not None and self.formal.current[0] is not None
        if selected and any(0 <= env_steps - at < config.chunk for at in refine_at):
            before = list(self.formal.current)
            events += self.formal.refine(self.residual.labels, env_steps)
            if self.formal.current != before:
                lanes = self.train.relabel_formal(lanes, self.formal.current)
        self.state = self.state.replace(lanes=lanes)
        return events

    def _first_rewards(self) -> None:
        """The first formal reward, or the candidates for it where labels are needed to choose."""
        config, spec, formal, events = self.config, self.train.env.spec, self.formal, []
        writer = methods.get(config.method).writer
        if writer == "eureka":
            events = eureka.search(config, spec, formal, self.trials)
        elif writer == "text2reward":
            events = text2reward.write(config, spec, formal)
        else:
            self.candidates = formal.first_candidates()
            if self.trials:
                scores = ground_truth_scores(config, self.candidates, self.trials)
                events = formal.select(self.candidates, scores, 0, "gt_score")
        for event in events:
            self.progress.note(f"  {event}")

    def _rollback(self, env_steps: int) -> list[str]:
        """Takes back refined rewards that the evaluation just made speaks against."""
        if not self.config.refines_formal:
            return []
        before = list(self.formal.current)
        success = self.latest["success"]
        events = self.formal.judge(self.residual.labels, env_steps, success)
        if self.formal.current != before:
            lanes = self.train.relabel_formal(self.state.lanes, self.formal.current)
            self.state = self.state.replace(lanes=lanes)
        return events

    def _select(self, env_steps: int) -> list[str]:
        """Chooses the first formal reward by the labels there are."""
        labels = self.residual.labels
        scores = [
            self.formal.agreements(self.candidates, labels, s) for s in range(self.config.seeds)
        ]
        return self.formal.select(self.candidates, np.stack(scores), env_steps, "label_agreement")

    def _formal(self) -> list[Formal]:
        """The formal rewards in use. While the labels that choose them are under way, that is the
        first candidate that compiles."""
        if self.formal.current[0] is None and self.residual.rounds:
            first = next(c.reward for c in self.candidates if c.reward)
            return [first] * self.config.seeds
        return self.formal.current

    def _evaluate(self, env_steps: int) -> None:
        episodes, _ = self.train.evaluate(self.state.lanes, self._eval_keys(env_steps))
        self.latest = _means(episodes)

    def _eval_keys(self, offset: int) -> jax.Array:
        seeds = self.config.seed + jnp.arange(self.config.seeds)
        fold = lambda s: jax.random.fold_in(jax.random.key(s), 3_000_000 + offset)
        return jax.vmap(fold)(seeds)

    def _row(self, env_steps: int, row: dict[str, Any], seconds: float) -> dict[str, Any]:
        tokens, cost_usd = self._spent()
        return {
            "env_steps": env_steps,
            "wall_seconds": round(self._wall(), 2),
            "steps_per_second": round(self.config.chunk * self.config.seeds / seconds, 1),
            "evaluated": env_steps % self.config.eval_every == 0,
            **self.latest,
            "labels": self.residual.asked,
            "label_wait_seconds": round(self.labelling.waited, 2),
            "tokens": tokens,
            "cost_usd": cost_usd,
            **row,
        }

    def _spent(self) -> tuple[int, float]:
        """Tokens and USD of the whole run; recordings and scripted teachers cost nothing."""
        return self.books.spent() if self.books else (0, 0.0)

    def _wall(self) -> float:
        return self.earlier_seconds + time.monotonic() - self.began

    def _arrays(self) -> dict[str, Any]:
        return {"state": self.state, "labels": self.residual.labels}

    def _save(self, env_steps: int) -> None:
        meta = {"wall_seconds": self._wall(), "latest": self.latest}
        meta["pending"] = self.residual.state()
        if self.formal:
            meta["formal"] = self.formal.state()
        checkpoint.save(self.out / "checkpoints", env_steps, self._arrays(), meta)

    def _restore(self) -> int | None:
        found = checkpoint.load_latest(self.out / "checkpoints", self._arrays(), self.progress.note)
        if found is None:
            self.progress.note("no usable checkpoint: starting from the beginning")
            return None
        env_steps, arrays, meta = found
        state = arrays["state"]
        lanes, steps = self.train.place(state.lanes), jnp.asarray(state.env_steps)
        self.state = TrainState(lanes=lanes, env_steps=steps)
        self.residual.restore(arrays["labels"], meta["pending"])
        self.earlier_seconds, self.latest = meta["wall_seconds"], meta["latest"]
        if self.formal:
            self.formal.restore(meta["formal"])
            if self.formal.current[0] is None:
                self.candidates = self.formal.first_candidates()
        self.progress.note(f"resuming at {env_steps:,} environment steps")
        return env_steps

    def _finish(self) -> dict[str, Any]:
        config, lanes = self.config, self.state.lanes
        rounds = -(-config.final_episodes // config.eval_episodes)
        played = [
            jax.device_get(self.train.evaluate(lanes, self._eval_keys(4_000_000 + i)))
            for i in range(rounds)
        ]
        joined = [np.concatenate(x, axis=1) for x in zip(*(e for e, _ in played), strict=True)]
        episodes = Episodes(*(x[:, : config.final_episodes] for x in joined))
        self.labelling.close()  # replies that are paid for may still come
        tokens, cost_usd = self._spent()
        summary = {
            "task": config.task,
            "method": config.method,
            "protocol": config.protocol,
            "teacher": self.teacher,
            "model": config.model,
            "seeds": config.seeds,
            "seed": config.seed,
            **_means(episodes),
            "episodes": config.final_episodes,
            "env_steps": int(self.state.env_steps),
            "trial_steps": self.trials.env_steps if self.trials else 0,
            "wall_seconds": round(self._wall(), 1),
            "labels": self.residual.asked,
            "tokens": tokens,
            "cost_usd": cost_usd,
            "device": run_folder.device(),
            "run": str(self.out),
        }
        title = f"{config.method} on {config.task} ({config.protocol})"
        metrics.plot_curve(self.file.rows(), title, self.out / "curve.png")
        current = self.formal.current if self.formal else [None] * config.seeds
        reel = film.develop(config, self.train, lanes, current, played[0][1])
        film.contact_sheet(self.train.env, reel, title, self.out / "episode.png", config.seed)
        run_folder.write_json(self.out / "summary.json", summary)
        return summary

    def close(self) -> None:
        """Ends what is under way and closes all files."""
        self.labelling.close()
        self.progress.close()
        self.file.close()
        self.store.close()
        if self.books:
            self.books.cache.close()


def _means(episodes: Episodes) -> dict[str, list[float]]:
    """Per-seed means of what an evaluation saw."""
    named = {k: np.asarray(v).mean(axis=1) for k, v in episodes._asdict().items()}
    return {k: [round(float(x), 4) for x in v] for k, v in named.items()}
