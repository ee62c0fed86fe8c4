import os
from pathlib import Path

import pytest

from rnnparity.environments import pip_settings
from rnnparity.environments.pip_settings import Settings

LISTING = r"""
:env:.default-timeout='180'
:env:.find-links='/wheels'
global.extra-index-url='https://one/simple\nhttps://two/simple'
global.find-links='/elsewhere'
global.index-url='https://global/simple'
global.timeout='3'
global.trusted-host=''
install.index-url='https://install/simple'
download.index-url='https://download/simple'
"""


def test_later_sections_win_and_empty_values_do_not_count() -> None:
    assert pip_settings.parse(LISTING) == {
        "timeout": "180",
        "find-links": "/wheels",
        "extra-index-url": "https://one/simple\nhttps://two/simple",
        "index-url": "https://install/simple",
    }


def test_a_pip_conf_becomes_options_and_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    wheels, url = tmp_path / "wheels", (tmp_path / "gone").as_uri()
    wheels.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    (tmp_path / "pip.conf").write_text(f"""
[global]
index-url = https://mirror.example/simple
extra-index-url = https://one.example/simple
    https://two.example/simple
find-links = {wheels} {tmp_path / "absent"} {url} https://wheels.example/
trusted-host = mirror.example one.example:8080
constraint = {tmp_path / "constraints.txt"}
cert = {tmp_path / "ca.pem"}
client-cert = {tmp_path / "me.pem"}
proxy = http://proxy.example:3128
timeout = 12.5
pre = yes
[install]
no-index = false
only-binary = one,two
no-binary = :none:
""")
    monkeypatch.setenv("PIP_INDEX_URL", "https://chosen.example/simple")
    settings = pip_settings.read_settings()
    assert pip_settings.options(settings, {}) == [
        f"--find-links={wheels}",
        "--find-links=https://wheels.example/",
        "--default-index=https://chosen.example/simple",
        "--index=https://one.example/simple",
        "--index=https://two.example/simple",
        "--index-strategy=unsafe-best-match",
        "--allow-insecure-host=mirror.example",
        "--allow-insecure-host=one.example:8080",
        f"--constraints={tmp_path / 'constraints.txt'}",
        "--prerelease=allow",
        "--only-binary=one",
        "--only-binary=two",
        "--no-binary=:none:",
    ]
    assert pip_settings.variables(settings) == {
        "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
        "SSL_CLIENT_CERT": str(tmp_path / "me.pem"),
        "HTTP_PROXY": "http://proxy.example:3128",
        "HTTPS_PROXY": "http://proxy.example:3128",
        "UV_HTTP_TIMEOUT": "13",
    }


@pytest.mark.parametrize(
    ("settings", "variable", "left"),
    [
        ({"find-links": "/"}, "UV_FIND_LINKS", []),
        ({"index-url": "https://one"}, "UV_DEFAULT_INDEX", []),
        ({"index-url": "https://one"}, "UV_INDEX_URL", []),
        ({"extra-index-url": "https://one"}, "UV_INDEX", ["--index-strategy=unsafe-best-match"]),
        ({"extra-index-url": "https://one"}, "UV_INDEX_STRATEGY", ["--index=https://one"]),
        ({"pre": "1"}, "UV_PRERELEASE", []),
    ],
)
def test_what_is_set_for_uv_goes_before_pip(settings: Settings, variable: str, left: list[str]) -> None:
    assert pip_settings.options(settings, {variable: "set"}) == left


def test_no_index() -> None:
    assert pip_settings.options({"no-index": "1"}, {}) == ["--no-index"]


def test_paths_are_taken_from_where_pip_takes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert pip_settings.places("wheels ~/wheels https://one/") == [
        str(tmp_path / "wheels"),
        str(tmp_path / "home" / "wheels"),
        "https://one/",
    ]


def test_without_pip_there_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    monkeypatch.setenv("PATH", "")
    assert pip_settings.read_settings() == {}
