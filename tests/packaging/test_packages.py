"""The wheel holds what the repository holds: every package is listed, and every data file."""

import fnmatch
import importlib
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("core", "envs", "agents", "reward_models")
SETUP = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def package_of(folder: Path) -> str:
    """The import name of a folder of the repository."""
    parts = folder.relative_to(ROOT).parts
    return ".".join(["core_jax", *(parts[1:] if parts[0] == "core" else parts)])


def tracked() -> list[Path]:
    """The files that git knows; a copy without git is searched."""
    listed = subprocess.run(
        ["git", "ls-files", *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0 and listed.stdout:
        return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]
    return [p for f in FOLDERS for p in (ROOT / f).rglob("*") if "__pycache__" not in p.parts]


def test_every_package_is_listed_once():
    found = {package_of(p.parent) for p in tracked() if p.name == "__init__.py"}
    assert sorted(found) == sorted(SETUP["packages"])
    assert len(set(SETUP["packages"])) == len(SETUP["packages"])


def test_every_data_file_is_in_the_wheel():
    data = SETUP["package-data"]
    for path in tracked():
        if path.suffix == ".py" or not path.is_file():
            continue
        owner = path.parent
        while not (owner / "__init__.py").exists():
            owner = owner.parent
        name = str(path.relative_to(owner))
        patterns = data.get(package_of(owner), [])
        assert any(fnmatch.fnmatch(name, p) for p in patterns), (package_of(owner), name)


def test_the_public_face():
    core_jax = importlib.import_module("core_jax")
    assert all(getattr(core_jax, name) is not None for name in core_jax.__all__)
    assert set(core_jax.__all__) <= set(dir(core_jax))
    assert core_jax.task_names() == core_jax.envs.names()
