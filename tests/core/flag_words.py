"""A config as command-line words."""

from collections.abc import Mapping

from core_jax.runs.layout import to_dict


def flags(config, leave_out=()):
    """Every setting that has an effect is a flag.

    Args:
        config: of a run.
        leave_out: dotted flag names, with dashes, that are not given.
    """
    unused = set(config.recipe.unused(config.settings))
    return _words(to_dict(config), "", unused, leave_out)


def _words(values, prefix, unused, leave_out):
    words = []
    for key, value in values.items():
        dotted = prefix + key
        name = dotted.replace("_", "-")
        if dotted in unused or name in leave_out:
            continue
        if isinstance(value, Mapping):
            words += _words(value, f"{dotted}.", unused, leave_out)
        elif isinstance(value, bool):
            negated = f"{prefix}no-{key}".replace("_", "-")
            words.append(f"--{name}" if value else f"--{negated}")
        elif isinstance(value, list):
            words += [f"--{name}", *map(str, value)]
        elif value is not None:
            words += [f"--{name}", str(value)]
    return words
