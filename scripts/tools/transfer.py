"""Plays policies in the original Meta-World: does what was learned in the port transfer?

`METAWORLD_PYTHON scripts/tools/transfer.py RUN_OR_POLICY... [--protocol both]`

Runs in a virtual environment with `metaworld==3.1.1 mujoco==3.3.0` and nothing of this project. A
policy is an `.npz` file of scripts/export.py; a run's folder is exported first, by a Python that
has the project (`--project`). The goal is observable, as in training. The last line of stdout is
one JSON object.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from metaworld_original import TASKS, first_success, original_env, summary

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from numpy_policy import Policy  # noqa: E402  not a package: it lies beside an exported policy


def play(policy: Policy, protocol: str, episodes: int, seed: int) -> dict[str, Any]:
    """Plays episodes of 500 steps; success is success at any step."""
    np.random.seed(seed)  # Meta-World draws its resets from the global generator
    env = original_env(policy.task, protocol)
    first = [first_success(env, policy) for _ in range(episodes)]
    return {
        "task": policy.task,
        "protocol": protocol,
        "episodes": episodes,
        **summary(first),
    }


def exported(run: Path, project: Path, folder: Path) -> list[Path]:
    """Exports every seed of a run with the project's Python.

    Raises:
        ValueError: if that fails; the message is the export's.
    """
    out = folder / f"{run.resolve().name}.npz"
    command = [str(project), str(ROOT / "scripts" / "export.py"), str(run), "--out", str(out)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise ValueError(f"{run} is a run's folder and needs --project: {error}") from None
    if done.returncode:
        raise ValueError(f"{run} cannot be exported: {done.stderr.strip()}")
    return [Path(p) for p in json.loads(done.stdout.strip().splitlines()[-1])["policies"]]


def grouped(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over the policies of a task and protocol."""
    groups: dict[tuple[str, str], list[float]] = {}
    for result in results:
        groups.setdefault((result["task"], result["protocol"]), []).append(result["success"])
    return [
        {"task": task, "protocol": protocol, "policies": len(rates), "success": np.mean(rates)}
        for (task, protocol), rates in groups.items()
    ]


def main() -> int:
    """Plays every policy and prints one line for each, then the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="+", type=Path, help="exported policies, .npz, or run folders")
    parser.add_argument("--episodes", type=int, default=50)
    parser.add_argument(
        "--protocol", choices=("paper", "random", "both"), help="default: the policy's own"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--project",
        type=Path,
        default=ROOT / ".venv" / "bin" / "python",
        help="a Python with this project, to export run folders",
    )
    args = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            paths = []
            for i, run in enumerate(args.run):
                out = Path(folder) / str(i)  # runs of two folders may have one name
                paths += exported(run, args.project, out) if run.is_dir() else [run]
            policies = [(path.name, Policy(path)) for path in paths]
            for name, policy in policies:
                if policy.task not in TASKS:
                    valid = ", ".join(TASKS)
                    raise ValueError(f"{name}: unknown task: {policy.task!r}. Valid: {valid}.")
        except (OSError, ValueError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    for name, policy in policies:
        own = (args.protocol or policy.protocol,)
        for protocol in ("paper", "random") if args.protocol == "both" else own:
            result = {"policy": name, **play(policy, protocol, args.episodes, args.seed)}
            results.append(result)
            first = result["first_success_mean"]
            when = f", first at step {first:.1f}" if first else ""
            print(f"{name}: {policy.task} ({protocol}) success {result['success']:.2f}{when}")
    if len(results) == 1:
        print(json.dumps(results[0]))
        return 0
    groups = grouped(results)
    shared = groups[0] if len(groups) == 1 else {"groups": groups}
    print(json.dumps({**shared, "episodes": args.episodes, "policies": results}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
