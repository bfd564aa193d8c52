"""Pictures as pure functions: `render(scene, camera, height, width)` casts rays in jnp.

A scene is some dozens of primitives with poses; a frame of it is computed where the physics runs,
by jit and vmap, and computed again whenever it is needed. One distant light with shadows, ambient
light, a checked ground, supersampling. Every ray is tested against every primitive in one loop
without memory traffic, which for so few is faster than any acceleration structure.

Camera and frames are MuJoCo's: the camera looks along its own -z, x is to the right and y up.
"""

from core_jax.envs.camera import Camera
from core_jax.envs.rendering.picture import Layers, layers, render
from core_jax.envs.rendering.scene import AMBIENT, GLASS, LIGHT, SKY, Scene

__all__ = ["AMBIENT", "GLASS", "LIGHT", "SKY", "Camera", "Layers", "Scene", "layers", "render"]
