"""Episodes of small pictures to try image programs on: a grid, pushing, a table top, a drawer."""

from __future__ import annotations

import cv2
import numpy as np

SIZE = 64
LENGTH = 12
_GREY, _BLACK = (100, 100, 100), (0, 0, 0)
_RED, _GREEN, _YELLOW, _BLUE = (255, 0, 0), (0, 255, 0), (255, 255, 0), (0, 0, 255)
CELL = 8


def grid(seed: int, good: bool) -> np.ndarray:
    """[T, 64, 64, 3] a MiniGrid-like room; if good, the key is fetched and the door opened."""
    rng = np.random.default_rng(seed)
    wall = int(rng.integers(3, 5))
    key, door = (
        (int(rng.integers(1, wall)), int(rng.integers(1, 7))),
        (wall, int(rng.integers(1, 7))),
    )
    spots = [(x, y) for x in range(1, wall) for y in range(1, 7) if (x, y) != key]
    start = spots[int(rng.integers(len(spots)))]
    path = _walk(start, key, 5) + _walk(key, (wall - 1, door[1]), 3) + _walk(door, (6, 6), 4)
    if not good:
        path = [spots[int(rng.integers(len(spots)))] for _ in range(LENGTH)]
    frames = []
    for t, agent in enumerate(path[:LENGTH]):
        frame = np.zeros((SIZE, SIZE, 3), np.uint8)
        frame[::CELL], frame[:, ::CELL] = 35, 35
        for x in range(8):
            for y in range(8):
                if x in (0, 7) or y in (0, 7) or x == wall and (x, y) != door:
                    _box(frame, x, y, 0, 8, _GREY)
        _box(frame, 6, 6, 1, 8, _GREEN)
        if not good or t < 5:
            x, y = key[0] * CELL, key[1] * CELL
            cv2.circle(frame, (x + 4, y + 2), 2, _YELLOW, -1)
            frame[y + 2 : y + 8, x + 4 : x + 5] = _YELLOW
            frame[y + 6, x + 2 : x + 5] = _YELLOW
        if not good or t < 8:
            _box(frame, *door, 0, 8, _YELLOW)
            _box(frame, *door, 2, 6, (76, 76, 0))
        else:
            frame[door[1] * CELL : door[1] * CELL + 8, door[0] * CELL : door[0] * CELL + 2] = (
                _YELLOW
            )
        _agent(frame, *agent, int(rng.integers(4)))
        frames.append(frame)
    return np.stack(frames)


def _walk(a: tuple[int, int], b: tuple[int, int], steps: int) -> list[tuple[int, int]]:
    share = np.linspace(0, 1, steps)
    return [(round(a[0] + (b[0] - a[0]) * s), round(a[1] + (b[1] - a[1]) * s)) for s in share]


def _box(frame: np.ndarray, x: int, y: int, low: int, high: int, color: tuple) -> None:
    rows, columns = slice(y * CELL + low, y * CELL + high), slice(x * CELL + low, x * CELL + high)
    frame[rows, columns] = color


def _agent(frame: np.ndarray, x: int, y: int, turn: int) -> None:
    tile = np.zeros((CELL, CELL, 3), np.uint8)
    cv2.fillPoly(tile, [np.array([[1, 1], [7, 4], [1, 7]])], _RED)
    tile = np.rot90(tile, turn)
    part = frame[y * CELL : y * CELL + CELL, x * CELL : x * CELL + CELL]
    part[tile.any(axis=2)] = tile[tile.any(axis=2)]


def push(seed: int, good: bool) -> np.ndarray:
    """[T, 64, 64, 3] a green cube on a table, a yellow goal, a grey hand that pushes."""
    rng = np.random.default_rng(1_000 + seed)
    cube, goal = rng.uniform(14, 26, 2), rng.uniform(38, 52, 2)
    frames, shown = [], rng.integers(0, 3)
    for t in range(LENGTH):
        frame = np.full((SIZE, SIZE, 3), (200, 198, 194), np.uint8)
        frame[:6], frame[58:] = (223, 54, 45), (90, 90, 95)
        share = max(0, t - 2) / (LENGTH - 3) if good else 0.1 * np.sin(t)
        at = cube + share * (goal - cube)
        x, y = (int(v) for v in goal)
        frame[y - 5 : y + 5, x - 5 : x + 5] = (230, 200, 20)
        x, y = (int(v) for v in at)
        frame[y - 4 : y + 4, x - 4 : x + 4] = (20, 190, 25)
        frame[y + 3 : y + 4, x - 4 : x + 4] = (12, 120, 15)
        hand = at - 7 if good and t > 1 else rng.uniform(8, 20, 2)
        cv2.circle(frame, tuple(int(v) for v in hand), 3, (60, 60, 70), -1)
        noise = rng.integers(-shown, shown + 1, frame.shape)
        frames.append(np.clip(frame.astype(int) + noise, 0, 255).astype(np.uint8))
    return np.stack(frames)


def table(seed: int, good: bool) -> np.ndarray:
    """[T, 64, 64, 3] blocks, bowls and a box on a dark table; blocks are carried over if good."""
    rng = np.random.default_rng(2_000 + seed)
    bowls = [(15, 16), (46, 14)]
    blocks = [rng.uniform(12, 50, 2) * (1, 0.3) + (0, 38) for _ in range(3)]
    frames = []
    for t in range(LENGTH):
        frame = np.full((SIZE, SIZE, 3), 45, np.uint8)
        for x, y in bowls:
            cv2.circle(frame, (x, y), 9, (89, 169, 79), -1)
            cv2.circle(frame, (x, y), 6, (70, 140, 62), -1)
        frame[40:60, 4:8], frame[58:62, 4:24] = (156, 117, 95), (156, 117, 95)
        cv2.rectangle(frame, (54, 30), (62, 38), (237, 201, 72), -1)
        for i, block in enumerate(blocks):
            color = [(255, 87, 89), (118, 183, 178), (78, 121, 167)][i]
            moved = good and t >= 3 * (i + 1)
            x, y = bowls[i % 2] if moved else (int(v) for v in block)
            x, y = (x + i - 1, y + i - 1) if moved else (x, y)
            frame[y - 3 : y + 3, x - 3 : x + 3] = color
        if not good:
            blocks[t % 3] = np.clip(blocks[t % 3] + rng.uniform(-3, 3, 2), 10, 58)
        frames.append(frame)
    return np.stack(frames)


def noise(seed: int, good: bool) -> np.ndarray:
    """[T, 64, 64, 3] blobs of random colours."""
    rng = np.random.default_rng(3_000 + seed)
    frames = []
    for _ in range(LENGTH):
        frame = np.full((SIZE, SIZE, 3), rng.integers(0, 256, 3), np.uint8)
        for _ in range(int(rng.integers(1, 8))):
            color = [int(v) for v in rng.integers(0, 256, 3)]
            at = tuple(int(v) for v in rng.integers(0, SIZE, 2))
            cv2.circle(frame, at, int(rng.integers(1, 14)), color, -1)
        if good:
            frame = cv2.resize(rng.integers(0, 256, (9, 9, 3)).astype(np.uint8), (SIZE, SIZE))
        frames.append(frame)
    return np.stack(frames)


SETS = {"grid": grid, "push": push, "table": table, "noise": noise}
