"""Check an image program: `python -m core_jax.reward_models.programs FILE`.

Prints what is wrong with it and where, or what it keeps between frames; exits with 1 if it is
refused.
"""

from __future__ import annotations

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import tyro

from core_jax.reward_models.programs import RewardError, compile_program, extract_code


def main(
    file: tyro.conf.Positional[Path],
    height: int = 64,
    width: int = 64,
) -> int:
    """Check an image program; the exit code.

    Args:
        file: Python text, or a reply of a language model that holds it.
        height: of the pictures, in pixels.
        width: of the pictures, in pixels.
    """
    text = file.read_text()
    try:
        source = extract_code(text) if "```" in text else text
        program = compile_program(source, height, width)
    except RewardError as error:
        print(error, file=sys.stderr)
        return 1
    frame = jax.ShapeDtypeStruct((height, width, 3), jnp.uint8)
    state = jax.eval_shape(program.init, frame)
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in state)
    print(f"{program.name}: accepted; keeps {size} bytes between frames")
    for warning in program.warnings:
        print(f"warning: {warning}")
    return 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
