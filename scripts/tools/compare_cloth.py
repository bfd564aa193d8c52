"""Our cloth beside MuJoCo's (a flex, `mj_step` on the CPU): `python
scripts/tools/compare_cloth.py`.

Both have the same particles, side, mass, damping and friction, and their corners are moved alike:
`hang`: held by two corners, which come together to 0.8 of the side and 6 cm forwards, then rest;
`fold`: fold-cloth's own move of one corner to the opposite one, then rest.
MuJoCo's edges are equality constraints; its cloth is 8.8 mm thick where ours has 11.25 mm, because
thicker triangles touch those two cells on and the sheet grows. Speed is measured in turns within
one run, as wall seconds and as CPU seconds, which a busy machine changes less. The last line of
stdout is one JSON object.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import tyro
from cloth_measures import apart, layers, shape

from core_jax import envs
from core_jax.envs import rendering
from core_jax.envs.rendering import Camera
from core_jax.envs.softgym import cloth, fold_cloth, particles
from core_jax.envs.softgym.particles import Body
from core_jax.runs.run_folder import device
from core_jax.training import devices
from core_jax.training.devices import rendering_options
from core_jax.visual.figures import new_figure

HALF = 0.0044  # m, of MuJoCo's cloth's thickness
_REST, _TOGETHER = 150, 100  # frames
_BATCH, _TIMED = 16, 60  # worlds; frames of the fold
_CLOSER, _FORWARDS = 0.8, 0.06  # of the side; m
_TOP = 0.4  # m, the height of the held corners
_DAMPING = 1.0  # 1/s, as `cloth` has it


@dataclasses.dataclass(frozen=True)
class Case:
    """What both engines do.

    Attributes:
        name: of the case.
        cloth: ours.
        start: [3, side, side] positions, y upwards, m.
        path: [T, 3, K] where the K held particles are at the end of each frame, m.
    """

    name: str
    cloth: cloth.Cloth
    start: np.ndarray
    path: np.ndarray


def hang(sheet: cloth.Cloth) -> Case:
    """Held by two corners, from a sheet that hangs straight in the plane z = 0."""
    sheet = dataclasses.replace(sheet, held=((0, 0), (0, sheet.side - 1)))
    u = np.arange(sheet.side) * sheet.spacing
    down, along = np.meshgrid(u, u - cloth.SIDE / 2, indexing="ij")
    start = np.stack([along, _TOP - down, 0 * down])
    part = np.minimum(np.arange(1, _TOGETHER + 2 * _REST + 1) / _TOGETHER, 1.0)
    x = 0.5 * cloth.SIDE * (1.0 - (1.0 - _CLOSER) * part)
    one = np.stack([-x, np.full_like(x, _TOP), _FORWARDS * part], axis=1)
    return Case("hang", sheet, start, np.stack([one, one * [-1, 1, 1]], axis=2))


def fold(sheet: cloth.Cloth) -> Case:
    """The expert's move in fold-cloth, and what comes to rest after it."""
    start = sheet.lying()
    corner, action = jnp.asarray(start[:, 0, 0]), jnp.full(2, fold_cloth.OPPOSITE)
    total = int(fold_cloth.carry_frames(corner, action))
    t = np.minimum(np.arange(1, total + _REST + 1), total)
    path = jax.vmap(lambda t: fold_cloth.carry_to(corner, action, t))(jnp.asarray(t, jnp.float32))
    return Case("fold", sheet, start, np.asarray(path)[:, :, None])


