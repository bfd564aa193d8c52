"""Matplotlib figures without pyplot: no window, no global state, whatever MPLBACKEND says."""

from __future__ import annotations

import os
from typing import Any


def as_label(text: object) -> str:
    """A text that matplotlib draws as it is: `$` starts no formula, and no control characters."""
    shown = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in str(text))
    return shown.replace("$", "\\$")


def new_figure(**settings: Any) -> Any:
    """A `matplotlib.figure.Figure` that is rendered by Agg.

    Notebooks set MPLBACKEND to a backend that need not be installed where this runs, and matplotlib
    then fails at its import; Agg needs none.

    Args:
        settings: of `Figure`, such as `figsize` in inches.
    """
    chosen = os.environ.pop("MPLBACKEND", None)
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    finally:
        if chosen is not None:
            os.environ["MPLBACKEND"] = chosen
    figure = Figure(**settings)
    FigureCanvasAgg(figure)
    return figure
