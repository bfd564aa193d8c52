"""What the fuzzer found: one case of each kind, with NumPy's values or refused."""

import pytest
from formal_judge import difference, program

MATRIX = "m = observation[:9].reshape(3, 3)\n"


@pytest.mark.parametrize("body", [
    MATRIX + "e = np.swapaxes(m, 0, 1)\ne[0] = 5.0\nr = m[1, 0] + observation[3]",
    MATRIX + "e = m.swapaxes(0, 1)\ne *= 2\nr = m[0, 1] + observation[3]",
    MATRIX + "e = np.moveaxis(m, 0, 1)\ne *= 2\nr = m[0, 1] + observation[3]",
    MATRIX + "e = np.rot90(m)\ne[0] += 5.0\nr = m[0, 2] + m.sum()",
    MATRIX + "e = np.fliplr(m)\ne[0, 1] = 5.0\ne = np.flipud(m)\ne[0, 0] = 7.0\nr = m[0].sum() + m[2, 0]",
    MATRIX + "e = np.diagonal(m)\nm[0, 0] = 7.0\nr = e[0] + m.diagonal()[1]",
    "e = np.broadcast_to(target_pos, (2, 3))\ntarget_pos[0] = 7.0\nr = e[1, 0]",
    "e = np.atleast_2d(target_pos)\ne[0, 1] = 7.0\nr = target_pos[1]",
])  # fmt: skip
def test_a_write_into_a_view_shows_in_its_array(body):
    assert difference(program(body)) == ""


@pytest.mark.parametrize("body", [
    "e = np.broadcast_to(target_pos, (2, 3))\ne[0] = 7.0\nr = e[1, 0]",
    MATRIX + "e = np.diag(m)\ne[0] = 7.0\nr = e[0]",
    MATRIX + "e = m.diagonal()\ne *= 2\nr = e[0]",
])  # fmt: skip
def test_what_numpy_does_not_let_be_written_is_refused(body):
    assert "this array is read-only" in difference(program(body))


@pytest.mark.parametrize("body", [
    "l = [1.0, 2.0]\nprint(l.pop())\nr = len(l) + observation[0]",
    "l = []\ndef f(x):\n    l.append(x)\n    return x\nprint('f', f(observation[0]))\nr = len(l)",
    "print(str(observation[0]) + 'x', f'{observation[0]:.2f}', *action, sep=', ')\nr = action[0]",
])  # fmt: skip
def test_what_is_printed_is_evaluated(body):
    assert difference(program(body)) == ""


def test_what_is_printed_may_raise():
    found = difference(program("print(math.sqrt(observation[0]))\nr = observation[1]"))
    assert "math.sqrt of a negative number" in found


def test_constant_truth_values_are_not_added():
    found = difference(program("r = np.isfinite(0.5) + np.isfinite(1.5) + observation[0]"))
    assert "constant truth values" in found  # NumPy's are True, Python's would be 2


def test_a_product_of_rotations_that_are_nan_raises_as_scipys():
    head = "from scipy.spatial.transform import Rotation as R\n"
    found = difference(program(
        head + "q = R.from_rotvec(np.log(observation[:3])) * R.from_euler('xyz', target_pos)\n"
        "r = 0.5 if q.magnitude() > 1 else 1.0"))  # fmt: skip
    assert "a quaternion of zeros or NaN" in found
