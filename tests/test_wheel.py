"""What is built is whole: it works from a wheel, in an environment that holds nothing else of this repository."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import urllib.request
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.rounds.prepared import within

ROOT = Path(__file__).parents[1]
PACKAGES = ("scanner", "targets", "report_templates")
PORT = 8449


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what it needs. The latter is borrowed from this one, whose own link to the
    repository is not followed: lines that are added to the path have no ``.pth`` files read."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    command = folder / "bin" / "roundsman"
    command.write_text(
        f"#!{folder / 'bin' / 'python'}\nfrom scanner.cli.main import main\n\nmain()\n", encoding="utf-8"
    )
    command.chmod(0o755)
    return command


def _environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "SSL_CERT_FILE")}
    return {**kept, "HOME": str(home), "ROUNDSMAN_DATA_DIR": str(home / "data"), **more}


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    listed = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, check=True, capture_output=True, text=True)
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == set(listed.stdout.split())
    assert len(held) > 500


def test_what_is_installed_from_it_is_not_the_repository(installed: Path, tmp_path: Path) -> None:
    asked = "import scanner, targets, report_templates as r; print(scanner.__file__, targets.__file__, r.__path__[0])"
    python = installed.parent / "python"
    environment = _environment(tmp_path)
    ran = subprocess.run(
        [python, "-c", asked], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert all(str(installed.parents[1]) in place for place in ran.stdout.split())
    told = subprocess.run(
        [installed, "--version"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert version("roundsman") in told.stdout


def test_it_renders_makes_its_database_and_serves_its_pages(installed: Path, tmp_path: Path) -> None:
    environment = _environment(tmp_path, ROUNDSMAN_WEB_PORT=str(PORT))
    for arguments in (
        ["report", "preview", "--template", "report", "--language", "zh-Hans", "--output", "preview"],
        ["init", "--email", "first@office.example", "--name", "First"],
    ):
        ran = subprocess.run(
            [installed, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
    assert any("风险" in page.read_text(encoding="utf-8") for page in (tmp_path / "preview").rglob("*.html"))
    service = subprocess.Popen([installed, "serve"], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    try:
        assert within(30, lambda: b"<form" in _page("/account/sign-in/"))
        assert within(30, lambda: _page("/readyz") != b"")
    finally:
        service.terminate()
        assert service.wait(30) == 0


def _page(path: str) -> bytes:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=5) as answer:
            return bytes(answer.read())
    except OSError:
        return b""
