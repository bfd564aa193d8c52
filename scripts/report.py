"""Reports on runs: `python scripts/report.py RUN... --out report/`.

A RUN is a run's folder, finished or not, or a folder of them (a sweep's). Writes one `index.html`
that needs no other file, its pictures, `table.md` and `table.json`. The last line of stdout is one
JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import tyro

from core_jax import report
from core_jax.runs.differences import differences
from core_jax.training import cache, devices


def main(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    out: Path = Path("report"),
) -> int:
    """Writes curves with confidence intervals, the table, clips, labels, and reward code.

    Args:
        runs: runs' folders, or folders of them.
        out: the report's folder.
    """
    devices.prepare_cpu(1)
    cache.enable()
    try:
        if not runs:
            raise ValueError("name at least one run's folder")
        records = [report.load(path, differences) for path in report.find(runs)]
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    content = report.write(records, out)
    print(f"{(out / 'table.md').read_text()}\n{out / 'index.html'}")
    print(json.dumps({"report": str(out / "index.html"), **content}))
    return 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
