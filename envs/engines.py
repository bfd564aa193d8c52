"""brax's environment interface and MuJoCo's JAX port, imported without what they print.

`mujoco.mjx` prints that its optional backend `warp` is missing, on stdout, where a command's last
line is its result.
"""

import contextlib
import io

with contextlib.redirect_stdout(io.StringIO()):
    from mujoco import mjx

from brax.envs.base import Env, State, Wrapper

__all__ = ["Env", "State", "Wrapper", "mjx"]
