"""Folders of others in a report, and settings by their names."""

import json
import re

import pytest
from reported import ROOT, load, make

from core_jax import report
from core_jax.files import write_json
from core_jax.report import table, text
from core_jax.runs.differences import differences
from core_jax.runs.layout import to_dict
from core_jax.runs.presets import make_config


def test_links_out_of_a_run_are_not_followed(tmp_path):
    run = make(tmp_path / "run", [[1.0]], labels=0)
    secret = tmp_path / "secret.txt"
    secret.write_text("the password")
    for name in ("rewards/z.py", "rewards/history.json", "curve.png", "episode.png"):
        (run / name).symlink_to(secret)
    (run / "rewards" / "loop.py").symlink_to("loop.py")
    (run / "rewards" / "mine.py").write_text("return 1.0")
    (run / "rewards" / "also.py").symlink_to("mine.py")
    (run / "rewards" / "folder.py").mkdir()
    record = load(run)
    assert record.codes() == [("also", "return 1.0"), ("mine", "return 1.0")]
    assert record.history() == [] and record.file("curve.png") is None
    content = report.write([record], tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    assert "password" not in page and "password" not in json.dumps(content)
    for name in ("config.json", "summary.json"):
        (run / name).unlink()
        (run / name).symlink_to(secret)
        with pytest.raises(ValueError, match=f"{name} is not a file in the run's folder"):
            load(run)
        (run / name).unlink()
        write_json(run / name, to_dict(make_config(steps=3_000)))
    (run / "summary.json").unlink()
    for name in ("labels.sqlite", "metrics.jsonl"):
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(secret)
    record = load(run)
    assert record.rows == [] and "not a file" in record.label_problem
    linked = tmp_path / "linked"  # which run is reported is the caller's choice
    linked.symlink_to(run)
    assert load(linked).name == "linked"


HOSTILE = "$\\frac<img src=x onerror=alert(1)>\x1b[2J|`a`](http://x) ![i](y)\n# title"


def test_html_and_control_characters_of_a_run_are_shown_as_text(tmp_path):
    run = make(tmp_path / "run", [[1.0]], labels=0)
    stored = json.loads((run / "config.json").read_text())
    stored["sac"]["gamma"] = HOSTILE
    stored[HOSTILE] = 1
    write_json(run / "config.json", stored)
    summary = json.loads((run / "summary.json").read_text())
    write_json(run / "summary.json", summary | {"labels": 1, "teacher": HOSTILE})
    (run / "rewards" / f"{HOSTILE.replace('/', '')}.py").write_text(f"{HOSTILE}\tcode")
    (run / "rewards" / "history.json").write_text(json.dumps([{"event": HOSTILE}, "x"]))
    other = make(tmp_path / "other", [[1.0]], labels=0, seed=5)
    report.write([load(run), load(other)], tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    lines = (tmp_path / "report" / "table.md").read_text().split("\n")
    assert "<img src=x" not in page and "\x1b" not in page
    assert "\\x1b[2J" in page and "\tcode" in page
    assert len(lines) == 5 and lines[-1] == ""
    whole = "\n".join(lines)
    assert "\x1b" not in whole and "<" not in whole and "](" not in whole
    assert all(len(re.findall(r"(?<!\\)\|", line)) == len(table.HEADERS) + 1 for line in lines[:-1])


def test_texts_are_printable():
    assert text.printable("a\x1b\u202eb\n") == "a\\x1b\\u202eb\\x0a"
    assert text.printable("a\nb\tü", keep="\n\t") == "a\nb\tü"
    assert text.as_cell("a|b <i> [x](y) `c`") == r"a\|b &lt;i&gt; [x]\(y) \`c\`"
    assert text.as_html('"<') == "&quot;&lt;"


def test_settings_are_what_differs_from_the_tasks_and_methods_defaults():
    assert differences(to_dict(make_config(task="fold-cloth", seeds=3, seed=4))) == {}
    assert differences(to_dict(make_config(method="eureka"))) == {}
    assert differences(to_dict(make_config(residual_input="pixels"))) == {
        "residual_input": "pixels"
    }
    states = make_config(method="erl_vlm", reward_input="state")
    assert differences(to_dict(states)) == {"reward_input": "state"}
    given = make_config(rrm=False, sac={"gamma": 0.9}, max_cost=1.0)
    assert differences(to_dict(given)) == {"rrm": False, "sac.gamma": 0.9}
    ppo = differences(to_dict(make_config(method="env_dense", learner="ppo", ppo={"clip": 0.3})))
    assert ppo == {"learner": "ppo", "ppo.clip": 0.3}


def test_settings_of_a_config_of_the_version_before_are_told():
    old = json.loads((ROOT / "tests" / "data" / "config_v1.json").read_text())
    assert differences(old) == {}
    sac = {**old["sac"], "gamma": 0.9}
    assert differences(old | {"method": "eureka", "seeds": 5, "sac": sac}) == {"sac.gamma": 0.9}
    found = differences(old | {"wings": 2, "method": "magic", "task": "fly", "sac": 3})
    assert found["wings"] == 2 and found["sac"] == 3
