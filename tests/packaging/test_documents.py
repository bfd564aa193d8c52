"""README and docs: links lead somewhere, commands parse, every package with public names has an
entry in the API reference."""

import argparse
import functools
import importlib
import importlib.util
import inspect
import re
import runpy
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
import tyro

from core_jax import methods
from core_jax.agents import learner as learners
from core_jax.feedback import teachers
from core_jax.models.chat_config import ChatConfig
from core_jax.runs import fields, flags, sweep
from core_jax.runs.config import Config
from core_jax.training.config import TrainingConfig

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:\.\./)*scripts/([\w/]+)\.py(.*)|python -m (core_jax[\w.]*)(.*)")
# What documents leave open, by the flag before it; other words in capitals are paths or names.
OPEN = {
    "--method": "core", "--task": "drawer-open", "--teacher": "scripted", "--max-cost": "9",
    "--steps": "1000",
}  # fmt: skip
EXTERNAL = {"metaworld", "gymnasium", "torch", "transformers"}  # of tools, not of the project


class Parsed(Exception):
    """A command line has been read without an error."""


def name_of(page):
    return str(page.relative_to(ROOT))


def anchors(page):
    """What headings can be linked by, as GitHub and the site name them."""
    found = []
    for title in re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.M):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        found.append(re.sub(r"[^\w\- ]", "", title).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_included_files_exist():
    named = [n for p in PAGES for n in re.findall(r'^--8<-- "(.+)"$', p.read_text(), re.M)]
    assert len(named) >= 6
    for path in named:
        assert (ROOT / path).exists(), path


def commands(page):
    """The command lines of a page: of its shell blocks, and of its inline code."""
    text = page.read_text()
    for block in re.findall(r"^ *```(?:sh|bash)\n(.*?)^ *```$", text, re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            yield from COMMAND.finditer(line.partition(" #")[0])
    for code in re.findall(r"`([^`]+)`", re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S)):
        yield from COMMAND.finditer(" ".join(code.split()))


def words_of(rest):
    """A command line's words, what it leaves open filled in; none if it is only a part of one."""
    if "$" in rest or " ..." in rest:
        return []
    rest = re.sub(r"\{([\w-]+),[^}]*\}", r"\1", rest)  # one of several
    words = [w.removesuffix("...") for w in shlex.split(re.sub(r"[\[\]]", "", rest))]
    words = [w for w in words if w != "--help"]
    filled = list(words)
    for i, word in enumerate(words[1:], 1):
        if re.fullmatch(r"[A-Z]+", word):
            filled[i] = OPEN.get(words[i - 1], word)
    return filled


CASES = [
    pytest.param(found[1] or found[3], words, id=f"{name_of(page)}: {found[0].strip()}")
    for page in PAGES
    for found in commands(page)
    if (words := words_of(found[2] or found[4] or "")) and found[1] != "tools/linked_view"
]


@pytest.fixture
def reading(monkeypatch):
    """Parsers that read a command line and go no further."""
    cli, parse_args = tyro.cli, argparse.ArgumentParser.parse_args

    def read(f, **options):
        if not inspect.isclass(f):
            f = functools.wraps(f)(lambda *given, **named: None)
        cli(f, **options)
        raise Parsed

    def parse(parser, *given):
        parse_args(parser, *given)
        raise Parsed

    monkeypatch.setattr(tyro, "cli", read)
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)


def script(name):
    spec = importlib.util.spec_from_file_location(f"script_{name}", ROOT / f"scripts/{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # where dataclasses look names up
    spec.loader.exec_module(module)
    return module


@functools.cache
def own_flags(name):
    return script(name).Flags


def test_commands_are_found():
    assert len(CASES) > 40
    assert {"train", "sweep", "evaluate", "export", "report", "bench"} <= {
        c.values[0] for c in CASES
    }


@pytest.mark.parametrize(("name", "words"), CASES)
def test_commands_parse(name, words, reading, monkeypatch):
    if name == "train":
        monkeypatch.undo()
        monkeypatch.syspath_prepend(str(ROOT / "examples"))  # of `--method own_method:Lift`
        flags.parse(own_flags("train"), words)
        return
    if name == "sweep":
        monkeypatch.undo()
        own, others = tyro.cli(own_flags("sweep"), args=words, return_unknown_args=True)
        sweep.cells(own.out, own.tasks, own.protocols, own.methods, others)
        return
    monkeypatch.setattr(sys, "argv", [name, *words])
    if name.startswith("core_jax."):
        with pytest.raises(Parsed):
            runpy.run_module(name, run_name="__main__")
        return
    path = ROOT / "scripts" / f"{name}.py"
    monkeypatch.syspath_prepend(str(path.parent))
    try:
        with pytest.raises(Parsed):
            runpy.run_path(str(path), run_name="__main__")
    except ModuleNotFoundError as error:
        assert error.name in EXTERNAL
        pytest.skip(f"needs {error.name}")


def settings(cls, prefix=""):
    """Dotted names of the flags of a config, groups included."""
    for name, kind in fields.hints(cls).items():
        yield prefix + name
        if fields.is_group(kind):
            yield from settings(fields.bare(kind), f"{prefix}{name}.")


def known_flags():
    """Every flag of a run, and words of the scripts' own."""
    found = {*settings(Config), *settings(TrainingConfig), *settings(ChatConfig, "chat.")}
    for name in methods.names():
        found |= {*settings(methods.get(name).config)}
    for module in (learners, teachers):
        for name in module.names():
            cls = module.config_class(name)
            found |= {name, *(settings(cls, f"{name}.") if cls else ())}
    mains = ["core/feedback/labels", "reward_models/programs"]
    sources = [
        *(ROOT / "examples").glob("*.py"),
        *(ROOT / "scripts").rglob("*.py"),
        *(ROOT / x / "__main__.py" for x in mains),
    ]
    for path in sources:
        text = path.read_text()
        found |= {*re.findall(r"^    (\w+): ", text, re.M)}  # parameters and fields, read by tyro
        found |= {w.replace("-", "_") for w in re.findall(r'"--([\w-]+)"', text)}
    slurm = {"nodes", "ntasks_per_node", "gpus_per_node", "requeue", "signal"}
    ray = {"head", "address"}
    return found | {"help", "maxprocesses"} | slurm | ray


def test_flags_exist():
    known = known_flags()
    groups = {name.rpartition(".")[0] for name in known} | known
    for page in PAGES:
        for flag in re.findall(r"(?<![\w-])--([a-z][\w.-]*)", page.read_text()):
            name = flag.rstrip(".-").replace("-", "_")
            plain = re.sub(r"(^|\.)no_", r"\1", name)
            assert name in groups or plain in groups, f"{name_of(page)}: --{flag}"


def test_packages_with_public_names_are_in_the_api_reference():
    text = "".join(p.read_text() for p in PAGES if p.parent.name == "api")
    listed = set(re.findall(r"^<!-- api: ([\w.]+) -->$", text, re.M))
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    public = {p for p in setup["packages"] if hasattr(importlib.import_module(p), "__all__")}
    assert public <= listed
    for module in listed - public:
        importlib.import_module(module)
