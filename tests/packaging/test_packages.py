"""The wheel holds what the repository holds: every package, every data file, and the console
command; installed, it trains from another folder."""

import configparser
import fnmatch
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import core_jax
from core_jax.commands.__main__ import COMMANDS, main

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "core": "core_jax",
    "scripts": "core_jax.commands",
    "envs": "core_jax.envs",
    "agents": "core_jax.agents",
    "reward_models": "core_jax.reward_models",
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUP = PROJECT["tool"]["setuptools"]
# Without pip's isolated environment, which would be downloaded.
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


def package_of(folder: Path) -> str:
    """The import name of a folder of the repository."""
    first, *others = folder.relative_to(ROOT).parts
    return ".".join([FOLDERS[first], *others])


def tracked() -> list[Path]:
    """The files that git knows; a copy without git is searched."""
    listed = subprocess.run(
        ["git", "ls-files", *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0 and listed.stdout:
        found = [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]
    else:
        found = [p for f in FOLDERS for p in (ROOT / f).rglob("*") if "__pycache__" not in p.parts]
    return [path for path in found if ROOT / "scripts" / "tools" not in path.parents]


def test_every_package_is_listed_once():
    found = {package_of(p.parent) for p in tracked() if p.name == "__init__.py"}
    assert sorted(found) == sorted(SETUP["packages"])
    assert len(set(SETUP["packages"])) == len(SETUP["packages"])
    assert {SETUP["package-dir"][name]: name for name in SETUP["package-dir"]} == FOLDERS


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


def test_every_dependency_is_listed_once():
    names = [line.split("#")[0].strip() for line in PROJECT["project"]["dependencies"]]
    assert len(names) == len(set(names))


def test_the_public_face():
    assert all(getattr(core_jax, name) is not None for name in core_jax.__all__)
    assert set(core_jax.__all__) <= set(dir(core_jax))
    assert core_jax.task_names() == core_jax.envs.names()


def console(monkeypatch, *words):
    """Runs `core-jax ...` in this process; its exit status."""
    monkeypatch.setattr(sys, "argv", ["core-jax", *words])
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # put back afterwards
    try:
        return main()
    except SystemExit as ended:
        return ended.code


def test_the_console_command_lists_the_scripts(monkeypatch, capsys):
    assert console(monkeypatch) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown if line.startswith("  ")] == list(COMMANDS)
    scripts = {p.stem for p in (ROOT / "scripts").glob("*.py") if "__main__" in p.read_text()}
    assert {name.replace("-", "_") for name in COMMANDS} == scripts - {"__main__", "bench_mujoco"}


def test_the_list_of_commands_needs_no_jax():
    code = "import sys; from core_jax.commands.__main__ import main; main(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "core_jax" in done.stdout.split() and "jax" not in done.stdout.split()


def test_the_console_command_runs_a_script_as_the_main_module(monkeypatch, capsys):
    assert console(monkeypatch, "compile-reward", "none.py", "--task", "soccer") == 2
    assert capsys.readouterr().err.startswith("cannot read none.py")
    assert console(monkeypatch, "compile-reward", "--help") == 0
    assert capsys.readouterr().out.startswith("usage: core-jax compile-reward ")


def test_an_unknown_command_is_refused_with_the_list(monkeypatch, capsys):
    assert console(monkeypatch, "tran") == 2
    err = capsys.readouterr().err
    assert err.startswith("unknown command 'tran'. Did you mean 'train'?\n") and "  sweep" in err


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the repository: a build leaves files beside its sources."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("dist")
    for path in [*tracked(), *(ROOT / n for n in ("pyproject.toml", "README.md", "LICENSE"))]:
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    done = subprocess.run(
        [sys.executable, "-c", BUILD, out], cwd=copy, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (found,) = out.iterdir()
    return found


def test_the_wheel_holds_every_file(wheel):
    assert wheel.name == f"core_jax-{core_jax.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("core_jax/")}
    name_of = lambda path: f"{package_of(path.parent).replace('.', '/')}/{path.name}"
    assert held == {name_of(path) for path in tracked()}
    assert "core_jax/py.typed" in held and "core_jax/feedback/person/page.html" in held


def test_the_wheel_has_the_console_command_and_the_licence(wheel):
    with zipfile.ZipFile(wheel) as archive:
        folder = f"core_jax-{core_jax.__version__}.dist-info"
        entries = configparser.ConfigParser()
        entries.read_string(archive.read(f"{folder}/entry_points.txt").decode())
        assert f"{folder}/licenses/LICENSE" in archive.namelist()
    assert dict(entries["console_scripts"]) == {"core-jax": "core_jax.commands.__main__:main"}


TRAIN = "train --steps 2000 --envs 20 --random-steps 1000 --eval-every 2000 --final-episodes 2"


@pytest.mark.long
def test_the_installed_wheel_trains_beside_the_packages_of_this_environment(wheel, tmp_path):
    """Installs the wheel alone; a line with a path shows it the packages that are here."""
    programs = new_environment(tmp_path)
    pip = [sys.executable, "-m", "pip", "--python", programs / "python"]
    subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", wheel], check=True)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    asked = subprocess.run(
        [programs / "python", "-c", code], capture_output=True, text=True, check=True
    )
    packages = Path(asked.stdout.strip())
    # A folder that is named in a .pth file does not have its own .pth files read: those of an
    # editable installation, which lead to this repository.
    here = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    (packages / "here.pth").write_text("".join(f"{path}\n" for path in sorted(here)))
    code = "import core_jax, jax; from core_jax import envs; "
    code += "envs.make('drawer-open'); "  # reads data of the wheel
    code += "print(core_jax.__file__, jax.__file__)"
    asked = subprocess.run(
        [programs / "python", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = asked.stdout.split()
    assert [Path(path).is_relative_to(packages) for path in found] == [True, False]
    shutil.copy(ROOT / "tests" / "core" / "point_world.py", tmp_path)  # compiles in no time
    small = "--method env_dense --sac.hidden 16 16 --sac.batch-size 16 --updates 2"
    trains_and_exports(programs, tmp_path, "point_world:Point", *small.split())


@pytest.mark.long
def test_the_installed_wheel_trains_from_another_folder(wheel, tmp_path):
    """Downloads the dependencies into a new environment."""
    programs = new_environment(tmp_path, with_pip=True)
    pins = ROOT / "constraints" / f"py3{min(sys.version_info.minor, 12)}.txt"
    subprocess.run([programs / "python", "-m", "pip", "install", "-q", "-c", pins, wheel],
                   check=True)  # fmt: skip
    trains_and_exports(programs, tmp_path, "drawer-open")


def new_environment(folder, with_pip=False):
    """A virtual environment without packages; the folder of its programs."""
    venv.create(folder / "venv", with_pip=with_pip)
    return folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")


def trains_and_exports(programs, folder, task, *flags):
    """Checks the list of commands, a short training and its exported policy."""
    assert run(programs, folder).stdout.startswith("usage: core-jax COMMAND")
    trained = run(programs, folder, *TRAIN.split(), "--task", task, *flags, "--out", "run")
    summary = json.loads(trained.stdout.splitlines()[-1])
    assert summary["env_steps"] == 2000 and summary["task"] == task
    assert (folder / "run" / "curve.png").exists()
    exported = run(programs, folder, "export", "run", "--out", "policy.npz")
    assert json.loads(exported.stdout.splitlines()[-1])["policies"] == ["policy.npz"]
    assert (folder / "numpy_policy.py").exists()


def run(programs, folder, *words):
    """`core-jax ...` in a folder, without this repository on its path."""
    cached = {
        name: value for name, value in os.environ.items() if name.startswith(("JAX_", "XLA_"))
    }
    done = subprocess.run(
        [programs / "core-jax", *words], cwd=folder, env={"HOME": str(folder), **cached},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done
