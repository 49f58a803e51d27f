"""Numbers that are written as text.

YAML 1.1, by which PyYAML and therefore W&B's client read a file, wants a decimal point and a sign
in `1.0e-5`, and takes `1e-5` for text.  For YAML 1.2 both are numbers
(https://yaml.org/spec/1.2.2/#1032-tag-resolution).
"""

import re
from typing import Any, TypeGuard

import yaml

_MANTISSA, _EXPONENT = r"[-+]?(\.\d+|\d+(\.\d*)?)", r"[eE][-+]?\d+"
_NUMBER = re.compile(rf"{_MANTISSA}({_EXPONENT})?")
_SCIENTIFIC = re.compile(rf"{_MANTISSA}{_EXPONENT}")


class Loader(yaml.SafeLoader):
    """Reads YAML as version 1.2 has it for numbers: `1e-5` is one, and `'1e-5'` a text."""


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(f"{_SCIENTIFIC.pattern}$"), list("-+.0123456789")
)


def load(text: str) -> Any:
    """Return what a YAML text holds, its numbers as version 1.2 has them.

    Raises:
        yaml.YAMLError: it is not valid YAML.
    """
    return yaml.load(text, Loader)  # noqa: S506


def read(value: Any) -> Any:
    """Return the number that a text writes; anything else as it is."""
    is_written = isinstance(value, str) and _NUMBER.fullmatch(value)
    return float(value) if is_written else value


def is_misread(value: object) -> TypeGuard[str]:
    """Return whether a value is a text such as `1e-5`, which was probably meant as a number."""
    return isinstance(value, str) and bool(_SCIENTIFIC.fullmatch(value))


def in_yaml(text: str) -> str:
    """Return a text that is misread in the form that every version of YAML takes for a number."""
    mantissa, exponent = text.lower().split("e")
    if "." not in mantissa:
        mantissa += ".0"
    elif mantissa.lstrip("-+").startswith("."):
        mantissa = mantissa.replace(".", "0.")
    return f"{mantissa}e{exponent if exponent[0] in '-+' else f'+{exponent}'}"


def advice(value: object) -> str:
    """Return what is to follow on a sentence that asks for a number, if YAML has misread one."""
    return f"; YAML reads it as text, so write {in_yaml(value)}" if is_misread(value) else ""
