"""NumPy's truth values and whole numbers where another path gives a number of another type."""

import pytest
from formal_judge import difference, program

HEAD = "m = observation[:9].reshape(3, 3)\nc = action[0] > 0\n"
MIXED = HEAD + "x = m[0, 0] > 0 if c else 0.5\n"
ROTATION = "from scipy.spatial.transform import Rotation as R\n" + HEAD


@pytest.mark.parametrize("expression", [
    "((m[0, 0] > 0) or 0) + ((m[0, 0] > 0) or 0)",  # True + True is True, and counts as 1
    "(m[0, 0] > 0 if c else 0) + (m[0, 0] > 0)",
    "~(m[0, 0] > 0 if c else 0) + 0.5",
    "abs((m[0, 0] > 0) or -2) + abs((m[0, 0] > 0) or -2)",
    "np.add((m[0, 0] > 0) or 0, (m[0, 0] > 0) or 0) + 0.5",
    "bool(m[0, 0] > 0) + ((m[0, 0] > 0) or 0)",
    "max(m[0, 0] > 0, 0) + max(m[0, 1] > 0, 0)",
    "min(1.0, m[0, 0] > 0) + min(1.0, m[0, 0] > 0)",
    "(m[0] > 0 if c else np.zeros(3)).sum() + ((m[0] > 0 if c else np.zeros(3)) * 2).sum()",
    "(np.argmax(m[0]) if c else 0.0) + 1.0",
    "(True if c else int(m[0, 0] * 2)) * 1.0 + 0.5",
])  # fmt: skip
def test_a_value_of_two_types_is_numpys_on_each_path(expression):
    assert difference(program(HEAD + f"r = {expression}")) == ""


@pytest.mark.parametrize("expression", [
    "sum(2 ** -k * m[0, k] for k in range(3))", "float(len(m)) ** -1 + m[0, 0]", "len(m) ** -0.5",
    "-2 ** -1 + 3 ** -2.0", "len(m) ** 2 * m[0, 0]", "np.float_power(len(m), -1)",
])  # fmt: skip
def test_powers_of_constants_that_can_be_used(expression):
    assert difference(program(HEAD + f"r = {expression}")) == ""


@pytest.mark.parametrize("expression", [
    "x + x", "float(x) + int(x) + bool(x)", "np.clip(x, 0.0, 1.0) + np.where(c, x, 2.0)",
    "np.sum([x, 1.0]) + np.mean([x, 2.0])", "max(x, 0.25, 0.3) + min([0.4, x])", "x if x else -1.0",
    "sum({'a': x, 'b': 2.0}.values())", "(x and 2.0) + 1.0",
])  # fmt: skip
def test_a_value_of_two_types_can_be_used(expression):
    assert difference(program(MIXED + f"r = {expression}")) == ""


def test_a_value_of_two_types_goes_through_a_loop():
    body = "x = 0\nfor i in range(3):\n    x = m[0, i] > 0 if m[1, i] > 0 else x\nr = x + x + 0.5"
    assert difference(program(HEAD + body)) == ""


@pytest.mark.parametrize(("expression", "reason"), [
    ("-(m[0, 0] > 0 if c else 0)", "NumPy has no minus of truth values"),
    ("[1.0, 2.0][m[0, 0] > 0 if c else 0]", "cannot be an index"),
    ("round((m[0, 0] > 0) or 2) * 1.0", "this does not take truth values"),
    # [True] keeps all and [0] picks one.
    ("np.array([1.0, 2.0, 3.0])[(m[0, 0] > 0) or 0].sum()", "how many elements this mask picks"),
    ("(np.argmax(m[0]) if c else 1.5) ** -1", "to a negative whole power"),
    *((f"{value} ** -1 + m[0, 0]", "may be NumPy's, to a negative whole power") for value in (
        "abs(np.searchsorted([1.0, 2.0], 2.5))", "np.sum([1, 1])", "max(np.array([1, 2]))",
        "len(m)")),
    ("pow(np.argmax([0, 1]), -1)", "may be NumPy's, to a negative whole power"),
    ("[1.0, 2.0][np.any([1]) * np.any([0])]", "constant truth values"),
    ("(np.ones(3).any() or 2) + (True if c else int(m[0, 0] * 2))", "constant truth values"),
    ("math.trunc(m[0, 0] if c else np.argmax(m[0]))", "math.trunc does not take NumPy's whole"),
    *((f"math.trunc({value})", "math.trunc does not take NumPy's whole numbers") for value in (
        "np.int64(3)", "np.sum([1, 2])", "np.arange(3)[1]", "np.digitize(1.5, [1, 2])", "2")),
])  # fmt: skip
def test_what_raises_on_one_path_is_refused(expression, reason):
    assert reason in difference(program(HEAD + f"r = {expression}"))


