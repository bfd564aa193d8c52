"""Record what OpenCV's functions give, for tests that run without it.

    python scripts/tools/record_opencv.py

Writes `tests/data/programs/opencv.npz`: masks with the facts of their contours in all four modes of
`findContours`, and pictures with what filters and conversions make of them. Colours are checked on
all 2**24 by a digest.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import cv2
import numpy as np

FILE = Path(__file__).resolve().parents[2] / "tests" / "data" / "programs" / "opencv.npz"
HEIGHT, WIDTH, MASKS = 24, 28, 48
FACTS = 9  # points, area, length, x, y, width, height, vertices of approxPolyDP, hull's area


def masks(rng: np.random.Generator) -> np.ndarray:
    """[MASKS, HEIGHT, WIDTH] uint8 of rectangles, circles, coarse and fine noise."""
    found = []
    for index in range(MASKS):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        if index % 4 == 0:
            mask = (rng.random((HEIGHT, WIDTH)) < 0.12).astype(np.uint8)
        elif index % 4 == 1:
            for _ in range(5):
                y, x, h, w = (int(v) for v in rng.integers([0, 0, 1, 1], [18, 22, 10, 10]))
                mask[y : y + h, x : x + w] ^= 1
        elif index % 4 == 2:
            for _ in range(3):
                at = (int(rng.integers(0, WIDTH)), int(rng.integers(0, HEIGHT)))
                cv2.circle(mask, at, int(rng.integers(1, 9)), 1, int(rng.choice([-1, 1, 2])))
        else:
            coarse = (rng.random((6, 7)) < 0.5).astype(np.uint8)
            mask = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
        found.append(mask)
    return np.stack(found)


def contours(found: np.ndarray) -> dict[str, np.ndarray]:
    """[MASKS, 4] how many contours there are, and [all of them, FACTS] their facts in order."""
    counts, facts, moments = [], [], []
    for mask in found:
        row = []
        for mode in range(4):
            shapes, _ = cv2.findContours(mask, mode, cv2.CHAIN_APPROX_SIMPLE)
            row.append(len(shapes))
            for one in shapes:
                length = cv2.arcLength(one, True)
                corners = len(cv2.approxPolyDP(one, 0.03 * length, True))
                hull = cv2.contourArea(cv2.convexHull(one))
                box = cv2.boundingRect(one)
                facts.append([len(one), cv2.contourArea(one), length, *box, corners, hull])
                m = cv2.moments(one)
                moments.append([m[name] for name in ("m00", "m10", "m01", "m20", "m11", "m02")])
        counts.append(row)
    return {
        "counts": np.array(counts, np.int16),
        "facts": np.array(facts, np.float32),
        "moments": np.array(moments, np.float64),
    }


def calls(picture: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    """What functions give, by the expression that a program would write."""
    names = {"cv2": cv2, "np": np, "picture": picture, "mask": mask}
    return {text: np.asarray(eval(text, names)) for text in EXPRESSIONS}


EXPRESSIONS = (
    "cv2.blur(picture, (5, 3))",
    "cv2.GaussianBlur(picture, (5, 5), 0)",
    "cv2.GaussianBlur(mask, (7, 3), 0)",
    "cv2.medianBlur(picture, 5)",
    "cv2.resize(picture, (50, 17))",
    "cv2.resize(picture, (100, 100))",
    "cv2.resize(picture, (13, 40), interpolation=cv2.INTER_NEAREST)",
    "cv2.resize(picture, (14, 12), interpolation=cv2.INTER_AREA)",
    "cv2.erode(mask, np.ones((3, 3), np.uint8), iterations=2)",
    "cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))",
    "cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((2, 4), np.uint8))",
    "cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))",
    "cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, None)",
    "cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 5))",
    "cv2.getStructuringElement(cv2.MORPH_CROSS, (4, 7))",
    "cv2.threshold(mask, 100.5, 200, cv2.THRESH_TRUNC)[1]",
    "cv2.threshold(mask, 90, 255, cv2.THRESH_BINARY_INV)[1]",
    "cv2.absdiff(picture, cv2.blur(picture, (3, 3)))",
    "cv2.subtract(mask, cv2.dilate(mask, None))",
    "cv2.bitwise_and(picture, picture, mask=mask)",
    "cv2.inRange(cv2.cvtColor(picture, cv2.COLOR_BGR2HSV), (20, 40, 30), (90, 255, 200))",
    "cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)",
)


def colours() -> np.ndarray:
    """[4096, 4096, 3] every colour."""
    value = np.arange(1 << 24, dtype=np.uint32)
    parts = [value & 255, (value >> 8) & 255, value >> 16]
    return np.stack(parts, axis=-1).astype(np.uint8).reshape(4096, 4096, 3)


def main() -> None:
    """Write the file."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    mask = rng.integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8)
    found = {"picture": picture, "mask": mask, "masks": masks(rng)}
    found |= contours(found["masks"]) | calls(picture, mask)
    for name in ("RGB2HSV", "RGB2GRAY"):
        made = cv2.cvtColor(colours(), getattr(cv2, f"COLOR_{name}"))
        digest = hashlib.sha256(np.ascontiguousarray(made)).digest()
        found[f"digest_{name}"] = np.frombuffer(digest, np.uint8)
    np.savez_compressed(FILE, **found)
    print(f"{FILE.name}: {FILE.stat().st_size} bytes, {len(found['facts'])} contours")


if __name__ == "__main__":
    main()
