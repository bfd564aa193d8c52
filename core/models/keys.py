"""API keys: taken from the environment, shown to nobody but the service."""

from __future__ import annotations

import os


class Key:
    """A secret that no print, log or traceback shows."""

    __slots__ = ("variable", "_value")

    def __init__(self, variable: str, value: str):
        self.variable, self._value = variable, value

    def reveal(self) -> str:
        """The secret itself; for a request's header and nothing else."""
        return self._value

    def hide(self, text: str) -> str:
        """The text with every occurrence of the secret replaced."""
        return text.replace(self._value, f"[{self.variable}]") if self._value else text

    def __repr__(self) -> str:
        return f"Key({self.variable})"

    def __reduce__(self):
        raise TypeError(f"the key of {self.variable} is never written anywhere")


VARIABLES = {"gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "openai": ("OPENAI_API_KEY",)}


def find_key(provider: str, required: bool = True) -> Key:
    """The first key that is set; an empty one if none is and none is required.

    Raises:
        ValueError: a required key is missing, or one cannot be sent.
    """
    variables = VARIABLES[provider]
    for variable in variables:
        value = os.environ.get(variable, "").strip()
        if not value:
            continue
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise ValueError(f"{variable} holds characters that no API key has")
        return Key(variable, value)
    if required:
        raise ValueError(
            f"--model {provider} needs an API key: set {' or '.join(variables)} in the environment"
        )
    return Key(variables[0], "")
