"""What is installed, what may import what, and what is never importable."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from subprocess import run
from types import ModuleType

import pytest

import mlbench
from mlbench.plugins import KINDS
from mlbench.registry import find_plugins

ROOT = Path(mlbench.__file__).parents[1]
CHECKOUT = pytest.mark.skipif(
    not (ROOT / "pyproject.toml").exists(), reason="mlbench does not run from a checkout"
)
PLUGINS_MAY_IMPORT = {
    *sys.stdlib_module_names,
    *("numpy", "torch", "torchvision"),
    *("mlbench.contract", "mlbench.episodes", "mlbench.errors", "mlbench.hyper"),
    *("mlbench.embedding", "mlbench.engines", "mlbench.images", "mlbench.inner"),
    *("mlbench.learners", "mlbench.native", "mlbench.normalise", "mlbench.transfer"),
}
BUNDLED = [
    file for kind in KINDS for plugin in find_plugins(kind).values() for file in plugin.files
]


def imports(file: Path) -> Iterator[str]:
    """Yield the absolute names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def allowed(name: str) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:n]) in PLUGINS_MAY_IMPORT for n in range(1, len(parts) + 1))


@pytest.mark.parametrize("file", BUNDLED, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_plugin_imports_what_plugins_may(file: Path) -> None:
    assert [name for name in imports(file) if not allowed(name)] == []


def test_only_one_module_connects_to_the_database() -> None:
    package = Path(mlbench.__file__).parent
    texts = {
        file.relative_to(package).as_posix(): file.read_text() for file in package.rglob("*.py")
    }
    assert [name for name, text in texts.items() if "duckdb.connect(" in text] == [
        "store/connection.py"
    ]


def test_nothing_is_importable_as_datasets(tmp_path: Path) -> None:
    """Hugging Face's package of that name must stay the only one."""
    find = "import importlib.util as u; spec = u.find_spec('datasets'); print(spec and spec.origin)"
    done = run(
        [sys.executable, "-c", find], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    origin = done.stdout.strip()
    assert origin == "None" or Path(origin).parent.parent.name == "site-packages"


def test_the_installed_version_is_that_of_the_code() -> None:
    try:
        installed = version("mlbench")
    except PackageNotFoundError:
        pytest.skip("mlbench is not installed here")
    assert installed == mlbench.__version__


@CHECKOUT
def test_the_hook_bundles_every_plugin_and_nothing_into_editable_installations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hook = load_hook(monkeypatch)
    builder = hook.BundlePlugins()
    builder.root = str(ROOT)
    plugins = sum(len(list((ROOT / kind).glob("*.py"))) for kind in KINDS)
    for target, count in (("standard", plugins), ("editable", 0)):
        data: dict[str, dict[str, str]] = {"force_include": {}}
        builder.initialize(target, data)
        assert len(data["force_include"]) == count
        for source, inside in data["force_include"].items():
            file = Path(source)
            assert inside == f"mlbench/plugins/{file.parent.name}/{file.name}"


def load_hook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import hatch_build.py, with hatchling's interface replaced by an empty class."""
    interface = ModuleType("hatchling.builders.hooks.plugin.interface")
    interface.BuildHookInterface = type("BuildHookInterface", (), {})  # type: ignore[attr-defined]
    parts = interface.__name__.split(".")
    for end in range(1, len(parts)):
        name = ".".join(parts[:end])
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