class Flex:
    """A case in MuJoCo."""

    def __init__(self, case: Case, timestep: float):
        """Builds the model.

        Args:
            case: what happens.
            timestep: s; a frame is a whole number of them.
        """
        side, spacing = case.cloth.side, case.cloth.spacing
        self.model = mujoco.MjModel.from_xml_string(_xml(case, timestep))
        # A vertex is a body on three slides, in rows along x, then along y, which is our -z.
        self.model.dof_damping[:] = _DAMPING * self.model.body_mass.max()
        self._steps = round(particles.FRAME / timestep)
        self._side = side
        lies = np.stack(np.meshgrid(*2 * [np.arange(side) * spacing], indexing="ij"))
        lies = np.stack([lies[0] - cloth.SIDE / 2, 0 * lies[0] + HALF, cloth.SIDE / 2 - lies[1]])
        self._start = to_mujoco(case.start - lies[:, :, ::-1])
        self._path = np.stack([to_mujoco(p) for p in case.path])

    def play(self, frames: int | None = None) -> np.ndarray:
        """Returns how the cloth lies after all frames, or after some: [3, side, side], y upwards,
        m."""
        data = mujoco.MjData(self.model)
        data.qpos[:] = self._start.ravel()
        mujoco.mj_forward(self.model, data)
        before = data.mocap_pos.copy()
        for to in self._path[:frames]:
            for k in range(1, self._steps + 1):
                data.mocap_pos[:] = before + (to - before) * k / self._steps
                mujoco.mj_step(self.model, data)
            before = to
        return from_mujoco(data.flexvert_xpos, self._side)


def to_mujoco(x: np.ndarray) -> np.ndarray:
    """Points [3, n, m] or [3, n], y upwards, as MuJoCo's rows [.., 3], z upwards; a grid's
    columns run the other way there."""
    if x.ndim == 3:
        x = x[:, :, ::-1]
    x = x.reshape(3, -1)
    return np.stack([x[0], -x[2], x[1]], axis=1)


def from_mujoco(x: np.ndarray, side: int) -> np.ndarray:
    """The inverse of `to_mujoco` for a grid."""
    x = x.reshape(side, side, 3)[:, ::-1]
    return np.stack([x[..., 0], x[..., 2], -x[..., 1]])


def _xml(case: Case, timestep: float) -> str:
    side, spacing = case.cloth.side, case.cloth.spacing
    stiff = f'solref="{2.0 * timestep} 1" solimp="0.98 0.99 0.001"'  # as stiff as MuJoCo allows
    hands, ties = "", ""
    for k, ((i, j), at) in enumerate(zip(case.cloth.held, to_mujoco(case.path[0]), strict=True)):
        x, y, z = at
        hands += f'<body name="hand{k}" mocap="true" pos="{x} {y} {z}"/>'
        vertex = i * side + side - 1 - j
        pair = f'body1="hand{k}" body2="c_{vertex}"'
        ties += f'<weld {pair} relpose="0 0 0 1 0 0 0" {stiff}/>'
    return f"""<mujoco>
      <option timestep="{timestep}" gravity="0 0 -{particles.GRAVITY}" solver="CG"
        tolerance="1e-6" integrator="implicitfast"/>
      <size memory="256M"/>
      <worldbody>
        <geom type="plane" size="2 2 .1" friction="0.75 0 0"/>
        {hands}
        <flexcomp name="c" type="grid" count="{side} {side} 1" dim="2" mass="1" radius="{HALF}"
          spacing="{spacing} {spacing} {spacing}" pos="0 0 {HALF}">
          <contact selfcollide="auto" friction="0.75 0 0" condim="3"/>
          <edge equality="true" {stiff}/>
        </flexcomp>
      </worldbody>
      <equality>{ties}</equality>
    </mujoco>"""


def ours(case: Case, worlds: int = 1) -> Callable[..., np.ndarray]:
    """A function like `Flex.play` for our cloth, of worlds at once [worlds, 3, side, side]."""
    path = jnp.asarray(case.path, jnp.float32)
    x = jnp.broadcast_to(jnp.asarray(case.start, jnp.float32), (worlds, *case.start.shape))

    @jax.jit
    def run(x, frames):
        advance = jax.vmap(case.cloth.advance, in_axes=(0, None))
        body = Body(x, jnp.zeros_like(x))
        return jax.lax.fori_loop(0, frames, lambda t, body: advance(body, path[t]), body).x

    return lambda frames=None: np.asarray(run(x, jnp.int32(frames or len(path))))


