"""Foreign text made safe to show: the one place that says what a reader's terminal must not be sent.

Versions, options, file names, tensors' names and messages come from files and processes of others. Shown raw,
an escape sequence could recolour or rewrite what stands around it, and a newline could begin a line that
looks like one of ours.
"""

import re

LONGEST = 2000
"""Characters of a line that are shown: more than any honest one has."""
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters, newlines among them
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # what separates lines or turns the direction of writing
    "\ud800-\udfff\ufeff\ufffe\uffff]"  # what no encoding, and no XML, can hold
)


def one_line(text: object, longest: int = LONGEST) -> str:
    r"""``text`` in one line of at most ``longest`` characters; what is unsafe in it is escaped as in Python,
    ``\x1b``.
    """
    try:
        said = str(text)
    except Exception as error:  # an int of too many digits, an object that cannot say what it is
        said = f"{type(text).__name__} ({type(error).__name__})"
    cut = said if len(said) <= longest else f"{said[: longest - 1]}\u2026"
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), cut)


def lines(text: str) -> str:
    """``text`` in the lines that it has, each as :func:`one_line` has it."""
    return "\n".join(map(one_line, text.splitlines()))
