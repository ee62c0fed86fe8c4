"""What the documents point at is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "fixtures/README.md", "reports/README.md"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    document = ROOT / name
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text("utf-8")):
        assert link.startswith("https://") or (document.parent / link).exists(), link


def test_the_picture_of_the_house_has_every_package() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    house = text.partition("harness/rnnparity/ ")[2].partition("\n\n")[0]
    drawn = set(re.findall(r"^        (\w+)(?: \| (\w+))?(?: |$)", house, flags=re.MULTILINE))
    root = ROOT / "harness" / "rnnparity"
    packages = {path.parent.name for path in root.glob("*/__init__.py")}
    modules = {path.stem for path in root.glob("[a-z]*.py")}
    assert {name for names in drawn for name in names if name} == packages | modules