def speeds(
    calls: dict[str, Callable[[], Any]], simulated: dict[str, float], rounds: int
) -> dict[str, float]:
    """Simulated seconds per wall second and per CPU second, medians of rounds in turns."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            taken[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    found = {}
    for name, rows in taken.items():
        wall, cpu = np.median(rows, axis=0)
        found[f"{name}_per_wall_second"] = simulated[name] / float(wall)
        found[f"{name}_per_cpu_second"] = simulated[name] / float(cpu)
    return found


def draw(ends: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """Writes a picture: a row for each engine, a column for each case."""
    env = envs.make("fold-cloth")
    cameras = {
        "hang": Camera.look_at((0.0, -0.62, 0.40), (0.0, -0.05, 0.27), 40.0),
        "fold": Camera.look_at((0.02, -0.27, 0.36), (0.02, -0.02, 0.0), 42.0),
    }
    figure = new_figure(figsize=(6.2, 6.6))
    axes = figure.subplots(2, len(ends), squeeze=False)
    for column, (case, both) in zip(axes.T, ends.items(), strict=True):
        render = lambda s, c=cameras[case]: rendering.render(env.view(s, False), c, 320, 320)
        render = jax.jit(render, compiler_options=rendering_options())
        for axis, (engine, x) in zip(column, both.items(), strict=True):
            points = jnp.asarray(env.cloth.shown(x), jnp.float32)
            axis.imshow(np.asarray(render(points)))
            axis.set_title(f"{case}: {engine}", fontsize=9)
            axis.set_axis_off()
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=110)


def main(
    out: Path = Path("compare_cloth.png"),
    rounds: int = 3,
    timestep: float = 0.0025,
) -> int:
    """Prints a table and writes a picture.

    Args:
        out: the picture.
        rounds: of the measurement of speed.
        timestep: MuJoCo's, s; 10 ms is a whole number of them.
    """
    devices.prepare_cpu(1)
    cases = [make(cloth.FAST) for make in (hang, fold)]
    ends, found = {}, {}
    for case in cases:
        flex, mine = Flex(case, timestep), ours(case)
        began = time.perf_counter()
        both = {"ours": mine()[0], "MuJoCo": flex.play()}
        print(f"{case.name}: {time.perf_counter() - began:.0f} s, compilation in it", flush=True)
        rows = {name: shape(x, case.cloth.spacing) for name, x in both.items()}
        if case.name == "fold":
            rows = {name: row | layers(both[name]) for name, row in rows.items()}
        for key in rows["ours"]:
            values = [rows[name][key] for name in both]
            print(f"  {key:<18}" + "".join(f"{v:>10.2f}" for v in values))
        between = apart(*both.values())
        print(f"  {'apart, mean mm':<18}{between:>10.2f}", flush=True)
        ends[case.name], found[case.name] = both, {**rows, "apart_mm": between}
    batch = ours(case, _BATCH)
    batch(1)
    engines = {"MuJoCo": flex.play, "ours": mine, f"ours_{_BATCH}": batch}
    calls = {name: functools.partial(play, _TIMED) for name, play in engines.items()}
    seconds = particles.FRAME * _TIMED
    simulated = {name: seconds * (_BATCH if "_" in name else 1) for name in calls}
    speed = speeds(calls, simulated, rounds)
    print("simulated seconds of fold\n" + "\n".join(f"  {k:<32}{v:.3g}" for k, v in speed.items()))
    draw(ends, out)
    load = [round(x, 1) for x in os.getloadavg()]
    row = {"compare": "cloth", "device": device(), "load": load, **found, "speed": speed}
    print(json.dumps(_rounded(row)))
    return 0


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
