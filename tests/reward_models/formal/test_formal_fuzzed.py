"""What the fuzzer found: one case of each kind, with NumPy's values or refused."""

import re
import warnings

import pytest
from formal_judge import difference, program

MATRIX = "m = observation[:9].reshape(3, 3)\n"


@pytest.mark.parametrize("body", [
    MATRIX + "e = np.swapaxes(m, 0, 1)\ne[0] = 5.0\nr = m[1, 0] + observation[3]",
    MATRIX + "e = m.swapaxes(0, 1)\ne *= 2\nr = m[0, 1] + observation[3]",
    MATRIX + "e = np.moveaxis(m, 0, 1)\ne *= 2\nr = m[0, 1] + observation[3]",
    MATRIX + "e = np.rot90(m)\ne[0] += 5.0\nr = m[0, 2] + m.sum()",
    MATRIX + "e = np.fliplr(m)\ne[0, 1] = 5.0\nr = m[0].sum()",
    MATRIX + "e = np.flipud(m)\ne[0, 0] = 7.0\nr = m[2, 0] + m[1, 0]",
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


@pytest.mark.parametrize("vector", [
    "target_pos * 1e23", "np.nan_to_num(target_pos * np.inf) * 0.5", "target_pos * np.inf",
])  # fmt: skip
def test_only_the_largest_rotation_vectors_are_no_rotations(vector):
    body = "from scipy.spatial.transform import Rotation as R\n"
    body += f"v = R.from_rotvec({vector}).as_rotvec()\nr = 1.0 if np.isfinite(v[2]) else 0.5"
    assert difference(program(body)) == ""


def test_an_array_of_double_precision_is_asked_for_in_silence():
    body = "w = np.array([0.5, 1.0])\nr = np.full_like(w, observation[0])[1]"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert difference(program(body)) == ""


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


@pytest.mark.parametrize("tail", [
    "    else:\n        r += 10\n        continue\n    r += 100",
    "    else:\n        if observation[i] < 0: continue\n        r += 9\n        break\n    r += 9",
])  # fmt: skip
@pytest.mark.parametrize("loop", [
    "    for j in range(3):\n        if action[j] > observation[i]: break\n        r += 1\n",
    "    j = 0\n    while j < 3 and action[j] < observation[i]:\n        j += 1\n"
    "        if action[j] > 0.4: break\n",
    "    for e in [x for x in action if x > 0]:\n        if e > observation[i]: break\n",
])  # fmt: skip
def test_the_else_of_a_loop_may_jump_in_the_loop_around_it(loop, tail):
    assert difference(program(f"r = 0.0\nfor i in range(4):\n{loop}{tail}")) == ""


def test_nothing_jumps_over_a_finally():
    found = difference(program(
        "r = 0.0\nfor i in range(3):\n    try:\n        if observation[i] > 0: continue\n"
        "    finally:\n        r += 10"))  # fmt: skip
    assert "a jump out of a `try` with `finally`" in found


BUMP = "c = [0]\ndef bump(x):\n    c[0] += 1\n    return x\n"


@pytest.mark.parametrize("value", [
    "any(bump(e) > 0 for e in action)", "any(map(bump, [e > 0 for e in action]))",
    "(0 < bump(action[0]) < bump(0.5))", "next((e for e in action if bump(e) > 0), 9.0)",
])  # fmt: skip
def test_a_change_in_what_python_may_leave_out_is_refused(value):
    found = difference(program(f"{BUMP}r = {value} + c[0]"))
    assert "what Python may leave out here" in found


def test_a_helper_in_what_python_may_leave_out():
    body = "def near(p):\n    d = [p]\n    return d[0] > 0.2\nr = any(near(e) for e in action)\n"
    body += "r += (0 < action[0] < near(action[1])) + next((e for e in action if near(e)), 5.0)"
    assert difference(program(body)) == ""


@pytest.mark.parametrize("value", [
    "math.floor(x)", "math.trunc(x)", "round(x)", "np.round(x).astype(int)", "np.int64(x)",
    "np.multiply(n, n)", "np.dot([n, 1], [n, 2])", "np.array([n, 1]) @ np.array([n, 2])",
    "np.prod([n, n, 2])", "np.cumprod([n, n])[1]", "np.power(n, 2)", "np.square(n)",
    "np.sum(np.array([n, n]) * 9999)",
])  # fmt: skip
def test_a_whole_number_beyond_int32_gives_nan(value):
    body = f"x = action[0] * 1e10\nn = int(action[0] * 1e6)\nr = float({value}) * 1e-10"
    assert "a whole number beyond 2**31" in difference(program(body))


@pytest.mark.parametrize("value", [
    "max(0.1, np.log(x))", "max(np.log(x), 0.1)", "min(0.1, np.log(x), 0.3)",
    "max([0.1, np.log(x), 0.05])",
])  # fmt: skip
def test_the_larger_of_two_is_the_first_where_one_is_nan(value):
    body = f"x = 1.8 - observation[0] * 2\nr = np.nan_to_num({value})"
    assert difference(program(body)) == ""


def test_small_differences_between_libraries():
    empty = "x = action[action > 0.3]\nr = np.median(x) + np.percentile(x, 30) if x.size else 0.0\n"
    assert difference(program(empty + "r += np.argmax(x) if len(x) else -1.0")) == ""
    square = "a = observation[:9].reshape(3, 3) + np.eye(3) * 4\n"
    assert difference(program(square + "r = len(np.linalg.lstsq(a, target_pos)[1])")) == ""
    head = "from scipy.special import erf, xlogy\n"
    assert difference(program(head + "r = erf(0.5) + xlogy(0.0, 0.0) + action[0]")) == ""
    assert "a text made from" in difference(program("r = f'{np.sqrt(2.0)!r}' == '1.4'"))


@pytest.mark.parametrize("value, message", [
    ("m.reshape(9, order='F')[1]", "has no option order='F'"),
    ("m.flatten('F')[1]", "has no option order='F'"),
    ("np.sum(action, dtype=int)", "np.sum gives floats only"),
    ("np.vectorize(lambda x: x if x > 0 else 0)(action).sum()", "the type of the first one"),
    ("np.vectorize(lambda x: x, otypes=[int])(action).sum()", "np.vectorize makes floats only"),
    ("np.apply_along_axis(lambda v: 0 if v[0] > 0 else v[1], 1, m).sum()", "the type of the first"),
    ("np.trapezoid(action > 0)", "does not take truth values"),
])  # fmt: skip
def test_an_option_that_would_be_passed_over_is_refused(value, message):
    assert message in difference(program(f"{MATRIX}r = {value}"))


@pytest.mark.parametrize("value", [
    "np.maximum.accumulate(m, axis=1)[2, 1] + np.minimum.accumulate(m)[2, 1]",
    "np.add.accumulate(m)[2, 1] + np.multiply.accumulate(m, 1)[1, 1]",
    "np.sum(m > 0, dtype=float) / 2 + np.add(2, 3, dtype=float) / 2",
    "np.trapezoid(action, dx=0.5) + np.vectorize(lambda x: x if x > 0 else 0.0)(action).sum()",
])  # fmt: skip
def test_options_of_numpy(value):
    assert difference(program(f"{MATRIX}r = {value}")) == ""


@pytest.mark.parametrize("body", [
    "l = [1.0, 2.0]\ng = (e * l[0] for e in [1, 2])\nl[0] = action[0]\nr = sum(g)",
    "def f(xs):\n    return sum(xs) + sum(xs)\nr = f(e for e in action)",
    "def f():\n    return (e for e in action)\nr = sum(f())",
])  # fmt: skip
def test_a_generator_is_used_where_it_is_made(body):
    assert "a generator cannot be kept" in difference(program(body))


def test_a_list_that_grows_under_many_conditions_is_refused_in_time():
    body = "l = []\nfor i in range(200):\n    if observation[i % 11] > 0:\n        l.append(1.0)\n"
    assert "more than 8000 operations" in difference(program(body + "r = len(l)"))


def test_itertools_give_their_items_once():
    body = "c = itertools.combinations(action, 2)\nr = sum(a * b for a, b in c)"
    head = "import itertools\n"
    assert difference(program(head + body)) == ""
    again = difference(program(f"{head}{body} + sum(a for a, b in c)"))
    assert "has been used up by an earlier loop" in again


def test_flat_is_used_where_it_is_made():
    assert "`.flat` gives its items once" in difference(program("b = action.flat\nr = sum(b)"))
    assert difference(program("r = sum(action.flat) + action.flat[2]")) == ""


@pytest.mark.parametrize("value", ["1 .T - action[0]", "(2).sum() + action[0]"])
def test_a_number_that_is_written_out_is_pythons(value):
    assert "a number of Python has no" in difference(program(f"r = {value}"))


def test_a_name_that_a_function_assigns_is_its_own():
    body = "d = np.abs(action[0])\nif d < 0.05:\n    np = 1.0\nr = d"
    assert "`np` is assigned in this function" in difference(program(body))
    body = "k = 2.0\ndef f(x):\n    y = x * k\n    k = 1.0\n    return y\nr = f(action[0])"
    assert "`k` is assigned in this function" in difference(program(body))
    body = "k = 2.0\ndef f(x):\n    nonlocal k\n    k = k + x\n    return [k for k in (x, k)][1]\n"
    found = difference(program(body + "r = f(action[0]) + k"))
    assert "is assigned in this function" not in found


SCALAR = "p = math.isclose(action[0], 0.5, abs_tol=0.3)\nq = action[1] > 0\nl = [1.0, 2.0, 3.0]\n"


@pytest.mark.parametrize("body, message", [
    ("l.insert(p + q, 9.0)\nr = l[1]", "a truth value of NumPy cannot be an index"),
    ("r = l[q]", "a truth value of NumPy cannot be an index"),
    ("print((0.5, np.std(action))[q])\nr = 1.0", "a truth value of NumPy cannot be an index"),
    ("print(f'{(0.5, 0.4)[q]:.2f}')\nr = 1.0", "a truth value of NumPy cannot be an index"),
    ("print(-(q + p))\nr = 1.0", "NumPy has no minus of truth values"),
    ("print(math.sqrt(-2.24))\nr = 1.0", "math.sqrt(-2.24) has no value"),
    ("l.insert(True + (q and p), 9.0)\nr = l[1]", "may be Python's or NumPy's"),
    ("l.pop(action[0])\nr = l[1]", "an index must be an integer"),
    ("r = round(np.cov(action), 2)", "round() of an array"),
    ("r = np.piecewise(2 if action[0] > 0 else 0.1, [q], [lambda e: e * 2, 0.25])",
     "np.piecewise of what may be a whole number"),
    ("r = sum(sorted([np.sqrt(action[0]), *action])[:2])", "an order of NaN"),
    ("l.sort(key=lambda e: np.log(action[0]) * e)\nr = l[0]", "an order of NaN"),
])  # fmt: skip
def test_what_only_python_can_do_or_not_is_refused(body, message):
    assert message in difference(program(SCALAR + body))


@pytest.mark.parametrize("body", [
    "l.insert(p + p, 9.0)\nr = l[2] + l[p]",
    "r = (np.allclose(action, target_pos[0], atol=0.8) + True) * 0.5 + np.array_equal(l, l) / 2",
    "r = math.remainder(action[0] * 2.0**40, 0.75) + math.remainder(action[1], math.inf)",
    "r = math.isclose(0.5 / (action[0] * (action[0] > 0)), 0.5, abs_tol=0.1) + 0.5",
    "r = np.piecewise(max(action[0], 0), [q], [1.0, 2.0])",
    "r = math.lgamma(abs(action[0]) * 1000 + 0.5) * 1e-3 + math.gamma(abs(action[1]) + 1.0)",
])  # fmt: skip
def test_values_of_python_and_of_its_mathematics(body):
    assert difference(program(SCALAR + body)) == ""


def test_scipys_chebyshev_distance_passes_over_nan():
    head = "from scipy.spatial import distance\nfrom scipy.spatial.distance import cdist\n"
    body = "a = np.where(target_pos > [-9, 0, 0], target_pos, np.nan)\n"
    body += "w = np.array([0.5, 1.0, -2.0])\n"
    body += "r = distance.chebyshev(a, w) + cdist([a], [w], 'chebyshev')[0, 0]"
    assert difference(program(head + body)) == ""


ROTATION = "from scipy.spatial.transform import Rotation as R\n"


@pytest.mark.parametrize("body", [
    # Half a turn is pi or -pi by the signs of zeros, as SciPy's formula has it.
    ROTATION + "q = R.from_quat(np.array([0.0, -3.5, 0.0, 1.5]))\n"
    "r = q.as_euler('xyz')[0] + q.as_euler('ZYX')[2] + observation[0]",
    # The square of 1e30 is no float32.
    ROTATION + "q = R.from_quat(np.concatenate([[1e30], target_pos]))\nr = q.apply(target_pos)[1]",
    # Zero times infinity, where both matrices have an exact zero.
    ROTATION + "v = R.from_quat([0.0, 0.5, 0.0, 0.5]).apply(np.array([np.inf, -1.0, 1.0]))\n"
    "r = observation[0] + np.isnan(v[0]) + 2.0 * np.isnan(v[1]) + 4.0 * (v[2] < -9.0)",
    # NumPy multiplies the last two first, so 0 * infinity is in no sum.
    "v = np.divide(observation[4:7], np.zeros(3), out=np.zeros(3), where=observation[4:7] > 9)\n"
    "r = np.linalg.multi_dot([target_pos, np.eye(3), v])",
    "r = (1.0, 2.0)[(int(observation[0]), 1) < (int(observation[1]), 2)] + observation[0]",
])  # fmt: skip
def test_what_a_second_fuzzing_found_has_numpys_values(body):
    assert difference(program(body)) == ""


@pytest.mark.parametrize(("body", "reason"), [
    # The order of the second elements is a truth value of NumPy.
    ("r = (1.0, 2.0)[(1, 0.5) < (1, observation[3])]", "a truth value of NumPy cannot be an index"),
    ("r = round(np.tensordot(target_pos, target_pos, axes=1), 2)", r"round\(\) of an array"),
    ("r = round(np.broadcast_to(observation[0], ()), 2)", r"round\(\) of an array"),
    ("r = round(np.apply_along_axis(np.sum, 0, target_pos), 2)", r"round\(\) of an array"),
])  # fmt: skip
def test_what_python_refuses_is_refused(body, reason):
    assert re.search(reason, difference(program(body)))


@pytest.mark.parametrize("body", [
    "r = np.hypot(1e25 * observation[0], 2.0) * 1e-25",
    "r = np.linalg.norm(observation[:3] * 1e25) * 1e-25",
    MATRIX + "r = np.linalg.norm(m * 1e25, axis=1)[0] * 1e-25",
])  # fmt: skip
def test_squares_that_overflow_in_float32_do_not_show(body):
    assert difference(program(body)) == ""


@pytest.mark.parametrize("call", ["values(np.sum)", "items(1)", "keys(1)", "copy(1)", "clear(1)"])
def test_a_dicts_methods_take_no_arguments(call):
    found = difference(program(f"d = {{'a': 1.0}}\nd.{call}\nr = observation[0]"))
    assert f"dict.{call.partition('(')[0]}() takes no arguments" in found
