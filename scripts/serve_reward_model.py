"""Serves a large reward model of this project over the released server's endpoints:
`python scripts/serve_reward_model.py --port 5001`.

Programs that were written for the released server, such as its evaluation scripts, then ask this
model. `reward_type` "quality" is not offered; TOPReward's log-probability is that of progress.
"""

from __future__ import annotations

import json
import sys

import tyro

from core_jax.reward_models.large_reward import server, trained
from core_jax.training import cache, devices


def serve(
    model: str = "own",
    host: str = "127.0.0.1",
    port: int = 5001,
    abstain_below: float = 0.0,
) -> int:
    """Serves until it is interrupted.

    Args:
        model: a file of `train_reward_model.py`, or `own` for the one of the package.
        host: address to listen at; 0.0.0.0 is every address of this machine.
        port: to listen at; 0 takes a free one.
        abstain_below: confidence below which a request is refused.
    """
    devices.prepare_cpu(1)
    cache.enable()
    try:
        judge = trained.load(model, abstain_below)
        serving = server.make_server(judge, host, port)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps({"url": f"http://{host}:{serving.server_address[1]}", "model": judge.name}))
    sys.stdout.flush()
    try:
        serving.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        serving.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(tyro.cli(serve))
