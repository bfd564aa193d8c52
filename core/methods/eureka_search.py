"""Eureka's search (Ma et al., ICLR 2024): ask for rewards, train with each, reflect on the best.

An iteration asks for K candidates, trains those that compile side by side and takes the one with
the highest ground-truth fitness; the next asks for better ones, showing that reward and how its
components moved. The final policy is trained with the best reward of all iterations. As in the
paper there is one search for all seeds, and a candidate is trained once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from core_jax.methods.core.formal import FormalModule
from core_jax.methods.trials import Trials
from core_jax.prompts import eureka as prompts
from core_jax.prompts.formal import statistics_table
from core_jax.runs.config import Config
from core_jax.writing.writer import NoReward


def search(config: Config, spec: Any, module: FormalModule, trials: Trials) -> list[str]:
    """Searches, and takes the best reward for every seed; returns what happened, a line each.

    Args:
        spec: the task's.

    Raises:
        NoReward: the first iteration brought no reward that compiles. A later one ends the search.
    """
    messages, told, parent = prompts.initial_messages(spec), None, None
    leaders, events = [], []  # of each iteration: (fitness, candidate, file)
    for iteration in range(config.eureka.iterations):
        try:
            candidates = module.author.proposals(messages, config.eureka.candidates)
        except NoReward:
            if not leaders:
                raise
            reason = "No candidate compiles, so the search ends"
            module.record(None, 0, f"iteration {iteration} fails", [], reason=reason)
            events.append(f"iteration {iteration}: {reason}")
            break
        usable = [c for c in candidates if c.reward]
        results = trials.run([c.reward for c in usable], [config.seed] * len(usable))
        fitness = {c.index: t.fitness for c, t in zip(usable, results, strict=True)}
        files = {}
        for c in usable:
            remark = f"iteration {iteration}, candidate {c.index}: fitness {fitness[c.index]:.4f}"
            name = f"iteration{iteration}_candidate{c.index:02d}.py"
            files[c.index] = module.book.keep(name, c.reward.source, remark)
        first = int(np.argmax([t.fitness for t in results]))
        chosen, trial = usable[first], results[first]
        leaders.append((trial.fitness, chosen, files[chosen.index]))
        module.record(
            None, 0, f"leads iteration {iteration}", candidates, chosen=chosen.index, by="fitness",
            scores={str(c.index): round(fitness[c.index], 4) for c in usable},
            reason=f"Highest fitness of {len(candidates)} candidates", statistics=told,
            file=files[chosen.index], parent=parent,
        )  # fmt: skip
        events.append(f"iteration {iteration}: {files[chosen.index]}, fitness {trial.fitness:.4f}")
        told, parent = statistics_table(trial.statistics), files[chosen.index]
        messages = prompts.feedback_messages(
            spec, chosen.reward.source, config.trial_steps, trial.statistics
        )
    best, candidate, file = max(leaders, key=lambda leader: leader[0])
    for s in range(config.seeds):
        module.take(s, candidate, [], 0, f"{file} has the highest fitness of all, {best:.4f}")
    return [*events, f"the policy is trained with {file}"]
