"""MiniGrid's worlds: rules, rewards, layouts and observations, in closed form."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core_jax import envs
from core_jax.envs.minigrid import experts, tasks
from core_jax.envs.minigrid.tasks import BLACK, BOX, CLOSED, FLOOR, KEY, LOCKED, OPEN, YELLOW
from core_jax.envs.minigrid.worlds import World
from core_jax.envs.wrappers import TrainingWrapper

LEFT, RIGHT, FORWARD, PICK_UP, DROP, TOGGLE, NOTHING = range(7)
NAMES = envs.names("minigrid")


def state_of(env, shot, pocket=(0, 0)):
    """A world's state that has a given snapshot."""
    shot, layout = np.asarray(shot), env.layout
    codes = shot[:-3].astype(int).reshape(layout.height, layout.width)
    world = World(
        grid=jnp.asarray(np.stack(np.divmod(codes, tasks.COLOURS), axis=-1), jnp.uint8),
        position=jnp.asarray(shot[-3:-1], jnp.int32),
        direction=jnp.int32(shot[-1]),
        pocket=jnp.asarray(pocket, jnp.uint8),
        steps=jnp.int32(0),
    )
    state = env.reset(jax.random.key(0))
    return state.replace(pipeline_state=world)


@functools.cache
def stepper(name):
    env = envs.make(name)
    return env, jax.jit(env.step)


def played(name, shot, actions):
    """The states after each of some actions, from a snapshot."""
    env, step = stepper(name)
    state, states = state_of(env, shot), []
    for action in actions:
        state = step(state, jnp.int32(action))
        states.append(state)
    return env, states


def test_farama_actions_solve_a_written_layout_and_earn_its_reward():
    spec = envs.spec("minigrid-doorkey-6x6")
    # ######  the agent looks up at the key's column, two cells below it
    # #K.#.#
    # #..#.#
    # #..L.#
    # #^.#G#
    actions = [FORWARD, FORWARD, PICK_UP, RIGHT, FORWARD, RIGHT, FORWARD, LEFT, TOGGLE]
    actions += [FORWARD, FORWARD, RIGHT, FORWARD]
    env, states = played(spec.name, spec.start, actions)
    pockets = [int(s.pipeline_state.pocket[0]) for s in states]
    assert pockets == [0, 0] + [KEY] * 11
    door = [int(s.pipeline_state.grid[3, 3, 0]) for s in states]
    assert door == [LOCKED] * 8 + [OPEN] * 5
    assert [float(s.done) for s in states] == [0.0] * 12 + [1.0]
    assert [float(s.metrics["success"]) for s in states] == [0.0] * 12 + [1.0]
    np.testing.assert_allclose(states[-1].reward, 1.0 - 0.9 * 13 / 360, rtol=1e-6)
    np.testing.assert_array_equal(env.snapshot(states[-1].pipeline_state)[:-3], spec.goal[:-3])
    dense = sum(float(s.metrics["dense"]) for s in states)
    start = env.reset(jax.random.key(0)).metrics["progress"]
    np.testing.assert_allclose(dense, 1.0 + 1.0 - start, atol=1e-5)


def test_turns_doing_nothing_and_walls():
    spec = envs.spec("minigrid-doorkey-6x6")
    env, states = played(spec.name, spec.start, [LEFT, FORWARD, NOTHING, RIGHT, DROP, TOGGLE])
    where = [tuple(np.asarray(s.pipeline_state.position)) for s in states]
    assert where == [(4, 1)] * 6
    assert [int(s.pipeline_state.direction) for s in states] == [3, 3, 3, 0, 0, 0]
    grid = state_of(env, spec.start).pipeline_state.grid
    assert all((s.pipeline_state.grid == grid).all() for s in states)
    assert int(states[-1].pipeline_state.steps) == 6


def test_an_open_door_closes_again_and_needs_no_key_then():
    spec = envs.spec("minigrid-unlock")
    shot = np.array(spec.goal)
    door = 2 * 11 + 5
    shot[door] = CLOSED * tasks.COLOURS + YELLOW
    _, states = played(spec.name, shot, [TOGGLE])
    assert int(states[0].pipeline_state.grid[2, 5, 0]) == OPEN
    shot[door] = LOCKED * tasks.COLOURS + YELLOW
    _, states = played(spec.name, shot, [TOGGLE])
    assert int(states[0].pipeline_state.grid[2, 5, 0]) == LOCKED  # no key


def test_a_box_is_picked_up_by_empty_hands_and_destroyed_by_toggling():
    spec = envs.spec("minigrid-unlockpickup")
    shot = np.array(spec.goal)
    shot[1 * 11 + 9] = BOX * tasks.COLOURS + 1
    shot[-3:] = 1, 8, 1  # in front of it
    env, states = played(spec.name, shot, [PICK_UP])
    assert float(states[0].metrics["success"]) == float(states[0].done) == 1.0
    env, step = stepper(spec.name)
    full = step(state_of(env, shot, (KEY, YELLOW)), jnp.int32(PICK_UP))
    assert float(full.metrics["success"]) == 0.0 and int(full.pipeline_state.grid[1, 9, 0]) == BOX
    _, states = played(spec.name, shot, [NOTHING, TOGGLE])
    assert tuple(np.asarray(states[1].pipeline_state.grid[1, 9])) == (FLOOR, BLACK)
    assert float(states[1].metrics["success"]) == 0.0
    assert float(states[1].metrics["dense"]) < 0.0  # there is nothing to pick up any more


