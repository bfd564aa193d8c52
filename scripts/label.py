"""Lets a person answer a run's questions: `python scripts/label.py RUN`, on the page that it opens.

The page plays two clips side by side; a key says which is better. Answers go to the run's own
labels, beside those of its teacher. Ctrl-C ends it; the last line of stdout is one JSON object.
"""

from __future__ import annotations

import json
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import tyro

from core_jax.feedback import person
from core_jax.training import cache, devices


def main(
    run: Annotated[Path, tyro.conf.Positional],
    name: str = "",
    port: int = 8642,
    browser: bool = True,
) -> int:
    """Serves the page on this machine only, until Ctrl-C.

    Args:
        run: the run's folder; it may be under way.
        name: of the person, where there are several: their answers are kept apart.
        port: of 127.0.0.1; 0 takes a free one.
        browser: open the page.
    """
    devices.prepare_cpu(1)
    cache.enable()
    try:
        desk = person.Desk(run, name)
        server = person.make_server(desk, port)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    address = f"http://127.0.0.1:{server.server_port}/"
    print(f"{address} asks {desk.teacher}; Ctrl-C ends", file=sys.stderr, flush=True)
    if browser:
        webbrowser.open(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print(file=sys.stderr)
    server.server_close()
    state = desk.state()
    desk.close()
    counts = {k: state[k] for k in ("teacher", "answered", "total")}
    print(json.dumps({"run": str(run), **counts}))
    return 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
