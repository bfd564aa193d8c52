"""How the hand of Meta-World's Sawyer follows its mocap target in free motion.

In the original a seven-joint arm is dragged by a soft weld to a mocap body. Here the arm is gone;
this filter is what is left of it: it maps the target to the path that the hand would take if
nothing touched it. The weld also lets the hand tilt, the arm's inertia depends on the pose, and the
shoulder rests on its joint limit about two fifths of the time. So the filter is a mixture of linear
springs and dampers over position and three hidden coordinates, blended by pose, speed and lag, and
at rest it is where a polynomial of the target says. Every spring is symmetric positive and every
damper has a positive symmetric part, so that each frozen blend is stable in continuous time;
tests/envs/test_parity.py checks the discrete one and the error on held-out traces.

Constants: scripts/fit_hand.py, from Meta-World 3.1.1 (MuJoCo 3.3.0) by scripts/record_metaworld.py.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

CONTROL_DT = 0.0125  # s
STEPS = 3  # the filter's own steps in a control step, whatever the physics' substeps are
HIDDEN = 3  # hidden coordinates: what the tilt does to the path


class Constants(NamedTuple):
    """Numbers of the filter; N springs over D = 3 + HIDDEN coordinates.

    Attributes:
        stiffness: [N, D, D] 1/s^2.
        damping: [N, D, D] 1/s.
        gate: [N, 13 + HIDDEN] blending logits, linear in pose, hidden state, velocity and lag.
        mix: [3, HIDDEN] what the hidden coordinates add to the hand's position.
        rest: [15, 3] m, polynomial of the target: hand at rest minus target.
    """

    stiffness: jax.Array
    damping: jax.Array
    gate: jax.Array
    mix: jax.Array
    rest: jax.Array


@struct.dataclass
class ArmState:
    """State of the free-motion filter.

    Attributes:
        pos: [3 + HIDDEN] filter coordinates, m.
        vel: [3 + HIDDEN] their rates, m/s.
    """

    pos: jax.Array
    vel: jax.Array


def init(hand_pos: jax.Array, target: jax.Array) -> ArmState:
    """Returns the filter at rest.

    Args:
        hand_pos: [3] where the hand is, m.
        target: [3] the mocap target it is held at, m; unused, the hand's position says it all.
    """
    del target
    pos = jnp.concatenate([hand_pos, jnp.zeros(HIDDEN)])
    return ArmState(pos=pos, vel=jnp.zeros_like(pos))


def _scaled(pos: jax.Array) -> jax.Array:
    """Workspace position [3] in units of the workspace's half size, around its middle."""
    low, high = jnp.array([-1.7, -1.4, -1.3]), jnp.array([1.7, 1.8, 1.3])
    middle, size = jnp.array([0.0, 0.65, 0.25]), jnp.array([0.3, 0.2, 0.2])
    return jnp.clip((pos - middle) / size, low, high)


def settled(constants: Constants, target: jax.Array) -> jax.Array:
    """Returns where the hand comes to rest under a target [3], m."""
    x, y, z = _scaled(target)
    second = [x * x, x * y, x * z, y * y, y * z, z * z]
    terms = [jnp.ones(()), x, y, z, *second, y**3, x * x * y, y * y * z, x**3, z**3]
    return target + jnp.stack(terms) @ constants.rest


def blend(constants: Constants, arm: ArmState, target: jax.Array) -> jax.Array:
    """Returns the springs' weights [N] for one control step; they sum to 1."""
    lag = target - arm.pos[:3]
    parts = [jnp.ones(1), _scaled(arm.pos[:3]), 20.0 * arm.pos[3:], 2.0 * arm.vel, 20.0 * lag]
    return jax.nn.softmax(constants.gate @ jnp.concatenate(parts))


def move(constants: Constants, arm: ArmState, target: jax.Array) -> tuple[ArmState, jax.Array]:
    """Moves the filter through one control step.

    Returns:
        The new state and the hand's position at the end of each of STEPS steps [STEPS, 3].
    """
    weight = blend(constants, arm, target)
    stiffness = jnp.tensordot(weight, constants.stiffness, 1)
    damping = jnp.tensordot(weight, constants.damping, 1)
    goal = jnp.concatenate([settled(constants, target), jnp.zeros(HIDDEN)])
    pos, vel, dt = arm.pos, arm.vel, CONTROL_DT / STEPS
    path = []
    for _ in range(STEPS):
        vel = vel + dt * (stiffness @ (goal - pos) - damping @ vel)
        pos = pos + dt * vel
        path.append(pos[:3] + constants.mix @ pos[3:])
    return ArmState(pos=pos, vel=vel), jnp.stack(path)


