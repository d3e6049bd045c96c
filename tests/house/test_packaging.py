"""Our top-level names are honest ones (docs/adr/0002), so nobody else's distribution may claim them."""

import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def claimed_by_others(packages: list[str], owners: dict[str, list[str]]) -> dict[str, set[str]]:
    """The distributions other than ours that install one of our names."""
    others = {package: set(owners.get(package, ())) - {"tocsin"} for package in packages}
    return {package: names for package, names in others.items() if names}


def test_no_other_distribution_claims_one_of_our_names():
    assert claimed_by_others(PACKAGES, dict(packages_distributions())) == {}


def test_a_distribution_that_claims_one_is_found():
    assert claimed_by_others(["flows"], {"flows": ["tocsin", "flows"]}) == {"flows": {"flows"}}


def test_the_wheel_the_import_rules_and_the_folders_name_the_same_packages():
    folders = sorted(
        path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name not in {"tests", "bench"}
    )

    assert sorted(PACKAGES) == folders
    assert sorted(PROJECT["tool"]["importlinter"]["root_packages"]) == folders


def test_the_installer_compiles_the_same_packages():
    [line] = [
        line
        for line in (ROOT / "tools" / "install.sh").read_text(encoding="utf-8").splitlines()
        if "packages=(" in line
    ]

    assert line == f"packages=({' '.join(sorted(PACKAGES))})"


@pytest.fixture(scope="module")
def wheel_contents(tmp_path_factory):
    """The names inside a wheel built from this checkout, without network."""
    folder = tmp_path_factory.mktemp("wheel")

    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_tracked_file_of_the_packages_and_nothing_else(wheel_contents):
    tracked = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, check=True, capture_output=True, text=True)
    ours = {name for name in wheel_contents if ".dist-info/" not in name}

    assert set(tracked.stdout.splitlines()) <= ours
    assert {name.split("/")[0] for name in ours} <= set(PACKAGES)
