"""Some three hundred known ways out of a Python sandbox: each is refused, with a place, in time."""

import time

import pytest

from core_jax.reward_models.formal import RewardError, compile_reward

HEAD = "import numpy as np\ndef compute_reward(observation, action, target_pos):\n"
TAIL = "\n    return x, {'x': x}\n"


def body(text: str) -> str:
    return HEAD + "\n".join("    " + line for line in text.split("\n")) + TAIL


OBJECTS = (
    "()", "[]", "{}", "''", "(1).real", "1.5", "None", "True", "observation", "np", "np.sum",
    "np.linalg", "print", "len", "compute_reward", "(lambda: 1)", "(i for i in [1])", "[].append",
    "{}.items", "f''", "action.sum", "action[0]", "np.pi", "np.float32", "range(3)",
)  # fmt: skip
CHAINS = (
    "__class__.__base__.__subclasses__()", "__class__.__mro__[-1]", "__init__.__globals__",
    "__doc__", "__dict__", "__getattribute__('x')", "__reduce_ex__(2)",
)  # fmt: skip
FUNCTION_DOORS = (
    "f.__globals__['np']", "f.__code__", "f.__closure__", "f.__defaults__", "f.__builtins__",
    "f.__get__(1)", "f.__call__()", "f.func_code", "f.__module__", "f.__kwdefaults__",
)  # fmt: skip
BUILTIN_DOORS = (
    "getattr(np, 'load')", "getattr(action, '__cl' + 'ass__')", "setattr(np, 'pi', 3)",
    "delattr(np, 'pi')", "hasattr(np, 'load')", "vars(np)", "vars()", "dir()", "type(action)",
    "type('A', (), {})", "globals()", "locals()", "eval('1')", "exec('1')",
    "compile('1', '', 'eval')", "__import__('os')", "open('/etc/passwd')", "input()",
    "breakpoint()", "help()", "exit()", "quit()", "id(action)", "hash('a')", "repr(action)",
    "ascii('a')", "format(1, 'd')", "chr(95)", "ord('_')", "bytes(3)", "bytearray(3)",
    "memoryview(b'')", "object()", "super()", "property(len)", "classmethod(len)",
    "staticmethod(len)", "callable(len)", "iter([1])", "next(iter([1]))", "slice(1)",
    "frozenset()", "set()", "issubclass(int, object)", "isinstance(1, type)",
    "isinstance(action, object)", "license()",
    "copyright()", "__builtins__['open']", "__loader__", "__spec__", "__file__", "__name__",
    "__build_class__", "aiter([])", "anext([])", "NotImplemented", "Exception()",
)  # fmt: skip
MODULES = (
    "os", "sys", "subprocess", "socket", "builtins", "importlib", "ctypes", "pickle", "inspect",
    "gc", "io", "jax", "jax.numpy", "shutil", "pathlib", "threading", "signal", "code", "pty",
    "os.path", "numpy.lib", "numpy.ctypeslib", "scipy", "types", "operator", "functools", "runpy",
)  # fmt: skip
NUMPY_DOORS = (
    "np.load('x')", "np.save('x', action)", "np.savez('x')", "np.loadtxt('x')",
    "np.savetxt('x', 1)", "np.fromfile('x')", "np.genfromtxt('x')", "np.memmap('x')",
    "np.frombuffer(action)", "np.fromstring('1')", "np.fromregex('x', 'y', float)",
    "np.lib.npyio.os", "np.sys", "np.os", "np.core", "np._core", "np.testing",
    "np.f2py.compile('')", "np.ctypeslib", "np.distutils", "np.show_config()", "np.get_include()",
    "np.info(len)", "np.vectorize(len)", "np.frompyfunc(len, 1, 1)",
    "np.apply_along_axis(len, 0, action)", "np.piecewise(action, [True], [len])",
    "np.fromfunction(len, (2,))", "np.array(['a'])", "np.array([len])",
    "np.array([1], dtype=object)", "np.array([1], 'O')", "np.dtype('O')", "np.rec.array([1])",
    "np.matrix('1')", "np.random.seed(0)", "np.seterrcall(len)", "np.set_printoptions()",
    "np.ufunc", "np.sum.reduce(action)", "np.add.accumulate(action)", "action.tofile('x')",
    "action.dump('x')", "action.dumps()", "action.tobytes()", "action.data", "action.ctypes",
    "action.base", "action.setflags(write=1)", "action.view()", "action.at[0]",
    "action.__array_interface__", "action.getfield('O')", "action.block_until_ready()",
    "action.device",
)  # fmt: skip
FORMATS = (
    "'{0.__class__}'.format(action)", "'{x.__init__.__globals__}'.format(x=len)",
    "'a'.format_map({})", "str.format('{0.__class__}', 1)", "'%(a)s' % {'a': 1}",
    "'%s' % action.__class__", "f'{action.__class__}'", "f'{().__class__.__mro__}'",
    "f'{open(1)}'", "f'{1:{().__class__}}'", "f'{(lambda: __import__)()}'", "'%*d' % (9999999, 1)",
    "'%9999999d' % 1", "f'{1:999999999}' * 99", "'a'.join(['b'])", "'a'.encode()",
    "'a'.translate({})", "'a'.zfill(10 ** 9)", "'a' * 10 ** 9",
)  # fmt: skip
SYNTAX = (
    "@len\ndef f(): return 1\nx = f()", "@(lambda f: f)\ndef f(): return 1\nx = f()",
    "class A(len): k = 1\nx = A.k", "class A(metaclass=len): k = 1\nx = A.k",
    "@len\nclass A: k = 1\nx = A.k", "class A:\n    def __getattr__(self, n): return 1\nx = A.k",
    "class A:\n    __slots__ = ()\nx = 1", "class __A: pass\nx = 1",
    "class A: k = 1\nx = A(k=open).k",
    "class A: k = 1\nx = A.__dict__", "class A: k = 1\nA.k = 2\nx = A.k",
    "class A: k = open\nx = A.k", "x = [open for open in [eval]][0]('1')",
    "x = [a for a in __import__]", "x = [b for a in [1] for b in a.__class__]",
    "x = {k: v for k, v in vars().items()}", "x = [__class__ for _ in [1]][0]",
    "x = [i async for i in action]", "x = dict(**{'__class__': 1}, **action)",
    "def f(*a): return a\nx = f(1).__class__", "def f(**k): return k\nx = f(a=1)['b']",
    "def f(*__a): return 1\nx = f(1)", "x = (lambda *a: a)(1)[1]", "x = (lambda __x: __x)(1)",
    "def f(a=open): return 1\nx = f()",
    "def f(a: open('x')): return 1\nx = f(1)", "def f() -> __import__('os'): return 1\nx = f()",
    "y: __import__('os') = 1\nx = y", "try:\n    x = 1\nexcept open(1):\n    x = 2",
    "try:\n    x = 1 / 0\nexcept Exception as e:\n    x = e", "with open('x') as x: pass",
    "async def f(): return 1\nx = 1", "def f(): yield 1\nx = f()", "x = yield 1",
    "x = await action", "global np\nx = 1", "global x\nx = 1", "del np\nx = 1", "raise SystemExit",
    "import sys as np\nx = np.modules", "while True: pass\nx = 1",
    "match action:\n    case np.ndarray(shape=x): pass",
    "match ():\n    case object(__class__=x): pass", "for np.pi in [1]: pass\nx = 1",
    "for x.__class__ in [1]: pass\nx = 1", "np.sum = len\nx = 1", "(np.a, x) = (1, 2)",
    "action.shape = (2, 2)\nx = 1", "x = ...", "x = {1}", "x = b'a'", "x = 1j", "f.a = 1\nx = 1",
    "def f(): return f\nx = f()()()", "x = print(1).__class__", "x = (yield)",
    "exec = 1\nx = eval", "def __import__(n): return n\nx = __import__('os')",
    "__builtins__ = {}\nx = 1", "from __future__ import braces\nx = braces", "x = not_a_name",
    "type A = int\nx = 1", "def f[T](a: T): return a\nx = f(1)", "return compute_reward",
    "x = compute_reward.name",
)  # fmt: skip
# NFKC: Python reads these letters as the plain ones, so a filter of the text would not see them.
LOOK_ALIKES = (
    "x = ().\uff3f\uff3fclass\uff3f\uff3f", "x = ().__\uff43lass__", "x = ()._\uff3fclass__",
    "x = \uff3f_import__('os')", "x = __\U0001d422mport__('os')", "x = \U0001d428pen('x')",
    "x = \u1d49val('1')", "x = \uff45val('1')", "x = np.\uff4coad('x')", "import o\u017f\nx = os",
    "x = action.__\u2102lass__", "\u2e3f = 1\nx = ().__class__", "x = g\uff45tattr(np, 'load')",
    "x = ().\ufe4d_class__", "x = ().\ufe33\ufe34class__", "x = \uff56ars()",
)  # fmt: skip
EXHAUSTING = (
    "x = 9 ** 9 ** 9", "x = 2.0 ** 99999", "x = 10 ** 400", "x = 7 ** 63 ** 2", "x = " + "9" * 400,
    "x = 1e308 * 10 ** 300", "x = [0] * 10 ** 9", "x = (0,) * 10 ** 9", "x = 10 ** 9 * [0]",
    "x = range(10 ** 12)", "x = list(range(10 ** 9))", "x = np.zeros(10 ** 9)",
    "x = np.ones((999, 999, 999))", "x = np.arange(10 ** 9)", "x = np.linspace(0, 1, 10 ** 9)",
    "x = np.eye(10 ** 5)", "x = np.tile(action, 10 ** 8)", "x = np.repeat(action, 10 ** 8)",
    "x = np.full((10 ** 5, 10 ** 5), 1)", "x = np.outer(np.ones(1000), np.ones(1000))",
    "x = np.einsum('i,j,k->', np.ones(99), np.ones(99), np.ones(99))",
    "x = np.linalg.inv(np.eye(999))[0, 0]", "x = np.roll(np.ones(1000), 10 ** 30)[0]",
    "x = 2\nfor i in range(99):\n    x = x * x", "x = 'ab'\nfor i in range(99):\n    x = x + x",
    "x = [1]\nfor i in range(99):\n    x = x + x", "x = [1]\nfor i in range(99):\n    x += x",
    "x = [1]\nfor i in range(99):\n    x = [x, x]",
    "x = ()\nfor i in range(99):\n    x = (x, x, x)",
    "x = {}\nfor i in range(99):\n    x = {'a': x, 'b': x}", "x = []\nx.append(x)",
    "x = {}\nx['a'] = x", "x = 0\nfor i in range(1001): x += 1",
    "x = [a for a in range(999) for b in range(999)]",
    "x = 0\nfor i in range(99):\n    for j in range(99):\n        for k in range(99):\n"
    "            x += 1",
    "def f(n): return f(n) + f(n)\nx = f(1)",
    "def f(n): return g(n)\ndef g(n): return f(n)\nx = f(1)", "f = lambda g: g(g)\nx = f(f)",
    "x = (lambda f: f(f))(lambda f: f(f))", "x = sum(map(lambda a: sum(range(999)), range(999)))",
    "x = compute_reward(observation, action, target_pos)", "x = " + "(" * 250 + "1" + ")" * 250,
    "x = " + "[" * 90 + "]" * 90, "x = " + "-" * 5_000 + "1", "x = " + "1+" * 5_000 + "1",
    "x = 1" + ".T" * 5_000, "x = " + "not " * 3_000 + "1",
    "x = " + "1 if action[0] > 0 else " * 200 + "1", "x = " + "lambda: " * 200 + "1",
    "x = 1\n" + "".join(f"{' ' * i}if action[0] > {i}:\n" for i in range(90)) + " " * 90 + "x = 2",
    "x = 0\nfor i in range(30):\n    if action[0] > x: continue\n    x = [x, x]",
    "def f(a):\n" + "    if a > 0: return 1\n" * 150 + "x = f(action[0])",
    "x = 0.0\nfor i in range(999):\n    for a in action:\n        if a > x: break\n"
    "        x = x + a * a",
    "m = np.zeros(999)\nl = [m[i:] for i in range(900)]\nfor i in range(900):\n    m[i] = i\n"
    "x = m[0]",
    "l = [action + i for i in range(900)]\nfor v in l:\n    for w in l: v[0] = w[0]\nx = 1.0",
)  # fmt: skip
RELATIVE = (
    "from . import a",
    "from .. import a",
    "from .a import b",
    "from ... import *",
    "from .os import *",
)
ESCAPES = (
    *(f"x = {thing}.{chain}" for thing in OBJECTS for chain in CHAINS[:3]),
    *(f"x = action.{chain}" for chain in CHAINS[3:]),
    *(f"def f(a=1): return a\nx = {door}" for door in FUNCTION_DOORS),
    *(f"x = {door}" for door in (*BUILTIN_DOORS, *NUMPY_DOORS, *FORMATS)),
    *(f"import {name}\nx = {name.split('.')[0]}" for name in MODULES),
    *(f"from {name} import *\nx = 1" for name in (*MODULES, "numpy", "math", "numpy.linalg")),
    *(f"{text}\nx = {text.split()[-1].replace('*', '1')}" for text in RELATIVE),
    *SYNTAX,
    *LOOK_ALIKES,
    *EXHAUSTING,
)  # fmt: skip


def test_there_are_many_and_no_two_are_the_same():
    assert len(set(ESCAPES)) == len(ESCAPES) >= 300


@pytest.mark.parametrize("index", range(len(ESCAPES)))
def test_is_refused_with_a_place(index):
    source = body(ESCAPES[index])
    for _ in range(2):  # the first time, operations that were never used are compiled
        start = time.process_time()  # of this process: other tests may run beside it
        with pytest.raises(RewardError) as caught:
            compile_reward(source)
        seconds = time.process_time() - start
        if seconds < 1:
            break
    assert seconds < 1
    lines = source.split("\n")
    for found in caught.value.diagnostics:
        assert found.message and 1 <= found.line <= len(lines)
        assert found.source_line == lines[found.line - 1][:300]
        assert 1 <= found.column <= len(found.source_line) + 1
