"""CLIPort's colours and cameras."""

from core_jax.envs.camera import Camera

Rgb = tuple[float, float, float]


def _rgb(red: int, green: int, blue: int) -> Rgb:
    return red / 255, green / 255, blue / 255


COLOURS: dict[str, Rgb] = {
    "red": _rgb(255, 87, 89),
    "green": _rgb(89, 169, 79),
    "blue": _rgb(78, 121, 167),
    "yellow": _rgb(237, 201, 72),
    "cyan": _rgb(118, 183, 178),
    "gray": _rgb(186, 176, 172),
    "brown": _rgb(156, 117, 95),
    "orange": _rgb(242, 142, 43),
    "purple": _rgb(176, 122, 161),
    "pink": _rgb(255, 157, 167),
}
TABLE = _rgb(45, 45, 45)
# 640 x 480 pixels with a focal length of 450, so 56.1 degrees high.
CAMERAS = {
    "front": Camera.look_at((1.0, 0.0, 0.75), (0.25, 0.0, 0.0), 56.1),
    "left": Camera.look_at((0.0, 0.5, 0.75), (0.6, -0.1, 0.0), 56.1),
    "right": Camera.look_at((0.0, -0.5, 0.75), (0.6, 0.1, 0.0), 56.1),
}
