"""Reports on runs and on committed results; the last line of stdout is one JSON object.

- `python scripts/report.py RUN... --out report/`: a RUN is a run's folder, finished or not, or a
  folder of them (a sweep's). Writes one `index.html` that needs no other file, its pictures,
  `table.md` and `table.json`.
- `python scripts/report.py RUN... --collect --into results/`: writes a small JSON file for every
  finished run.
- `python scripts/report.py results/ --out page.html --readme README.md docs/results.md`: the page
  of committed results, and the parts of documents that are generated from them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import tyro

from core_jax import report
from core_jax.report import results, results_page
from core_jax.runs import sweep
from core_jax.runs.differences import differences
from core_jax.training import cache, devices


def main(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    out: Path | None = None,
    collect: bool = False,
    into: Path = Path("results"),
    readme: tuple[Path, ...] = (),
) -> int:
    """Writes a page of runs or of committed results, or collects results from runs.

    Args:
        runs: runs' folders, folders of them, or one folder of committed results.
        out: the folder of a report on runs (default: report), or the page of results.
        collect: write the result of every finished run into --into.
        into: folder of results.
        readme: documents whose generated parts are made anew from the results.
    """
    try:
        if not runs:
            raise ValueError("name at least one run's folder, or a folder of results")
        if collect:
            if out is not None or readme:
                raise ValueError("--out and --readme have no effect with --collect")
            content = _collect(runs, into)
        elif _has_results(runs):
            content = _results(runs, out, readme)
        elif readme:
            raise ValueError(f"--readme needs a folder of results, not {runs[0]}")
        else:
            content = _runs(runs, out or Path("report"))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(content))
    return 0


def _runs(runs: tuple[Path, ...], out: Path) -> dict[str, Any]:
    devices.prepare_cpu(1)
    cache.enable()
    records = [r for path in report.find(runs) for r in report.load_all(path, differences)]
    content = report.write(records, out)
    print(f"{(out / 'table.md').read_text()}\n{out / 'index.html'}")
    return {"report": str(out / "index.html"), **content}


def _collect(runs: tuple[Path, ...], into: Path) -> dict[str, Any]:
    written, unfinished = [], []
    for path in report.find(runs):
        if (path / "summary.json").exists():
            written.append(str(sweep.collected(path, into)))
        else:
            unfinished.append(str(path))
            print(f"{path} has not finished: left out", file=sys.stderr)
    return {"results": written, "unfinished": unfinished}


def _has_results(paths: tuple[Path, ...]) -> bool:
    """Whether a path is a folder of results: JSON files, and no run."""
    return any(
        path.is_dir() and not (path / "config.json").exists() and any(path.glob("*.json"))
        for path in paths
    )


def _results(paths: tuple[Path, ...], out: Path | None, readme: tuple[Path, ...]) -> dict[str, Any]:
    if len(paths) != 1:
        raise ValueError("a report on results is made from one folder of them")
    if out is None and not readme:
        raise ValueError("say where to: --out page.html, or --readme FILE")
    if out is not None and out.suffix != ".html":
        raise ValueError(f"--out {out}: the page of results is one .html file")
    found, problems = results.read(paths[0])
    for problem in problems:
        print(problem, file=sys.stderr)
    if out is not None:
        results_page.write(found, out, problems)
    changed = [str(path) for path in readme if results_page.update(path, found)]
    page = None if out is None else str(out)
    return {"results": len(found), "left_out": problems, "page": page, "changed": changed}


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
