"""A config as command-line words."""

import dataclasses


def flags(config, prefix="", leave_out=()):
    """Every field is a flag; those in `leave_out` are not given."""
    words = []
    for field in dataclasses.fields(config):
        value, name = getattr(config, field.name), prefix + field.name.replace("_", "-")
        if name in leave_out:
            continue
        if dataclasses.is_dataclass(value):
            words += flags(value, f"{name}.", leave_out)
        elif isinstance(value, bool):
            words.append(f"--{name}" if value else f"--{prefix}no-{field.name.replace('_', '-')}")
        elif isinstance(value, tuple):
            words += [f"--{name}", *map(str, value)]
        elif value is not None:
            words += [f"--{name}", str(value)]
    return words
