"""Lets a person answer a run's questions: `python scripts/label.py RUN`, on the page that it opens.

The page plays clips; a key says which of two is better, or how good one is, or how far the task is
done. Answers go to the run's own labels, beside those of its teacher. Ctrl-C ends it; the last line
of stdout is one JSON object.
"""

from __future__ import annotations

import os
import signal


def _stop_early(number: int, frame: object) -> None:
    del number, frame
    os.write(2, b"\nstopped before the page was served\n")
    os._exit(128 + signal.SIGINT)


if __name__ == "__main__":  # before the imports, which take seconds
    signal.signal(signal.SIGINT, _stop_early)

import json  # noqa: E402
import shutil  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import threading  # noqa: E402
import webbrowser  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Annotated  # noqa: E402

import tyro  # noqa: E402

from core_jax import envs  # noqa: E402
from core_jax.feedback import person  # noqa: E402
from core_jax.runs import run_folder  # noqa: E402
from core_jax.training import cache, devices  # noqa: E402
from core_jax.visual.frames import FrameRenderer  # noqa: E402

_SIZE = 320  # pixels, height and width of a frame


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
        config = run_folder.load_config(run)
        env = envs.make(config.task, protocol=config.protocol)
        session = person.LabelSession(run, env, FrameRenderer(env, _SIZE).render, name)
        try:
            server = person.make_server(session, port)
        except ValueError:
            session.close()
            raise
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGINT, lambda number, frame: _end(server))
    print(f"{server.address} asks {session.teacher}; Ctrl-C ends", file=sys.stderr, flush=True)
    folder = _open(server.address) if browser else None
    server.serve_forever()
    print("\nclosing", file=sys.stderr)
    server.server_close()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        state = session.state()
    except ValueError as error:  # the label file has become unreadable
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        session.close()
    counts = {k: state[k] for k in ("teacher", "answered", "total")}
    print(json.dumps({"run": str(run), **counts}))
    return 0


def _end(server: person.LabelServer) -> None:
    """Ends the server, once; a picture that is being rendered is waited for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=server.shutdown).start()


def _open(address: str) -> Path:
    """Opens the page by a file that only this user can read: the address holds the session's
    secret, and a browser's command line is visible to every user of the machine."""
    folder = Path(tempfile.mkdtemp(prefix="core-jax-label-"))  # mode 0700
    page = folder / "open.html"
    page.write_text(f'<!doctype html><meta http-equiv="refresh" content="0;url={address}">')
    webbrowser.open(page.as_uri())
    return folder


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
