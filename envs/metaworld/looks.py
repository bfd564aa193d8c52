"""Visual shapes of a Meta-World task, on the bodies of the physics.

The collision geoms of the physics are simplified; these are what a person or a vision-language
model is shown. They are MJCF too, so MuJoCo can draw the same scene.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from core_jax.envs.engines import mjx
from core_jax.envs.rendering import Scene

Shapes = Mapping[str, str]
"""Body ("world" is one) to the MJCF of its visible geoms, whose `material` is one of `PALETTE`."""


class Colour(NamedTuple):
    """A colour; with `check`, m, a plane's other squares have the second one."""

    rgb: tuple[float, float, float]
    second: tuple[float, float, float] = (0.0, 0.0, 0.0)
    check: float = 0.0


PALETTE: dict[str, Colour] = {
    "wood": Colour((0.80, 0.64, 0.45), (0.77, 0.60, 0.41), 0.1),
    "floor": Colour((0.52, 0.54, 0.56), (0.46, 0.48, 0.50), 0.3),
    "dark": Colour((0.16, 0.17, 0.19)),
    "rubber": Colour((0.28, 0.30, 0.33)),
    "metal": Colour((0.60, 0.63, 0.67)),
    "grey": Colour((0.45, 0.47, 0.50)),
    "white": Colour((0.95, 0.95, 0.93)),
    "cream": Colour((0.93, 0.87, 0.72)),
    "brown": Colour((0.50, 0.33, 0.20)),
    "yellow": Colour((0.95, 0.78, 0.22)),
    "red": Colour((0.86, 0.12, 0.10)),
    "green": Colour((0.13, 0.65, 0.22)),
    "blue": Colour((0.16, 0.35, 0.80)),
}

# The hand's own x axis points down.
_FINGER = '<geom type="box" pos="0 {y} 0" size=".045 .0045 .015" material="rubber"/>'
GRIPPER: Shapes = {
    "hand": """
      <geom type="capsule" fromto="-.066 -.045 0 -.066 .045 0" size=".027" material="dark"/>
      <geom type="cylinder" fromto="-.2 0 0 -.08 0 0" size=".022" material="blue"/>""",
    "rightclaw": _FINGER.format(y=0.0015),
    "leftclaw": _FINGER.format(y=-0.0015),
}
FLOOR = '<geom type="plane" pos="0 .6 -.9" size="0 0 .1" material="floor"/>'
TABLE = f'<geom type="plane" pos="0 .6 0" size=".7 .45 .1" material="wood"/>{FLOOR}'


def check(shapes: Shapes, model: mujoco.MjModel) -> None:  # pyright: ignore[reportAttributeAccessIssue]
    """Checks that shapes belong to bodies of a model and have materials of the palette.

    Raises:
        ValueError: one does not.
    """
    bodies = ["world", *(model.body(i).name for i in range(1, model.nbody))]
    for body, geoms in shapes.items():
        if body not in bodies:
            raise ValueError(f"shapes of {body!r}, which is no body; there are {', '.join(bodies)}")
        for geom in ET.fromstring(f"<shapes>{geoms}</shapes>"):
            if geom.get("material") not in PALETTE:
                message = f"a shape of {body!r} with material {geom.get('material')!r}"
                raise ValueError(f"{message}; it must be one of {', '.join(PALETTE)}")


class Looks:
    """The visual shapes of a compiled scene, and their poses for a snapshot."""

    def __init__(self, document: str, shapes: Shapes, gripper: bool = True):
        """Compiles a scene with its visual shapes on the host.

        Args:
            document: the physics' MJCF.
            shapes: of the task's bodies.
            gripper: whether the gripper is visible (CoRe hides it).
        """
        shapes = {**shapes, **GRIPPER} if gripper else shapes
        xml = _dress(document, shapes)
        self.mj_model = mujoco.MjModel.from_xml_string(xml)  # pyright: ignore[reportAttributeAccessIssue]
        self._model = mjx.put_model(self.mj_model, impl="jax")
        self._data = mjx.make_data(self.mj_model, impl="jax")
        self._fixture = self.mj_model.body("fixture").id
        m = self.mj_model
        self._kinds = tuple(_KINDS[t] for t in m.geom_type)
        colours = [PALETTE[m.material(i).name] for i in m.geom_matid]
        self._rgb, self._second = (
            np.array([getattr(c, k) for c in colours], np.float32) for k in ("rgb", "second")
        )
        self._checks = tuple(c.check for c in colours)

    def scene(self, snapshot: jax.Array) -> Scene:
        """Returns the scene of one snapshot: joint positions [nq], then the fixture's place [3]."""
        nq, snapshot = self.mj_model.nq, jnp.asarray(snapshot)
        body_pos = self._model.body_pos.at[self._fixture].set(snapshot[nq:])
        model = self._model.replace(body_pos=body_pos)
        data = mjx.kinematics(model, self._data.replace(qpos=snapshot[:nq]))
        return Scene(
            pos=data.geom_xpos,
            mat=data.geom_xmat.reshape(-1, 3, 3),
            size=jnp.asarray(self.mj_model.geom_size, jnp.float32),
            rgb=jnp.asarray(self._rgb),
            second=jnp.asarray(self._second),
            kinds=self._kinds,
            checks=self._checks,
        )


_GEOM = mujoco.mjtGeom  # pyright: ignore[reportAttributeAccessIssue]
_KINDS = {
    int(getattr(_GEOM, f"mjGEOM_{kind.upper()}")): kind
    for kind in ("plane", "box", "sphere", "capsule", "cylinder", "ellipsoid")
}


def _dress(document: str, shapes: Shapes) -> str:
    """Returns the document with visual shapes for geoms, without what only the physics needs."""
    root = ET.fromstring(document)
    for name in ("contact", "actuator", "custom"):
        for section in root.findall(name):
            root.remove(section)
    world, compiler = root.find("worldbody"), root.find("compiler")
    assert world is not None and compiler is not None  # `scene` writes both
    bodies = {"world": world, **{b.get("name"): b for b in world.iter("body")}}
    for body in bodies.values():
        for geom in body.findall("geom"):
            body.remove(geom)
    for name, geoms in shapes.items():
        bodies[name].extend(ET.fromstring(f"<shapes>{geoms}</shapes>"))
    # A body may have lost the geoms that gave it mass.
    compiler.attrib.update(boundmass="1", boundinertia="1")
    asset = ET.SubElement(root, "asset")
    for name, colour in PALETTE.items():
        rgba = " ".join(str(x) for x in (*colour.rgb, 1))
        ET.SubElement(asset, "material", name=name, rgba=rgba)
    return ET.tostring(root, encoding="unicode")
