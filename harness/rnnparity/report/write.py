"""A document in all its forms, in one folder."""

import tempfile
from pathlib import Path

from rnnparity.errors import InputError
from rnnparity.report.json_document import Document

FILES = ("report.json", "report.md", "junit.xml", "report.html")


def prepare(folder: Path) -> None:
    """Make the folder, before anything runs. Raises :class:`~rnnparity.errors.InputError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError("report", f"{folder} ({error.strerror})", "a folder to write into") from None


def write(document: Document, folder: Path) -> None:
    """Write :data:`FILES`."""
    from rnnparity.report import html, json_document, junit, markdown

    texts = (
        json_document.compact(document),
        markdown.text(document),
        junit.text(document),
        html.text(document),
    )
    for name, text in zip(FILES, texts, strict=True):
        (folder / name).write_text(text, encoding="utf-8")
