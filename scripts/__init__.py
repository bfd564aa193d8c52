"""The commands: `core-jax NAME` where the package is installed, `python scripts/NAME.py` in a
checkout."""
