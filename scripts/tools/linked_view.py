"""Lays out the repository as it is installed: `python scripts/tools/linked_view.py build/view`.

`build/view/core_jax` has the package structure of the wheel, by symbolic links to the folders at
the root. Type checkers and import-linter, which do not know setuptools' `package-dir`, read it;
with `PYTHONPATH=build/view` a checkout runs without being installed.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ("agents", "envs", "reward_models")


def make_view(folder: Path) -> Path:
    """Makes `folder/core_jax` anew and returns it."""
    package = folder / "core_jax"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir(parents=True)
    for path in sorted((ROOT / "core").iterdir()):
        if path.name != "__pycache__":
            (package / path.name).symlink_to(path)
    for name in LIBRARIES:
        (package / name).symlink_to(ROOT / name)
    return package


if __name__ == "__main__":
    print(make_view(Path(sys.argv[1]).resolve()))
