"""Shapes of a cloth in numbers, for `compare_cloth.py`."""

from __future__ import annotations

import numpy as np


def stretch(x: np.ndarray, spacing: float) -> np.ndarray:
    """Lengths of all edges along rows and columns of a grid [3, n, m], 1 is unstretched."""
    rows = np.linalg.norm(np.diff(x, axis=1), axis=0)
    columns = np.linalg.norm(np.diff(x, axis=2), axis=0)
    return np.concatenate([rows.ravel(), columns.ravel()]) / spacing


def shape(x: np.ndarray, spacing: float) -> dict[str, float]:
    """Extents, mm, and edge stretch, %, of a cloth [3, n, n]."""
    extent = 1e3 * (x.max((1, 2)) - x.min((1, 2)))
    edges = 100.0 * (stretch(x, spacing) - 1.0)
    return {
        "extent_x_mm": float(extent[0]),
        "extent_y_mm": float(extent[1]),
        "extent_z_mm": float(extent[2]),
        "highest_mm": float(1e3 * x[1].max()),
        "stretch_mean_%": float(np.abs(edges).mean()),
        "stretch_99th_%": float(np.quantile(np.abs(edges), 0.99)),
        "stretch_max_%": float(edges.max()),
    }


def layers(x: np.ndarray) -> dict[str, float]:
    """Of a cloth folded along its diagonal [3, n, n]: how far the upper half is above and beside
    its mirror image, mm (medians), its borders and the strip along the fold left out."""
    n = x.shape[1]
    i, j = np.mgrid[:n, :n]
    upper = (i + j < 0.7 * n) & (np.minimum(i, j) >= 2)
    away = x - x[:, ::-1, ::-1].transpose(0, 2, 1)
    beside = np.linalg.norm(away[[0, 2]], axis=0)
    return {
        "layer_above_mm": float(1e3 * np.median(away[1][upper])),
        "layer_beside_mm": float(1e3 * np.median(beside[upper])),
    }


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance of matched particles, mm."""
    return float(1e3 * np.linalg.norm(a - b, axis=0).mean())