def advance(
    arm: ArmState, target: jax.Array, dt: float, substeps: int
) -> tuple[ArmState, jax.Array, jax.Array, jax.Array]:
    """Moves the filter through one control step with the target held.

    Args:
        arm: the filter's state.
        target: [3] mocap target during this control step, m.
        dt: length of one physics substep, s; dt * substeps is CONTROL_DT.
        substeps: physics substeps in a control step; other than STEPS, the path is interpolated.

    Returns:
        The filter's new state and, for the end of each substep, the hand's position [substeps, 3]
        in m, velocity [substeps, 3] in m/s and acceleration [substeps, 3] in m/s^2.
    """
    start = arm.pos[:3] + FITTED.mix @ arm.pos[3:]
    start_vel = arm.vel[:3] + FITTED.mix @ arm.vel[3:]
    after, path = move(FITTED, arm, target)
    if substeps != STEPS:
        nodes = jnp.concatenate([start[None], path])
        at = jnp.arange(1, substeps + 1) * (STEPS / substeps)
        known = jnp.arange(STEPS + 1.0)
        path = jax.vmap(lambda p: jnp.interp(at, known, p), 1, 1)(nodes)
    vel = jnp.diff(jnp.concatenate([start[None], path]), axis=0) / dt
    acc = jnp.diff(jnp.concatenate([start_vel[None], vel]), axis=0) / dt
    return after, path, vel, acc


