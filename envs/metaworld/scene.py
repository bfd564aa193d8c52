"""From a task's MJCF to physics that is small enough to scan: `Physics` and `Scene`.

Explicit contact pairs only, primitive geoms only: MJX emits every candidate contact as rows. What
flows through scans is `Physics`, some dozens of numbers; the rest of an `mjx.Data` is a constant
that is filled in for the substeps and thrown away. A fixture is moved by its `body_pos`: children
of a mocap body silently stay behind in MJX.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
from flax import struct

from core_jax.envs.engines import mjx
from core_jax.envs.metaworld import hand, newton, response, variation
from core_jax.envs.metaworld.looks import Looks, Shapes
from core_jax.envs.static_indices import static_indices

Box = tuple[tuple[float, float, float], tuple[float, float, float]]
"""A box along the axes: from and to, m."""

CONTROL_DT = 0.0125  # s; the original's 5 steps of 2.5 ms
SUBSTEPS = 3


@dataclass(frozen=True)
class SceneXml:
    """The part of a scene that is a task's own.

    Attributes:
        bodies: MJCF of the task's bodies; the one named "fixture" is placed at each reset.
        shapes: what is to be seen of them (see `looks`).
        pairs: contacts as (geom, geom, attributes of the pair).
        actuators: MJCF of further actuators.
        hand_z_low: lowest height of the hand, m.
        hand_points: whether the hand has points (see `hand.mjcf`).
        pad_edges: of the fingers, if any (see `hand.mjcf`).
        plates: whether the fingers have plates (see `hand.mjcf`).
        cone: of friction, `pyramidal` or `elliptic`.
        max_contacts: of each dimension, how many are solved: those that are nearest or deepest.
        iterations: of the Newton solver, per substep.
        ls_iterations: of its line search.
    """

    bodies: str
    shapes: Shapes
    pairs: tuple[tuple[str, str, str], ...]
    actuators: str = ""
    hand_z_low: float = hand.TABLE_LIMIT
    hand_points: bool = False
    pad_edges: str = ""
    plates: bool = False
    cone: str = "pyramidal"
    max_contacts: int | None = None
    iterations: int = 4
    ls_iterations: int = 6


@struct.dataclass
class Physics:
    """The state of one world: all that changes from step to step.

    Attributes:
        qpos: [nq] joint positions: hand x y z, right and left finger, then the task's.
        qvel: [nv] joint velocities.
        qacc_warmstart: [nv] the solver's starting point.
        mocap: [3] target of the hand, m.
        arm: the free-motion filter.
        reference: where the servo's path stands.
        fixture: [3] position of the body "fixture", m.
        target: [3] where the object should go, m.
        origin: [3] where the object was at the reset, m.
        scales: how this world's physics differs from the task's; None if it does not.
    """

    qpos: jax.Array
    qvel: jax.Array
    qacc_warmstart: jax.Array
    mocap: jax.Array
    arm: response.ArmState
    reference: hand.Reference
    fixture: jax.Array
    target: jax.Array
    origin: jax.Array
    scales: variation.Scales | None = None


class Scene:
    """A compiled scene: a constant model and two pure functions on `Physics`."""

    def __init__(self, xml: SceneXml):
        """Compiles the scene on the host.

        Args:
            xml: the task's part of the scene.
        """
        self.dt = CONTROL_DT / SUBSTEPS
        self._xml = xml
        document = _document(xml, self.dt)
        self.mj_model = mujoco.MjModel.from_xml_string(document)  # pyright: ignore[reportAttributeAccessIssue]
        self._fixture = self.mj_model.body("fixture").id
        self._model = mjx.put_model(self.mj_model, impl="jax")
        self._data = mjx.make_data(self.mj_model, impl="jax")
        # Tracing takes seconds; training and evaluation share one trace.
        self._substep = jax.jit(static_indices(self._step))

    def looks(self, gripper: bool = True) -> Looks:
        """Compiles the visual shapes of the scene, with or without the gripper."""
        return Looks(_document(self._xml, self.dt), self._xml.shapes, gripper)

    def rest(
        self,
        hand_init: jax.Array,
        hand_pos: jax.Array,
        fixture: jax.Array,
        target: jax.Array,
        origin: jax.Array,
        object_qpos: jax.Array,
    ) -> Physics:
        """Returns a world at rest with open fingers.

        Args:
            hand_init: [3] mocap target, m.
            hand_pos: [3] where the hand has settled under that target, m.
            fixture: [3] m.
            target: [3] m.
            origin: [3] m.
            object_qpos: [nq - 5] the task's joint positions.
        """
        fingers = jnp.array([-hand.FINGER_REST, hand.FINGER_REST])
        n = self.mj_model.nv
        return Physics(
            qpos=jnp.concatenate([hand_pos, fingers, object_qpos]),
            qvel=jnp.zeros(n),
            qacc_warmstart=jnp.zeros(n),
            mocap=hand_init,
            arm=response.init(hand_pos, hand_init),
            reference=hand.Reference(pos=hand_pos, vel=jnp.zeros(3)),
            fixture=fixture,
            target=target,
            origin=origin,
        )

    def advance(self, physics: Physics, action: jax.Array) -> Physics:
        """Moves one world through one control step.

        Args:
            physics: the world.
            action: [4] already clipped to [-1, 1].
        """
        mocap = hand.move_target(physics.mocap, action)
        arm, path = response.advance(physics.arm, mocap, SUBSTEPS)
        reference, points = hand.waypoints(physics.reference, path, self.dt)
        carry = (physics.qpos, physics.qvel, physics.qacc_warmstart)
        control = hand.finger_control(action)
        given = physics.fixture, control, physics.scales
        substep = lambda carry, point: (self._substep(carry, point, *given), None)
        (qpos, qvel, warmstart), _ = jax.lax.scan(substep, carry, points)
        return dataclasses.replace(
            physics,
            qpos=qpos,
            qvel=qvel,
            qacc_warmstart=warmstart,
            mocap=mocap,
            arm=arm,
            reference=reference,
        )

    def _step(
        self,
        carry: tuple[jax.Array, ...],
        point: hand.Waypoints,
        fixture: jax.Array,
        control: jax.Array,
        scales: variation.Scales | None,
    ) -> tuple[jax.Array, ...]:
        """One step of MuJoCo. The carry is positions, velocities and the solver's starting point,
        not an mjx.Data: copies of it would dominate."""
        qpos, qvel, warmstart = carry
        force = hand.servo_force(point, qpos[:3], qvel[:3])
        no_force = jnp.zeros(self.mj_model.nv - 3)
        model = self._model.replace(body_pos=self._model.body_pos.at[self._fixture].set(fixture))
        if scales is not None:
            model = variation.apply(model, self.mj_model, scales)
        data = self._data.replace(
            ctrl=control,
            qpos=qpos,
            qvel=qvel,
            qacc_warmstart=warmstart,
            qfrc_applied=jnp.concatenate([force, no_force]),
        )
        if self._xml.cone == "elliptic":  # one Newton step, for which MJX has no loop
            after = mjx.step(model, data)
            return after.qpos, after.qvel, after.qacc_warmstart
        for stage in (
            mjx.fwd_position,
            mjx.fwd_velocity,
            mjx.fwd_actuation,
            mjx.fwd_acceleration,
        ):
            data = stage(model, data)
        after = mjx.euler(model, data.replace(qacc=self._solve(data)))
        return after.qpos, after.qvel, after.qacc_warmstart

    def _solve(self, data: Any) -> jax.Array:
        """The acceleration [nv] of a world whose constraints are set up."""
        rows = data._impl
        return newton.solve(
            rows.M,
            data.qacc_smooth,
            rows.efc_J,
            rows.efc_D,
            rows.efc_aref,
            data.qacc_warmstart,
            self._xml.iterations,
            self._xml.ls_iterations,
        )


def grown_box(box: Box, half: tuple[float, ...], point: float) -> str:
    """Returns a box geom's attributes, grown so that a small sphere can stand for a box.

    Where nothing turns, two boxes touch exactly when the one's centre touches the other grown by
    the one's half sizes.

    Args:
        box: before it is grown.
        half: [3] half sizes of the box that the sphere stands for, m.
        point: radius of the sphere, m.
    """
    sides = [(a - h + point, b + h - point) for a, b, h in zip(*box, half, strict=True)]
    pos = " ".join(f"{(a + b) / 2:.6g}" for a, b in sides)
    size = " ".join(f"{(b - a) / 2:.6g}" for a, b in sides)
    return f'type="box" pos="{pos}" size="{size}"'


def grown_boxes(
    boxes: Mapping[str, Box], half: tuple[float, ...], point: float, suffix: str = ""
) -> str:
    """Returns the geoms of named boxes, grown; their names end in the suffix."""
    geoms = (f'<geom name="{n}{suffix}" {grown_box(b, half, point)}/>' for n, b in boxes.items())
    return "".join(geoms)


def _document(xml: SceneXml, dt: float) -> str:
    body, actuators = hand.mjcf(xml.hand_z_low, xml.hand_points, xml.pad_edges, xml.plates)
    pairs = "".join(f'<pair geom1="{a}" geom2="{b}" {how}/>' for a, b, how in xml.pairs)
    limit = f'<numeric name="max_contact_points" data="{xml.max_contacts}"/>'
    limit = "" if xml.max_contacts is None else limit
    return f"""
<mujoco>
  <custom>{limit}</custom>
  <compiler angle="radian" autolimits="true"/>
  <option timestep="{dt}" iterations="{xml.iterations}" ls_iterations="{xml.ls_iterations}"
          cone="{xml.cone}" solver="Newton" integrator="Euler" jacobian="dense">
    <flag eulerdamp="disable"/>
  </option>
  <default><geom contype="0" conaffinity="0"/></default>
  <worldbody>{body}{xml.bodies}</worldbody>
  <actuator>{actuators}{xml.actuators}</actuator>
  <contact>{pairs}</contact>
</mujoco>"""
