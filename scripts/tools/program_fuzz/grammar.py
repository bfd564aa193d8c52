"""Random image programs, drawn from a grammar of typed expressions."""

from __future__ import annotations

import random
from typing import Any

COLOURS = ("COLOR_RGB2HSV", "COLOR_BGR2HSV")
MODES = ("RETR_EXTERNAL", "RETR_LIST", "RETR_TREE", "RETR_CCOMP")


class Drawer:
    """Draws one program; `names` are the variables known so far, by type."""

    def __init__(self, rng: random.Random):
        self.rng = rng
        self.names: dict[str, list[str]] = {"rgb": ["image"], "mask": [], "number": [], "list": []}
        self.count, self.lines = 0, []
        self.stateful = rng.random() < 0.45

    def pick(self, *options: Any) -> Any:
        return self.rng.choice(options)

    def fresh(self, kind: str) -> str:
        self.count += 1
        name = f"{kind[0]}{self.count}"
        self.names.setdefault(kind, []).append(name)
        return name

    # Expressions

    def rgb(self) -> str:
        name = self.pick(*self.names["rgb"])
        return self.pick(
            name, name, name, f"cv2.blur({name}, (3, 3))", f"{name}[::-1]", f"{name}.copy()",
            f"cv2.medianBlur({name}, 3)", f"cv2.GaussianBlur({name}, (3, 3), 0)",
        )  # fmt: skip

    def bound(self, low: bool) -> list[int]:
        if low:
            return [self.rng.randint(0, 60), self.rng.randint(0, 120), self.rng.randint(0, 120)]
        return [self.rng.randint(40, 180), 255, 255]

    def mask(self) -> str:
        known = self.names["mask"]
        if known and self.rng.random() < 0.6:
            name = self.pick(*known)
            other = self.pick(*known)
            size = self.pick(3, 3, 5)
            return self.pick(
                name, f"cv2.bitwise_and({name}, {other})", f"cv2.bitwise_not({name})",
                f"cv2.bitwise_or({name}, {other})", f"{name} + {other}", f"{name} & {other}",
                f"cv2.morphologyEx({name}, cv2.{self.pick('MORPH_OPEN', 'MORPH_CLOSE')}, "
                f"np.ones(({size}, {size}), np.uint8))",
                f"cv2.dilate({name}, None, iterations={self.pick(1, 2)})",
                f"cv2.erode({name}, np.ones((2, 2), np.uint8))",
                f"cv2.threshold({name}, {self.rng.randint(0, 255)}, 255, cv2.THRESH_BINARY)[1]",
                f"np.where({name} > 100, 255, 0).astype(np.uint8)",
                f"cv2.absdiff({name}, {other})", f"({name} > 0).astype(np.uint8)",
            )  # fmt: skip
        image = self.rgb()
        low, high = self.bound(True), self.bound(False)
        hsv = f"cv2.cvtColor({image}, cv2.{self.pick(*COLOURS)})"
        gray = f"cv2.cvtColor({image}, cv2.COLOR_RGB2GRAY)"
        return self.pick(
            f"cv2.inRange({hsv}, np.array({low}), np.array({high}))",
            f"cv2.inRange({image}, np.array({low}), np.array({high}))",
            gray, f"{hsv}[:, :, {self.pick(0, 1, 2)}]", f"{image}[..., {self.pick(0, 1, 2)}]",
            f"cv2.threshold({gray}, {self.rng.randint(20, 200)}, 255, cv2.THRESH_BINARY)[1]",
        )  # fmt: skip

    def truth_mask(self) -> str:
        mask = self.pick(*self.names["mask"]) if self.names["mask"] else self.mask()
        level = self.rng.randint(0, 200)
        return self.pick(
            f"({mask} > {level})", f"({mask} == {self.pick(0, 255)})", f"({mask} < {level})"
        )

    def number(self, depth: int = 0) -> str:
        known = self.names["number"]
        if depth > 2 or known and self.rng.random() < 0.35:
            return self.pick(*known) if known else str(self.pick(0, 1, 2.5, 0.5, 10))
        a, b = self.number(depth + 1), self.number(depth + 1)
        mask, truth = self.mask(), self.truth_mask()
        simple = (
            f"cv2.countNonZero({mask})", f"np.sum({truth})", f"{truth}.mean()", f"np.mean({mask})",
            f"float(np.std({mask}))", f"np.count_nonzero({mask})", f"int({mask}.max())",
            f"cv2.mean({self.rgb()})[{self.pick(0, 1, 2)}]", f"float({mask}[3, 4])",
            f"cv2.moments({mask})['m10']", f"np.any({truth})", f"{mask}.sum() / {mask}.size",
            f"np.argmax({mask}.sum(axis={self.pick(0, 1)}))", str(self.rng.randint(0, 30)),
            f"len(np.where({truth})[0])", f"np.median({mask})",
        )  # fmt: skip
        made = (
            f"({a} + {b})", f"({a} - {b})", f"({a} * {b})", f"({a}) / ({b})", f"max({a}, {b})",
            f"min({a}, {b})", f"abs({a})", f"({a}) // ({b})", f"float({a})", f"int({a})",
            f"np.sqrt(abs({a}))", f"(({a}) > ({b}))", f"(0.5 if ({a}) > ({b}) else {b})",
            f"np.clip({a}, 0, 1)", f"np.hypot({a}, {b})", f"np.exp(-abs({a}) / 50)",
        )  # fmt: skip
        return self.pick(*simple) if self.rng.random() < 0.6 else self.pick(*made)

    def of_contour(self, name: str) -> str:
        moments = f"cv2.moments({name})"
        return self.pick(
            f"cv2.contourArea({name})", f"cv2.arcLength({name}, True)", f"len({name})",
            f"cv2.boundingRect({name})[{self.pick(0, 1, 2, 3)}]", f"{moments}['m00']",
            f"{moments}['m10'] / {moments}['m00']", f"cv2.contourArea(cv2.convexHull({name}))",
            f"len(cv2.approxPolyDP({name}, 0.04 * cv2.arcLength({name}, True), True))",
            f"int({moments}['m01'] / ({moments}['m00'] + 1e-5))", f"{name}[0][0][0]",
            f"cv2.contourArea({name}) / (cv2.boundingRect({name})[2] * cv2.boundingRect({name})[3])",  # noqa: E501
            f"cv2.pointPolygonTest({name}, (8, 9), False)",
        )  # fmt: skip

    # Statements

    def add(self, indent: int, text: str) -> None:
        self.lines.append("    " * indent + text)

    def block(self, indent: int, depth: int, size: int) -> None:
        """Some statements; names made in a branch are forgotten after it, or not."""
        for _ in range(size):
            self.statement(indent, depth)

    def statement(self, indent: int, depth: int) -> None:
        kinds = ["mask", "number", "number", "mask", "contours", "points", "augment", "box"]
        kinds += ["if", "if", "for", "try", "write", "early", "slice"] if depth < 2 else []
        kinds += ["keep"] if self.stateful else []
        getattr(self, f"_{self.pick(*kinds)}")(indent, depth)

    def _mask(self, indent: int, depth: int) -> None:
        text = self.mask()
        self.add(indent, f"{self.fresh('mask')} = {text}")

    def _number(self, indent: int, depth: int) -> None:
        text = self.number()
        self.add(indent, f"{self.fresh('number')} = {text}")

    def _augment(self, indent: int, depth: int) -> None:
        if self.names["number"]:
            name = self.pick(*self.names["number"])
            self.add(indent, f"{name} {self.pick('+=', '-=', '*=')} {self.number(1)}")

    def _write(self, indent: int, depth: int) -> None:
        if self.names["mask"]:
            name = self.pick(*self.names["mask"])
            key = self.pick("[2:5, :]", f"[{self.truth_mask()}]", "[0]", "[:, 3]")
            self.add(indent, f"{name} = {name}.copy()")
            self.add(indent, f"{name}{key} = {self.pick(0, 255, 7)}")

    def _slice(self, indent: int, depth: int) -> None:
        if self.names["mask"]:
            mask = self.pick(*self.names["mask"])
            key = self.pick("[2:9, 3:12]", "[:8]", "[:, ::2]", "[-5:]")
            self.add(
                indent,
                f"{self.fresh('number')} = {self.pick('np.mean', 'np.sum', 'np.max')}({mask}{key})",
            )

    def _box(self, indent: int, depth: int) -> None:
        mask = self.mask()
        self.add(indent, f"x, y, w, h = cv2.boundingRect({mask})")
        part = f"{mask}[y:y + h, x:x + w]"
        name = self.fresh("number")
        self.add(
            indent,
            f"{name} = {self.pick('w * h', f'{part}.sum()', f'np.count_nonzero({part})', 'x + y')}",
        )

    def _points(self, indent: int, depth: int) -> None:
        truth = self.truth_mask()
        self.add(indent, f"ys, xs = np.where({truth})")
        name = self.fresh("number")
        value = self.pick(
            "xs.mean()", "ys.max() - ys.min()", "len(xs)", "float(np.mean(ys))", "xs[0]"
        )
        if self.rng.random() < 0.7:
            self.add(indent, f"{name} = {value} if len(xs) > 0 else {self.pick('0', '-1.0')}")
        else:
            self.add(indent, f"{name} = {value}")

    def _keep(self, indent: int, depth: int) -> None:
        name = self.pick("a", "b", "c")
        value = self.number()
        form = self.pick(
            f"self.{name} = {value}", f"self.{name} = max(self.{name}, {value})",
            f"self.{name} += {value}", f"self.kept = {self.mask()}",
            f"self.history.append({value})",
        )  # fmt: skip
        self.add(indent, form)
        self.add(indent, f"{self.fresh('number')} = " + self.pick(f"self.{name}", "len(self.history)", (  # noqa: E501
            "0 if self.kept is None else np.sum(self.kept)")))  # fmt: skip

    def _if(self, indent: int, depth: int) -> None:
        self.add(indent, f"if {self.number(1)} > {self.number(1)}:")
        self._inner(indent, depth)
        if self.rng.random() < 0.5:
            self.add(indent, "else:")
            self._inner(indent, depth)

    def _early(self, indent: int, depth: int) -> None:
        self.add(indent, f"if {self.number(1)} > {self.rng.randint(0, 200)}:")
        self.add(indent + 1, f"return {self.number(1)}")

    def _try(self, indent: int, depth: int) -> None:
        name = self.fresh("number")
        self.add(indent, "try:")
        self.add(indent + 1, f"{name} = {self.number()}")
        self.add(indent, "except Exception:")
        self.add(indent + 1, f"{name} = {self.number(2)}")

    def _inner(self, indent: int, depth: int) -> None:
        before = {kind: list(names) for kind, names in self.names.items()}
        self.block(indent + 1, depth + 1, self.rng.randint(1, 2))
        if not self.lines[-1].startswith("    " * (indent + 1)):
            self.add(indent + 1, "pass")
        if self.rng.random() < 0.8:
            self.names = before

    def _for(self, indent: int, depth: int) -> None:
        name = self.fresh("number")
        self.add(indent, f"{name} = {self.number(2)}")
        self.add(indent, f"for i in range({self.rng.randint(1, 4)}):")
        self.add(indent + 1, f"{name} += i * {self.number(1)}")
        if self.rng.random() < 0.4:
            self.add(indent + 1, f"if {name} > {self.rng.randint(1, 50)}:")
            self.add(indent + 2, self.pick("break", "continue"))

    def _contours(self, indent: int, depth: int) -> None:
        many, one = f"cs{self.count}", f"c{self.count}"
        self.add(indent, f"{many}, _ = cv2.findContours({self.mask()}, cv2.{self.pick(*MODES)}, "
                 "cv2.CHAIN_APPROX_SIMPLE)")  # fmt: skip
        name = self.fresh("number")
        fact = self.of_contour(one)
        form = self.rng.randint(0, 6)
        if form == 0:
            self.add(indent, f"{name} = len({many})")
        elif form == 1:
            self.add(indent, f"{name} = sum([{fact} for {one} in {many}])")
        elif form == 2:
            self.add(indent, f"{name} = 0")
            self.add(indent, f"if {many}:")
            self.add(indent + 1, f"{one} = max({many}, key=cv2.contourArea)")
            self.add(indent + 1, f"{name} = {fact}")
        elif form == 3:
            self.add(indent, f"{one} = sorted({many}, key=cv2.contourArea, reverse=True)[0]")
            self.add(indent, f"{name} = {fact}")
        elif form == 4:
            self.add(
                indent, f"kept = [{one} for {one} in {many} if {fact} > {self.rng.randint(0, 20)}]"
            )
            self.add(indent, f"{name} = len(kept)")
        else:
            self._contour_loop(indent, many, one, name)

    def _contour_loop(self, indent: int, many: str, one: str, name: str) -> None:
        self.add(indent, f"{name} = {self.pick('0', '0.0', 'None')}")
        self.add(indent, f"for {one} in {many}:")
        self.add(indent + 1, f"if {self.of_contour(one)} < {self.rng.randint(1, 12)}:")
        self.add(indent + 2, self.pick("continue", "break", f"{name} = 1"))
        self.add(indent + 1, f"{name} = {self.of_contour(one)}")
        if self.rng.random() < 0.4:
            self.add(indent + 1, self.pick("break", f"return {name}"))
        self.add(indent, f"if {name} is None:")
        self.add(indent + 1, self.pick(f"return {self.number(2)}", f"{name} = -1"))

    def program(self) -> str:
        indent = 2 if self.stateful else 1
        self.block(indent, 0, self.rng.randint(2, 6))
        self.add(indent, f"return {self.number()}")
        head = ["import cv2", "import numpy as np", ""]
        if not self.stateful:
            return "\n".join([*head, "def reward(image):", *self.lines, ""])
        start = ["class Task:", "    def __init__(self):", "        self.a = 0", "        self.b = 1.5",  # noqa: E501
                 "        self.c = 0.0", "        self.kept = None", "        self.history = []", "",  # noqa: E501
                 "    def reward(self, image):"]  # fmt: skip
        return "\n".join([*head, *start, *self.lines, ""])


def drawn(rng: random.Random) -> str:
    """A program of the grammar."""
    return Drawer(rng).program()