@pytest.mark.parametrize("expression", [
    "abs({})", "-{}", "+{}", "~{}", "round({})", "len([1] * {})",
])  # fmt: skip
def test_what_a_constant_truth_value_is_must_not_matter(expression):
    """Python's and NumPy's constants are not told apart."""
    for constant in ("True", "np.any([1])"):
        found = difference(program(HEAD + f"r = {expression.format(constant)} + m[0, 0]"))
        assert "constant truth value" in found


def test_abs_of_pythons_truth_value_is_a_number():
    assert difference(program(HEAD + "r = abs(float(m[0, 0]) > 0) + (m[0, 1] > 0) + 0.5")) == ""


@pytest.mark.parametrize("vector", [
    "np.diag(m)", "np.broadcast_to(action[:1], (3,))", "np.broadcast_to([1.0, 2.0, 3.0], (3,))",
    "np.diagonal([[1.0, m[0, 0], 0.0], [2.0, 3.0, 0.0], [0.0, 0.0, 1.0]])",
])  # fmt: skip
def test_scipy_takes_no_read_only_array(vector):
    for call in (f"R.from_rotvec({vector}).magnitude()", f"R.from_rotvec(m[0]).apply({vector})[0]"):
        assert "no read-only array" in difference(program(ROTATION + f"r = {call}"))
        copied = call.replace(vector, vector + ".copy()")
        assert difference(program(ROTATION + f"r = {copied} + m[0, 0]")) == ""


@pytest.mark.parametrize(("made", "kept"), [
    ("np.broadcast_to([m[0, 0], 2.0], (3, 2))", False), ("np.broadcast_to(1.0, (2,))", False),
    ("np.diag([[1.0, m[0, 0]], [2.0, 3.0]])", False), ("np.diag([1.0, m[0, 0]])", True),
    ("np.transpose([[m[0, 0], 2.0], [3.0, 1.0]])", True), ("np.flip([m[0, 0], 1.0])", True),
])  # fmt: skip
def test_a_view_of_a_list_is_writable_as_numpys(made, kept):
    found = difference(program(HEAD + f"e = {made}\ne[0] = 5.0\nr = np.sum(e)"))
    assert found == "" if kept else "this array is read-only" in found


@pytest.mark.parametrize("body", [
    "s = 'a' if c else 'b'\nr = np.isclose(0.5, 0.5) + (s != 'b') + 0.5",
    "s = 'a' if c else 'b'\nr = np.all([True, True]) + ((s != 'b') if m[0, 0] > 0 else 1) + 0.5",
    "s = 'a' if c else 'b'\nr = (np.isclose(0.5, 0.5) or 1) * (s != 'b') + 0.5",
])  # fmt: skip
def test_a_constant_truth_value_and_one_of_python_are_not_added(body):
    """np.True_ + True is True, and True + True is 2: which it is, is not known here."""
    assert "a constant truth value" in difference(program(HEAD + body))


@pytest.mark.parametrize("written", ["a[4]", "a[0:2]", "a.reshape(3, 3)[1, 1]", "a.ravel()[-1]"])
@pytest.mark.parametrize("value", ["np.sqrt(m[0, 0])", "1.0 / np.maximum(m[0, 0], 0.0)"])
def test_whole_numbers_take_no_nan(written, value):
    body = f"a = np.arange(9) * 2\n{written} = {value}\nr = a[4] + 0.5"
    assert "cannot take NaN or infinity" in difference(program(HEAD + body))


def test_whole_numbers_take_numbers_without_their_fractions():
    body = "a = np.arange(9)\na[4] = 3 * m[0, 0]\na[0:2] = abs(m[0, 1])\nr = a[4] + a[1] + 0.5"
    assert difference(program(HEAD + body)) == ""


@pytest.mark.parametrize("name", ["gamma", "lgamma"])
def test_gamma_of_infinity_is_infinite(name):
    zero_at_times = "np.maximum(m[0, 0], 0.0)"
    body = f"r = 1.0 if math.{name}(abs(np.log({zero_at_times})) + 1) > 0 else 0.5"
    assert difference(program(HEAD + body)) == ""
