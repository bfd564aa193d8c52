"""Lays out the repository as it is installed: `python scripts/tools/linked_view.py build/view`.

`build/view/core_jax` has the package structure of the wheel, by symbolic links to the files of the
root. Type checkers and import-linter, which do not know setuptools' `package-dir`, read it;
with `PYTHONPATH=build/view` a checkout runs without being installed.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"commands": "scripts"} | {name: name for name in ("agents", "envs", "reward_models")}
"""Subpackage -> its folder at the root, as in `[tool.setuptools] package-dir`."""


def make_view(folder: Path) -> Path:
    """Makes `folder/core_jax` anew and returns it.

    Folders are real and files are links: pyright does not look into linked folders.
    """
    package = folder / "core_jax"
    shutil.rmtree(package, ignore_errors=True)
    _link(ROOT / "core", package)
    for name, source in FOLDERS.items():
        _link(ROOT / source, package / name)
    shutil.rmtree(package / "commands" / "tools")  # not installed
    return package


def _link(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.is_dir() and path.name != "__pycache__":
            _link(path, target / path.name)
        elif path.is_file():
            (target / path.name).symlink_to(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0] + ".")
    parser.add_argument("folder", type=Path, help="where core_jax is laid out anew")
    print(make_view(parser.parse_args().folder.resolve()))
