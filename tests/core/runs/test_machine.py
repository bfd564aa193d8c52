"""What a run was made with is in its folder, and a difference is named."""

import json
import os
import shutil
import subprocess

import jax
import pytest

from core_jax.runs import machine


def test_the_same_machine_has_no_differences(tmp_path):
    assert machine.record(tmp_path) == [] == machine.record(tmp_path)
    found = json.loads((tmp_path / "machine.json").read_text())
    assert found["cores"] >= 1 and found["code"] == machine.fingerprint()
    assert {"jax", "jaxlib", "python", "device", "system"} <= set(found)


def test_random_keys_of_another_kind_are_named(tmp_path):
    machine.check_keys(tmp_path)  # nothing is recorded
    machine.record(tmp_path)
    machine.check_keys(tmp_path)
    with jax.default_prng_impl("rbg"):
        with pytest.raises(ValueError, match="was made with JAX_DEFAULT_PRNG_IMPL=.*has rbg: set"):
            machine.check_keys(tmp_path)


def test_a_system_without_affinity_has_cores(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # macOS, Windows
    assert machine.describe()["cores"] >= 1


def test_a_difference_is_named(tmp_path):
    machine.record(tmp_path)
    path = tmp_path / "machine.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "cores": 999}))
    [line] = machine.record(tmp_path)
    assert line.startswith("cores was 999, is ")


@pytest.mark.parametrize("content", [b"{", b"[]", b"null", b"7", b"\xff", b"[" * 100_000])
def test_a_damaged_record_is_written_anew(tmp_path, content):
    (tmp_path / "machine.json").write_bytes(content)
    assert machine.record(tmp_path) == [] == machine.record(tmp_path)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_is_the_sources_own(tmp_path, monkeypatch):
    git = lambda *words: subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    git("init")
    (tmp_path / "__init__.py").write_text("")
    monkeypatch.setattr(machine.core_jax, "__file__", str(tmp_path / "__init__.py"))
    assert machine.commit() is None  # a repository around an installed package
    git("add", ".")
    git("commit", "-m", "first")
    assert machine.commit() == git("rev-parse", "HEAD")
    (tmp_path / "__init__.py").write_text("x = 1")
    assert machine.commit() == git("rev-parse", "HEAD") + "-dirty"


def test_a_difference_in_the_commit_alone_is_no_difference(tmp_path):
    machine.record(tmp_path)
    path = tmp_path / "machine.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "commit": "another"}))
    assert machine.record(tmp_path) == []
    path.write_text(json.dumps({**json.loads(path.read_text()), "commit": "abc"}))
    summary = machine.for_summary(tmp_path)
    assert summary["commit"] == "abc" and set(summary["versions"]) > {"jax", "python"}
