"""docs/gallery.md is written from the cards of the policies, and every task has a clip."""

import importlib.util
from pathlib import Path

from PIL import Image

from core_jax import envs

ROOT = Path(__file__).parents[2]


def tool():
    """scripts/tools/ship_policy.py as a module."""
    spec = importlib.util.spec_from_file_location("ship", ROOT / "scripts/tools/ship_policy.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_gallery_is_of_the_cards():
    assert (ROOT / "docs" / "gallery.md").read_text() == tool().gallery()


def test_every_task_has_a_clip_that_moves():
    clips = {path.stem: path for path in (ROOT / "docs" / "clips").glob("*.gif")}
    assert sorted(clips) == sorted(envs.names())
    for path in clips.values():
        with Image.open(path) as film:
            assert film.n_frames > 3 and film.height == 176
        assert path.stat().st_size < 400_000
