"""The gripper of Meta-World's Sawyer without its arm: three slides, two fingers, and a servo.

The original drags a seven-joint arm by a weld to a mocap body. `response.py` says where that drags
the hand in free motion; here a servo makes a 5 kg hand follow that path exactly while nothing
touches it, and gives it the arm's measured static stiffness (8.1-8.2 kN/m) when something does.
Finger joints, actuators and sizes are Meta-World's (Yu et al. 2019).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

MASS = 5.0  # kg, hand and fingers
STIFFNESS = 1627.0  # 1/s^2: 8.14 kN/m for 5 kg
DAMPING = 80.0  # 1/s, near critical (2 sqrt(STIFFNESS) = 80.7)
GRAVITY = 9.81  # m/s^2

ACTION_SCALE = 0.01  # m of mocap motion for an action of 1
MOCAP_LOW = (-0.5, 0.40, 0.05)
MOCAP_HIGH = (0.5, 1.0, 0.5)
TABLE_LIMIT = 0.045  # m, hand height at which the finger tips touch the table
FINGER_REST = 0.000172  # m, how far past its stop an open finger rests in the original
PAD_EDGE = 0.015  # m, half the width of a pad along x
PAD_OFFSET = (-0.047, 0.0)  # m, right pad from the hand along y and z when its joint is at 0

# Joints in qpos: x y z of the hand, right finger, left finger; then the task's own.
N_JOINTS = 5
_FINGER_MASS = 0.0162

# Geoms that a task's contact pairs may name: {right,left}_{finger,tip,root,palm} and palm. Fingers
# and palm are capsules, for round things; the others are spheres at their ends, for walls: MJX's
# capsule against box costs more to compile and to run than two spheres. With `edges`, for things
# that are held: {right,left}_edge_{near,far}, the upright edges of the pads at -x and +x.

PAD = 'condim="3" friction="2 2 .1 .002 .002" solref=".01 1" solimp=".99 .998 .003"'
"""Contact of a finger pad with an object. The original's parameters mix to .97 .99 .01, spread over
several box contacts with an elliptic cone; one pyramidal contact must be stiffer, or a hand that
rams a handle passes through it."""


# Where nothing rotates, two boxes touch exactly as a point and a box grown by the other's half
# sizes do, and that is one cheap contact. These points are small spheres; the grown boxes are the
# task's, and this is what they have to grow by.
POINT = 0.002  # m, radius of a point
FINGER_HALF = (0.016, 0.0055, 0.046)  # m along world x y z, with the original's 1 mm margin
PALM_RADIUS = 0.027  # m, of the point in the palm's middle: the palm is round
PALM_HALF = (0.0, 0.026, 0.0)  # m along world x y z


def mjcf(
    z_low: float = TABLE_LIMIT, points: bool = False, edges: str = "", plates: bool = False
) -> tuple[str, str]:
    """Returns the hand's body and its actuators as MJCF.

    Args:
        z_low: lowest height of the hand, m; stands for the table under the finger tips.
        points: whether there are also {right,left,palm}_point, for objects that cannot rotate.
        edges: whether the pads have edges: none "", upright "capsule"s, or a "sphere" in the middle
            of each, for a box that is grown along z instead. Two contacts 3 cm apart hold a bar
            against turning about the pad's normal, as the original's 3 cm wide pads do.
        plates: whether there are {right,left}_{claw,pad}_plate, the original's boxes, for a ball:
            how it rolls depends on the friction, 1 outside and 2 inside.

    Returns:
        The body's XML and the actuators' XML.
    """

    # The hand's own x axis points down, as the mocap weld holds it. A finger is claw and pad
    # together (9 mm thick): a capsule for what is gripped, and spheres at its ends, which are
    # cheap, for walls.
    def finger(side: str, y: float, joint: str, joint_range: str) -> str:
        inner = -0.03 * y  # the pad sits 3 mm inside the claw: their middle is at 1.5 mm
        plate = "".join(
            f'''<geom name="{side}_{of}_plate" type="box" mass="0" pos="0 {at} 0"
              size=".045 .003 .015"/>'''
            for of, at in (("claw", 0.0), ("pad", 2.0 * inner))
        )
        upright = 'fromto="-.0405 {inner} {x} .0405 {inner} {x}"'
        where = upright if edges == "capsule" else 'pos="0 {inner} {x}"'
        rims = "".join(
            f'''<geom name="{side}_edge_{name}" type="{edges}" mass="0" size=".0045"
              {where.format(inner=inner, x=x)}/>'''
            for name, x in (("near", -PAD_EDGE), ("far", PAD_EDGE))
        )
        return f"""
      <body name="{side}claw" pos="0 {y} 0">
        <joint name="{joint}" type="slide" axis="0 1 0" range="{joint_range}" armature="100"
               damping="1000"/>
        <geom name="{side}_finger" type="capsule" fromto="-.0405 {inner} 0 .0405 {inner} 0"
              size=".0045" mass="{_FINGER_MASS}"/>
        <geom name="{side}_tip" type="sphere" pos=".039 {inner} 0" size=".006" mass="0"/>
        <geom name="{side}_root" type="sphere" pos="-.039 {inner} 0" size=".006" mass="0"/>
        {plate if plates else ""}
        {rims if edges else ""}
        {point(f"{side}_point", f"0 {inner} 0", POINT)}
      </body>"""

    def point(name: str, pos: str, size: float) -> str:
        geom = f'<geom name="{name}" type="sphere" pos="{pos}" size="{size}" mass="0"/>'
        return geom if points else ""

    body = f"""
    <body name="hand" quat=".70710678 0 .70710678 0">
      <inertial pos="0 0 0" mass="{MASS - 2 * _FINGER_MASS}" diaginertia=".01 .01 .01"/>
      <joint name="hand_x" type="slide" axis="0 0 1" limited="false"/>
      <joint name="hand_y" type="slide" axis="0 1 0" limited="false"/>
      <joint name="hand_z" type="slide" axis="-1 0 0" range="{z_low} 2"/>
      <geom name="palm" type="capsule" fromto="-.066 -.026 0 -.066 .026 0" size=".027" mass="0"/>
      <geom name="right_palm" type="sphere" pos="-.066 -.026 0" size=".027" mass="0"/>
      <geom name="left_palm" type="sphere" pos="-.066 .026 0" size=".027" mass="0"/>
      {point("palm_point", "-.066 0 0", PALM_RADIUS)}
      {finger("right", -0.05, "r_close", "0 .04")}
      {finger("left", 0.05, "l_close", "-.03 0")}
    </body>"""
    actuators = "".join(
        f'<position joint="{joint}" kp="400" ctrlrange="-1 1"/>' for joint in ("r_close", "l_close")
    )
    return body, actuators


@struct.dataclass
class Reference:
    """Where the servo's path stands, in the integrator's own discretisation.

    Attributes:
        pos: [3] position at the end of the last substep, m.
        vel: [3] the step that led there, divided by the substep, m/s.
    """

    pos: jax.Array
    vel: jax.Array


@struct.dataclass
class Waypoints:
    """What the servo aims at during the substeps of one control step.

    Attributes:
        pos: [substeps, 3] at the start of each substep, m.
        vel: [substeps, 3] at the start of each substep, m/s.
        acc: [substeps, 3] that takes a semi-implicit Euler step to the next waypoint, m/s^2.
    """

    pos: jax.Array
    vel: jax.Array
    acc: jax.Array


def waypoints(reference: Reference, path: jax.Array, dt: float) -> tuple[Reference, Waypoints]:
    """Turns a path into waypoints that the physics' integrator hits exactly.

    Velocities are differences of the path's positions, not the filter's own: however the filter
    is discretised, semi-implicit Euler then lands on every position.

    Args:
        reference: where the path stood before this control step.
        path: [substeps, 3] position at the end of each substep, m.
        dt: length of one substep, s.
    """
    pos = jnp.concatenate([reference.pos[None], path])
    vel_after = jnp.diff(pos, axis=0) / dt
    vel = jnp.concatenate([reference.vel[None], vel_after[:-1]])
    points = Waypoints(pos=pos[:-1], vel=vel, acc=(vel_after - vel) / dt)
    return Reference(pos=pos[-1], vel=vel_after[-1]), points


def servo_force(point: Waypoints, pos: jax.Array, vel: jax.Array) -> jax.Array:
    """Returns the force on the hand's three slides, N [3].

    Args:
        point: one waypoint (fields [3]).
        pos: [3] the hand, m.
        vel: [3] the hand, m/s.
    """
    acc = point.acc + STIFFNESS * (point.pos - pos) + DAMPING * (point.vel - vel)
    return MASS * (acc + jnp.array([0.0, 0.0, GRAVITY]))


def move_target(target: jax.Array, action: jax.Array) -> jax.Array:
    """Returns the mocap target [3], m, after an action [4] already clipped to [-1, 1]."""
    return jnp.clip(target + ACTION_SCALE * action[:3], jnp.array(MOCAP_LOW), jnp.array(MOCAP_HIGH))


def finger_control(action: jax.Array) -> jax.Array:
    """Returns the fingers' position targets [2] for an action [4]: positive closes."""
    return jnp.stack([action[3], -action[3]])


def opening(qpos: jax.Array) -> jax.Array:
    """Returns the gripper's opening in [0, 1] from joint positions [nq]: claw distance / 0.1 m."""
    return jnp.clip((0.1 - qpos[3] + qpos[4]) / 0.1, 0.0, 1.0)


class Gripper(NamedTuple):
    """Where the original measures its rewards, m: tip centre [3], left and right pad [3]."""

    tcp: jax.Array
    left_pad: jax.Array
    right_pad: jax.Array


def gripper(qpos: jax.Array) -> Gripper:
    """Returns the gripper's points for joint positions [nq], the hand held upright."""
    at = lambda y, z: qpos[:3] + jnp.array([0.0, y, z])
    right = at(PAD_OFFSET[0], PAD_OFFSET[1]).at[1].add(qpos[3])
    left = at(-PAD_OFFSET[0], PAD_OFFSET[1]).at[1].add(qpos[4])
    return Gripper(tcp=at(0.5 * (qpos[3] + qpos[4]), -0.045), left_pad=left, right_pad=right)