@pytest.mark.parametrize("name", NAMES)
def test_layouts_are_farama_s(name):
    env = envs.make(name)
    keys = jax.random.split(jax.random.key(1), 256)
    grid = np.asarray(jax.jit(jax.vmap(env.reset))(keys).pipeline_state.grid)
    tiles, colours = grid[..., 0], grid[..., 1]
    count = lambda tile: (tiles == tile).sum((1, 2))
    assert (count(KEY) == 1).all() and (count(LOCKED) == 1).all()
    assert (count(BOX) == (env.layout.target == "box")).all()
    assert set(np.unique(tiles)) <= {FLOOR, tasks.WALL, BOX, tasks.GOAL, KEY, LOCKED}
    row, col = np.argwhere(tiles == LOCKED)[:, 1:].T
    assert (np.argwhere(tiles == KEY)[:, 2] < col).all()
    same = colours[tiles == KEY] == colours[tiles == LOCKED]
    assert same.all()
    if env.layout.target == "goal":
        assert set(colours[tiles == KEY]) == {YELLOW}
        size = env.layout.width
        assert set(col) == set(range(2, size - 2)) and set(row) == set(range(1, size - 2))
        assert (tiles[:, -2, -2] == tasks.GOAL).all()
    else:
        assert set(colours[tiles == KEY]) == {1, 2, 3, 4, 5, 6}
        assert set(col) == {5} and set(row) == {1, 2, 3, 4}


def test_numbers_determine_the_world_that_they_describe():
    env, states = played(*_start("minigrid-doorkey-8x8"), [FORWARD, RIGHT])
    numbers = env.spec.formal_view(np.asarray(states[-1].obs))
    names = [f.name for f in env.spec.formal_fields]
    found = dict(zip(names, numbers.tolist(), strict=True))
    assert found == {
        "agent_row": 6, "agent_col": 1, "facing_row": -1, "facing_col": 0, "key_row": 2,
        "key_col": 2, "carries_key": 0, "door_row": 5, "door_col": 4, "door_state": 0,
        "goal_row": 6, "goal_col": 6, "padding": 0,
    }  # fmt: skip
    planes = np.asarray(states[-1].obs[: tasks.VIEW_SIZE]).reshape(6, 7, 7)
    assert planes[0, 6, 2] == 1 and planes[0, 6, 3] == 0  # a wall at the agent's left
    # The key is four rows ahead and one column to the right of the agent, at [6, 3] of the view.
    np.testing.assert_array_equal(np.argwhere(planes[4]), [[2, 4]])


def _start(name):
    return name, envs.spec(name).start


@pytest.mark.parametrize("name", NAMES)
def test_experts_succeed_and_are_graded_by_their_randomness(name):
    env = envs.make(name)
    play = jax.jit(
        jax.vmap(lambda key, share: experts.play(env, key, share, 60), in_axes=(0, None))
    )
    keys = jax.random.split(jax.random.key(2), 64)
    levels = (experts.EXPERT, experts.MIDDLING, experts.POOR, experts.RANDOM)
    found = [play(keys, share) for share in levels]
    best = found[0]
    assert (best.success.max(1) == 1).all()
    assert (np.diff(np.asarray(best.progress), axis=1) >= -1e-6).all()
    assert (best.progress[:, -1] == 1).all()
    means = [float(e.progress.mean()) for e in found]
    assert means == sorted(means, reverse=True)


def test_vmapped_steps_are_those_of_one_world():
    env, step = stepper("minigrid-unlockpickup")
    keys, actions = jax.random.split(jax.random.key(3), 7), jnp.arange(7)
    states = jax.vmap(env.reset)(keys)
    many = jax.jit(jax.vmap(env.step))(states, actions)
    for i in range(7):
        one = step(jax.tree.map(lambda x, i=i: x[i], states), actions[i])
        same = lambda a, b, i=i: np.testing.assert_allclose(a[i], b, rtol=1e-6)
        jax.tree.map(same, many, one)


def test_success_ends_an_episode_and_a_time_limit_truncates_it():
    env, _ = stepper("minigrid-doorkey-6x6")
    worlds = TrainingWrapper(env)
    assert worlds.episode_length == 360
    state = jax.jit(worlds.reset)(jax.random.split(jax.random.key(4), 2))
    state = state.replace(info={**state.info, "steps": jnp.array([358, 359])})
    state = jax.jit(worlds.step)(state, jnp.array([NOTHING, NOTHING]))
    np.testing.assert_array_equal(state.done, [0, 1])
    np.testing.assert_array_equal(state.info["truncation"], [0, 1])
    assert int(state.pipeline_state.steps[1]) == 0
