"""A document in all its forms, in one folder."""

from pathlib import Path

from rnnparity.errors import InputError, Unwritable
from rnnparity.files.whole import check_place, write_texts
from rnnparity.report.json_document import Document

FILES = ("report.json", "report.md", "junit.xml", "report.html")


def prepare(name: str) -> Path:
    """The folder of that name, made before anything runs.

    Raises :class:`~rnnparity.errors.InputError` where :data:`FILES` could not be written there.
    """
    folder = Path(name)
    try:
        if not name:
            raise FileNotFoundError(0, "no name")
        folder.mkdir(parents=True, exist_ok=True)
        for file in FILES:
            check_place(folder / file)
    except (OSError, ValueError) as error:
        said = error.reason if isinstance(error, Unwritable) else getattr(error, "strerror", None) or error
        raise InputError("report", f"{name or repr(name)} ({said})", "a folder to write into") from None
    return folder


def write(document: Document, folder: Path) -> None:
    """Write :data:`FILES`, all of them or none. Raises :class:`~rnnparity.errors.Unwritable`."""
    from rnnparity.report import html, json_document, junit, markdown

    texts = (
        json_document.compact(document),
        markdown.text(document),
        junit.text(document),
        html.text(document),
    )
    write_texts({folder / name: text for name, text in zip(FILES, texts, strict=True)})
