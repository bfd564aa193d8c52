"""What a run was made with is in its folder, and a difference is named."""

import json

import pytest

from core_jax.runs import machine


def test_the_same_machine_has_no_differences(tmp_path):
    assert machine.record(tmp_path) == [] == machine.record(tmp_path)
    found = json.loads((tmp_path / "machine.json").read_text())
    assert found["cores"] >= 1 and found["code"] == machine.fingerprint()
    assert {"jax", "jaxlib", "python", "device", "system"} <= set(found)


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
