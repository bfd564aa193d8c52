"""The runs of the chaos test: every method, small, with and without a hosted model."""

import dataclasses
import json
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
STEPS, CHUNK = 600, 100
BASE = {
    "task": "point_world:Point", "steps": STEPS, "envs": 5, "chunk": CHUNK, "rollout": 5,
    "updates": 2, "random_steps": 200, "eval_every": 200, "eval_episodes": 2, "final_episodes": 2,
    "checkpoint_every": 200, "render_batch": 2, "sac": {"hidden": [8, 8], "batch_size": 8},
}  # fmt: skip
FEEDBACK = {
    "labels": 12, "labels_per_round": 4, "first_round": 300, "round_every": 100, "clip_length": 5,
    "window": 200, "critic_updates": 3,
}  # fmt: skip
FIT = {"hidden": [8], "epochs": 2}
CORE = {
    "method": "core", "feedback": FEEDBACK, "residual": FIT, "scripted": {"kind": "oracle"},
    "formal": {"refine_at": [400], "candidates": 2},
}  # fmt: skip
PREFERENCES = {
    "method": "rl_vlm_f", "reward_input": "state", "unsupervised_steps": 100, "reward": FIT,
    "feedback": {**FEEDBACK, "clip_length": 1}, "scripted": {"kind": "oracle"},
}  # fmt: skip
EUREKA = {"method": "eureka", "eureka": {"candidates": 2, "iterations": 2, "trial_fraction": 0.5}}
VLM = {"teacher": "vlm", "wait_for_labels": True, "vlm": {"size": 64, "in_flight": 4}}
SERVICE = {
    "name": "fake", "prices": [1.0, 2.0], "max_output_tokens": 1_000, "timeout": 20.0, "retries": 8,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Case:
    """One run: its settings, and which hosted models it asks ("" for none)."""

    name: str
    values: dict
    writer: str = ""  # "openai" or "gemini"
    labeller: bool = False
    trials: bool = False

    @property
    def hosted(self):
        return bool(self.writer) or self.labeller

    def config(self, folder, url):
        """Writes the run's settings to a file and returns it."""
        values = BASE | self.values
        if self.writer:
            base = url + ("/v1" if self.writer == "openai" else "")
            values |= {"model": self.writer, "chat": {**SERVICE, "base_url": base}}
        elif self.labeller:
            chat = {**SERVICE, "base_url": url + "/v1"}
            values["vlm"] = {**values["vlm"], "model": "openai", "chat": chat}
        if self.hosted:
            values["max_cost"] = 50.0
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps(values))
        return path


def without(values, *names):
    return {k: v for k, v in values.items() if k not in names}


OWN_CODE = {"file": str(HERE / "my_reward.py")}
CASES = (
    Case("env_dense", {"method": "env_dense"}),
    Case("env_sparse", {"method": "env_sparse"}),
    Case("code", {"method": "code", "formal": OWN_CODE}),
    Case("core_file", CORE | {"formal": OWN_CODE}),
    Case("rl_vlm_f", PREFERENCES),
    Case("core", CORE, "openai"),
    Case("text2reward", {"method": "text2reward"}, "openai"),
    Case("text2reward_gemini", {"method": "text2reward"}, "gemini"),
    Case("eureka", EUREKA, "openai", trials=True),
    Case("core_vlm", without(CORE, "scripted") | VLM, "openai", labeller=True),
    Case("rl_vlm_f_vlm", without(PREFERENCES, "scripted") | VLM, labeller=True),
)
