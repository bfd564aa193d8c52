"""The page of committed results, and the parts of documents that are generated from them."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core_jax import files
from core_jax.report import ablations, plots, results_table
from core_jax.report.html import document, image, note
from core_jax.report.results import Result
from core_jax.report.results_rows import grouped
from core_jax.report.results_table import Table
from core_jax.report.text import as_html

# A document has a line `<!-- results:begin -->` and one `<!-- results:end -->` around what is
# generated; `results-all` has every table.
PARTS = {"results": results_table.short, "results-all": results_table.full}


@dataclasses.dataclass(frozen=True)
class _Curve:
    """A result for `plots.curves`."""

    result: Result
    label: str
    finished: bool = True

    @property
    def where(self) -> str:
        return f"{self.result.task} ({self.result.protocol})"

    @property
    def seeds(self) -> Sequence[int]:
        return self.result.seeds

    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        points = self.result.curve or ()
        success = np.array([y for _, y in points], float).reshape(len(points), len(self.seeds))
        return np.array([x for x, _ in points], int), success


def write(results: Sequence[Result], path: Path, problems: Sequence[str] = ()) -> None:
    """Writes the page: all tables, learning curves, and which files were left out."""
    parts = ["<h1>CoRe-JAX results</h1>"]
    parts += [note(problem) for problem in problems]
    for table in results_table.full(results):
        parts += [f"<h2>{as_html(table.title)}</h2>", _table(table), note(table.note)]
    drawn = [
        _Curve(one, f"{row.method}, {row.label([one.task])}")
        for row in grouped(results)
        for one in row.results
    ]
    with tempfile.TemporaryDirectory() as folder:
        for i, one in enumerate(ablations.found(grouped(results))):
            plots.ablation(one, picture := Path(folder) / f"ablation-{i}.png")
            title = f"What the parts of {one.row.method} are worth, protocol {one.row.protocol}"
            parts += [f"<h2>{as_html(title)}</h2>", image(picture, title)]
            parts += [note("A mark: a seed. A bar: the median. At the dotted line: never.")]
        picture = Path(folder) / "curves.png"
        if plots.curves(drawn, picture):
            parts += ["<h2>Learning curves</h2>", image(picture, "success over steps")]
            parts += [note("At most ten evaluations of each run. Line: mean over seeds. Band: "
                           "Student's 95% interval over seeds.")]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document("CoRe-JAX results", parts), encoding="utf-8")


def generated(text: str, results: Sequence[Result]) -> str:
    """A document with the parts between its markers made anew.

    Raises:
        ValueError: it has no markers, or one without its other.
    """
    found = 0
    for name, tables in PARTS.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        if begin not in text and end not in text:
            continue
        if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
            raise ValueError(f"it must have one line {begin} and, after it, one line {end}")
        body = "\n".join(results_table.markdown(table) for table in tables(results))
        whole = f"{begin}\n\n{body}\n{end}"
        pattern = f"{re.escape(begin)}.*{re.escape(end)}"
        text = re.sub(pattern, lambda _, whole=whole: whole, text, flags=re.DOTALL)
        found += 1
    if not found:
        raise ValueError(f"it has none of the markers {', '.join(PARTS)}, such as {begin}")
    return text


def update(path: Path, results: Sequence[Result]) -> bool:
    """Generates a document's parts; returns whether it changed.

    Raises:
        ValueError: it cannot be read, or has no markers.
    """
    try:
        before = path.read_text(encoding="utf-8")
        after = generated(before, results)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if after != before:
        files.write_text(path, after)
    return after != before


def _table(table: Table) -> str:
    row = lambda cells, tag: "".join(f"<{tag}>{as_html(x)}</{tag}>" for x in cells)
    body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in table.rows)
    return f'<div class="wide"><table><tr>{row(table.headers, "th")}</tr>{body}</table></div>'