# fmt: off
FITTED = Constants(
    stiffness=jnp.array(
    [[[1610.5, 42.511, 277.7, -445.91, -709.54, -780.34],
      [42.511, 2680.2, 375, 502.25, -1534.7, 411.81],
      [277.7, 375, 926.99, 198.06, -380.92, 212.31],
      [-445.91, 502.25, 198.06, 524.12, 173.03, 349.27],
      [-709.54, -1534.7, -380.92, 173.03, 1575.3, -52.528],
      [-780.34, 411.81, 212.31, 349.27, -52.528, 686.26]],
    
     [[914.62, -182.25, 225.56, 653.92, 830.88, 44.691],
      [-182.25, 2608.3, -426.79, 1153.9, 81.142, -120.21],
      [225.56, -426.79, 1830.4, 191.71, -372.44, -22.852],
      [653.92, 1153.9, 191.71, 2116.7, 1655.5, 132.72],
      [830.88, 81.142, -372.44, 1655.5, 2212.9, 24.807],
      [44.691, -120.21, -22.852, 132.72, 24.807, 192.07]],
    
     [[848.17, -131.42, -361.05, 129.59, 191.77, 559.9],
      [-131.42, 3083.7, 692.85, 463.62, -1241.8, -729.52],
      [-361.05, 692.85, 1623, 126.63, -425.74, -796.59],
      [129.59, 463.62, 126.63, 808.79, 220.39, 325.55],
      [191.77, -1241.8, -425.74, 220.39, 1058.8, 260.1],
      [559.9, -729.52, -796.59, 325.55, 260.1, 1220.1]],
    
     [[1194.2, 78.078, -141.61, -500.87, 119.69, -643.34],
      [78.078, 2789.8, -218.89, -54.715, 18.002, -1024.7],
      [-141.61, -218.89, 1642.2, -223.19, -284.54, 683.11],
      [-500.87, -54.715, -223.19, 1768.1, 1099.3, 2.5214],
      [119.69, 18.002, -284.54, 1099.3, 1117.1, -760],
      [-643.34, -1024.7, 683.11, 2.5214, -760, 1775.6]],
    
     [[2063.1, 401.48, -752.1, 549.05, 1166, -556.19],
      [401.48, 3175.6, -140.43, -183.82, 1695.2, -474],
      [-752.1, -140.43, 2557.6, -988.76, -1007.1, 312.56],
      [549.05, -183.82, -988.76, 2539.2, 1729.2, -1288],
      [1166, 1695.2, -1007.1, 1729.2, 4779.5, -3079],
      [-556.19, -474, 312.56, -1288, -3079, 2947.9]],
    
     [[1242.5, 261.62, 104.01, -22.842, 406.46, 127.97],
      [261.62, 1986.5, -81.078, -155.13, -817.38, -414.71],
      [104.01, -81.078, 881.43, -128.71, -241.95, 488.21],
      [-22.842, -155.13, -128.71, 733.52, 305.75, 438.2],
      [406.46, -817.38, -241.95, 305.75, 2100.4, -1292.4],
      [127.97, -414.71, 488.21, 438.2, -1292.4, 2322]]]),
    damping=jnp.array(
    [[[60.893, 9.2882, 35.288, -1.7248, 1.1023, -52.249],
      [16.991, 214.13, -17.202, 54.014, 3.2657, 17.534],
      [31.516, 36.147, 49.54, -31.439, 31.418, -15.278],
      [-92.829, -96.697, -22.699, 70.381, -68.106, -51.465],
      [3.3047, 127.93, -17.54, 46.412, 67.509, 86.327],
      [24.409, 58.562, -54.585, 34.383, -4.1837, 115.67]],
    
     [[39.671, -30.945, 32.021, 20.562, 31.037, 12.339],
      [35.962, 134.91, 61.277, 42.897, 45.379, -80.746],
      [5.6202, 17.495, 76.406, 51.551, -60.473, -5.7873],
      [-9.8674, -27.923, -30.711, 99.119, -104.8, 26.406],
      [88.606, -56.032, 116.1, 27.041, 199.47, 63.336],
      [48.483, 124.14, 42.372, 57.288, 22.123, 48.01]],
    
     [[32.174, -29.969, -30.569, 27.168, -28.935, 21.357],
      [-67.915, 173.43, 107.93, 16.453, 12.197, -18.312],
      [-43.813, 33.236, 93.202, 20.174, 37.398, -11.942],
      [-0.9891, -134.94, -42.531, 140.51, -14.579, 0.75635],
      [9.3704, 27.27, 57.466, 10.74, 41.603, -51.95],
      [-80.194, 121.45, 28.154, 17.122, -22.105, 103.82]],
    
     [[45.169, -53.404, -6.1198, -14.503, 5.7615, -61.145],
      [37.428, 156.12, 40.384, 59.279, 72.767, 139.01],
      [-21.803, -0.19677, 59.404, -3.4479, -38.954, -9.1028],
      [-77.718, -21.235, 119.71, 91.28, -33.108, 102.29],
      [77.453, -111.52, -31.859, -94.172, 232.63, 45.715],
      [37.279, 101.86, 9.8386, -53.999, 35.997, 152.69]],
    
     [[82.382, 1.5205, 7.8708, 30.22, 34.957, -3.8757],
      [-4.2277, 149.78, 47.129, 14.739, 90.534, -15.38],
      [-8.8164, 2.3354, 90.772, 3.4445, -63.146, -52.389],
      [-12.887, 22.81, 55.265, 190.23, 5.331, -71.153],
      [-35.3, -69.11, 70.888, -145.1, 114.19, 110.5],
      [27.861, 94.45, -60.086, -16.01, 77.456, 152.89]],
    
     [[56.955, 10.16, 16.42, -16.611, -5.3318, 20.407],
      [-46.015, 167.03, -0.79478, 87.979, 89.485, -34.958],
      [14.85, -2.4501, 34.659, 6.1975, 15.74, 41.522],
      [52.075, -62.108, 23.096, 50.443, -53.929, 44.927],
      [-70.767, 88.652, 7.4668, 28.861, 126.13, -16.661],
      [-66.86, 97.037, -78.5, -6.2688, 79.341, 60.217]]]),
    gate=jnp.array(
    [[-0.2669, 1.28, 0.46818, -0.4982, 0.7897, 0.41556, 0.74618, 0.045716, -0.16178, 0.0058815,
      -0.34125, -0.099653, 0.26432, 0.66456, 1.3112, -0.4423],
     [-0.74694, 0.043045, 0.6374, 0.56558, -0.55055, 0.18518, 0.1078, -0.067003, 0.38212,
      -0.20399, -0.61689, 0.51922, 0.22611, -0.34786, -0.16003, 0.69386],
     [-0.69578, -0.6468, 1.1609, 0.67419, 0.3118, -0.53878, 0.67031, 0.18206, -0.19333, -0.17765,
      -0.50173, -1.0451, -0.48017, 0.38221, 0.46208, -0.47518],
     [0.12592, 0.42872, -0.16067, -1.5029, 0.83563, 0.53539, -1.2355, -0.13921, 0.20089, 0.24972,
      0.17092, 0.059034, -0.15257, 0.3256, -0.23598, -0.1375],
     [1.2259, -0.11668, -1.6918, -0.70986, 0.41799, 0.38237, -0.1543, 0.098069, 0.64066,
      -0.13655, 0.60943, 0.023309, 0.14891, 0.15326, -0.61437, 0.52401],
     [0.51553, -1.028, 0.21641, -0.88143, -0.41987, -0.11638, -0.72737, -0.0019671, -0.33249,
      0.3774, -1.1132, -0.30727, -0.56258, 0.58714, 0.47472, -1.1748]]),
    mix=jnp.array(
    [[-0.184, -0.11558, 0.079799],
     [-0.26787, -0.0091451, 0.027603],
     [0.10992, 0.14618, -0.040629]]),
    rest=jnp.array(
    [[0.00048964, 0.0018745, -0.0053613],
     [0.00087118, 0.00026335, -0.00049106],
     [-0.0011573, 0.0010958, -0.0009276],
     [0.000186, -0.00074688, 0.0030895],
     [-0.00067683, 0.00055928, 0.00067419],
     [-0.0013821, -0.0010254, 0.00011553],
     [6.3944e-05, 0.00011145, -0.00097794],
     [-0.00028006, -0.0031245, 0.0012921],
     [-0.00053577, 0.0026712, -0.0032184],
     [-0.00059977, -0.0024084, 0.001527],
     [0.00095051, -0.0038513, 0.0017869],
     [0.00018838, 0.0014524, 0.00039015],
     [0.00037274, 0.0040221, -0.0075202],
     [-0.00073342, -0.0011252, 0.00027912],
     [-0.00014828, 0.00049438, -0.0013518]]),
)
# fmt: on
