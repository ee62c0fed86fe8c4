"""Foreign text made safe to show: the one place that says what a reader's terminal must not be sent.

Versions, options, file names, tensors' names and messages come from files and processes of others. Shown raw,
an escape sequence could recolour or rewrite what stands around it, and a newline could begin a line that
looks like one of ours.
"""

LONGEST = 2000
"""Characters of a line that are shown: more than any honest one has."""


def one_line(text: object, longest: int = LONGEST) -> str:
    r"""``text`` in one line of at most ``longest`` characters, before what cannot be printed is escaped.

    That is done as in Python, ``\x1b``, and is what :meth:`str.isprintable` says: control characters, what
    separates lines, turns the direction of writing or is invisible, and what no encoding and no XML can hold.
    """
    try:
        said = str(text)
    except Exception as error:  # an int of too many digits, an object that cannot say what it is
        said = f"{type(text).__name__} ({type(error).__name__})"
    cut = said if len(said) <= longest else f"{said[: longest - 1]}\u2026"
    if cut.isprintable():
        return cut
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in cut
    )


def lines(text: str) -> str:
    """``text`` in the lines that it has, each as :func:`one_line` has it."""
    return "\n".join(map(one_line, text.splitlines()))
