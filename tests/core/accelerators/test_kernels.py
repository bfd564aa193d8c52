"""Counting in HLO text: programs compiled here for the CPU, and texts as other platforms print
them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax.accelerators import kernels


def counted(f, *args):
    return kernels.count(jax.jit(f).lower(*args).compile().as_text())


def scan(length):
    def f(x):
        step = lambda x, _: (jnp.sin(x) @ jnp.full((8, 8), 0.1), None)
        return jax.lax.scan(step, x, None, length=length)[0]

    return f


def test_a_loop_counts_as_often_as_it_runs():
    x = jnp.ones((8, 8))
    some = {n: counted(scan(n), x) for n in (20, 21, 40)}
    body = some[21].kernels - some[20].kernels
    assert body >= 1 and some[40].kernels == some[20].kernels + 20 * body
    assert some[40].traffic - some[20].traffic == 20 * (some[21].traffic - some[20].traffic)
    assert all(one.loops == () and one.callbacks == 0 for one in some.values())


def test_loops_multiply():
    inner = scan(20)
    outer = lambda x: jax.lax.fori_loop(0, 30, lambda _, x: inner(x), x)
    once, often = counted(inner, jnp.ones((8, 8))), counted(outer, jnp.ones((8, 8)))
    # What is computed once outside of the loop may be in or out of the outer one.
    assert 30 * (once.kernels - 2) <= often.kernels <= 30 * (once.kernels + 2)


def test_a_loop_that_depends_on_data_is_counted_once_and_listed():
    def f(x):
        return jax.lax.while_loop(lambda x: jnp.sum(x) < 100.0, lambda x: x + jnp.sin(x), x)

    found = counted(f, jnp.ones(8))
    [loop] = found.loops
    assert 1 <= loop.kernels <= found.kernels and "while" in loop.name
    nested = counted(lambda x: jax.lax.scan(lambda x, _: (f(x), None), x, None, length=9)[0], 8.0)
    assert len(nested.loops) == 1  # it is one loop, however often it is entered


def test_a_traced_number_of_iterations_is_no_static_trip_count():
    f = lambda n, x: jax.lax.fori_loop(0, n, lambda _, x: jnp.cos(x), x)
    assert len(counted(f, 3, jnp.ones(8)).loops) == 1
    assert counted(lambda x: f(3, x), jnp.ones(8)).loops == ()


def test_callbacks_are_counted_through_loops():
    def f(x):
        ask = lambda x: jax.pure_callback(np.sin, jax.ShapeDtypeStruct((8,), jnp.float32), x)
        return jax.lax.scan(lambda x, _: (ask(x), None), x, None, length=17)[0]

    assert counted(f, jnp.ones(8)).callbacks == 17


def test_traffic_of_an_elementwise_program_is_what_it_reads_and_writes():
    found = counted(lambda x, y: 2.0 * x + y, jnp.ones(1000), jnp.ones(1000))
    assert (found.kernels, found.traffic) == (1, 3 * 4000)


def test_only_the_parts_that_are_indexed_are_read():
    ring = jnp.zeros((100_000, 8))
    rows = lambda x, i: 2.0 * jax.lax.dynamic_slice_in_dim(x, i, 4)
    assert counted(rows, ring, 5).traffic <= 2 * 4 * 8 * 4 + 64
    assert counted(lambda x: 2.0 * x, ring).traffic == 2 * ring.size * 4


def test_an_update_in_place_writes_its_part():
    f = jax.jit(
        lambda x, new, i: jax.lax.dynamic_update_slice_in_dim(x, 2.0 * new, i, 0), donate_argnums=0
    )
    text = f.lower(jnp.zeros((100_000, 8)), jnp.ones((4, 8)), 5).compile().as_text()
    assert kernels.count(text).traffic < 1000


TPU = """HloModule jit_f, is_scheduled=true

%body (arg.1: (s32[], f32[8,128])) -> (s32[], f32[8,128]) {
  %arg.1 = (s32[]{:T(128)}, f32[8,128]{1,0:T(8,128)S(1)}) parameter(0)
  %i.1 = s32[]{:T(128)} get-tuple-element(%arg.1), index=0
  %x.1 = f32[8,128]{1,0:T(8,128)} get-tuple-element(%arg.1), index=1
  %one = s32[]{:T(128)} constant(1)
  %next = s32[]{:T(128)} add(%i.1, %one)
  %fusion.1 = f32[8,128]{1,0:T(8,128)} fusion(%x.1), kind=kLoop, calls=%fused
  ROOT %tuple.1 = (s32[]{:T(128)}, f32[8,128]{1,0:T(8,128)}) tuple(%next, %fusion.1)
}

%condition (arg.2: (s32[], f32[8,128])) -> pred[] {
  %limit = s32[]{:T(128)} constant(7)
  %arg.2 = (s32[]{:T(128)}, f32[8,128]{1,0:T(8,128)S(1)}) parameter(0)
  %i.2 = s32[]{:T(128)} get-tuple-element(%arg.2), index=0
  ROOT %lt = pred[]{:T(512)} compare(%i.2, %limit), direction=LT
}

ENTRY %main (x: f32[8,128], n: s32[]) -> f32[8,128] {
  %x = f32[8,128]{1,0:T(8,128)} parameter(0)
  %n = s32[]{:T(128)} parameter(1)
  %zero = s32[]{:T(128)} constant(2)
  %tuple.2 = (s32[]{:T(128)}, f32[8,128]{1,0:T(8,128)}) tuple(%zero, %x)
  %while = (s32[]{:T(128)}, f32[8,128]) while(%tuple.2), condition=%condition, body=%body
  ROOT %out = f32[8,128]{1,0:T(8,128)} get-tuple-element(%while), index=1
}
"""


def test_trip_counts_that_the_compiler_does_not_note_are_read_from_the_condition():
    found = kernels.count(TPU)
    assert (found.kernels, found.loops) == (5, ())  # from 2 to 7
    assert found.traffic == 5 * 2 * 8 * 128 * 4


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tuple(%zero, %x)", "tuple(%n, %x)"),  # starts at an argument
        ("add(%i.1, %one)", "add(%i.1, %i.1)"),  # does not grow by 1
        ("direction=LT", "direction=NE"),
    ],
)
def test_other_loops_have_no_static_trip_count(old, new):
    assert old in TPU
    found = kernels.count(TPU.replace(old, new))
    assert found.kernels == 1 and len(found.loops) == 1


def test_the_longest_branch_counts():
    f = lambda p, x: jax.lax.cond(p, lambda x: jnp.sort(jnp.sin(x)) @ x, lambda x: jnp.sum(x), x)
    both = counted(f, True, jnp.ones(64)).kernels
    assert both >= counted(lambda x: jnp.sort(jnp.sin(x)) @ x, jnp.ones(64)).kernels


def test_other_text_is_refused():
    with pytest.raises(ValueError, match="no entry computation"):
        kernels.count("module @jit_f {}")
