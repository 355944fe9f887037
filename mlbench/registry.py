"""Finding plugins without importing them, and loading the one that is asked for.

A plugin is a file in a plugin folder (:mod:`mlbench.plugins`), an entry point of the group
``mlbench.algorithms`` or ``mlbench.datasets``, or a user's own images, packed under a name. A
broken one is an error for who asks for it and for nobody else.
"""

from __future__ import annotations

import ast
import filecmp
import importlib
import inspect
import sys
import warnings
from collections import defaultdict
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from hashlib import sha256
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from mlbench.errors import DataError, MisuseError, MlbenchError, PluginError
from mlbench.plugins import KINDS, ROOTS_VARIABLE, Kind, idle_roots, plugin_folders

if TYPE_CHECKING:
    from mlbench.contract import Algorithm, Dataset

__all__ = [
    "KINDS",
    "Kind",
    "Plugin",
    "find_plugin",
    "find_plugins",
    "load_algorithm",
    "load_dataset",
    "load_plugin",
    "plugin_file",
    "plugin_hashes",
]

BASES: dict[Kind, str] = {"algorithms": "Algorithm", "datasets": "Dataset"}
NOUNS: dict[Kind, str] = {"algorithms": "algorithm", "datasets": "dataset"}
RESERVED = ("algorithm", "learner", "protocol")  # whose settings are named as a data set's are
REQUIRED: dict[Kind, tuple[str, ...]] = {
    "algorithms": ("paper",),
    "datasets": ("source", "kind", "default_queries"),
}
REMEDY = "correct it, or begin its name with an underscore to leave it out"


@dataclass(frozen=True)
class Plugin:
    """What is known of a plugin without importing it.

    Args:
        name: The file's stem, or the entry point's name.
        kind: What it is a plugin of.
        files: Usually one; two of one name are a fault.
        entry_points: Likewise.
        pack: The folder of a user's own packed images.
    """

    name: str
    kind: Kind
    files: tuple[Path, ...] = ()
    entry_points: tuple[EntryPoint, ...] = ()
    pack: Path | None = None

    @property
    def module(self) -> str:
        """Return the name its file is imported by."""
        return f"mlbench.plugins.{self.kind}.{self.name}"

    @property
    def places(self) -> tuple[str, ...]:
        """Return where it lies, in words: paths, and entry points as ``package.module:Class``."""
        files = (*self.files, *([self.pack] if self.pack else []))
        return (*map(str, files), *(f"entry point {e.value}" for e in self.entry_points))

    @property
    def summary(self) -> str:
        """Return the first line of the file's docstring; empty for an entry point."""
        return self._inspected[0]

    @property
    def fault(self) -> str | None:
        """Return why it cannot work, as far as that shows without importing it."""
        return self._inspected[1]

    @cached_property
    def _inspected(self) -> tuple[str, str | None]:
        if len(self.places) > 1:
            return "", f"{' and '.join(self.places)} have one name; rename or remove one"
        if not self.files:
            return "Images of the user's own." if self.pack else "", None
        if not self.name.isidentifier():
            return "", "its name is no Python identifier; rename it"
        try:
            with warnings.catch_warnings(action="ignore"):
                tree = ast.parse(self.files[0].read_bytes())
        except (OSError, SyntaxError, ValueError) as err:
            return "", _reason(err, self.files[0])
        return (ast.get_docstring(tree) or "").partition("\n")[0], None


def find_plugins(kind: Kind) -> dict[str, Plugin]:
    """Return every plugin of a kind by name, in alphabetical order; none is imported.

    Files of one name and equal content are one plugin: whoever works in a checkout with mlbench
    installed from it has all of them twice.
    """
    files: dict[str, list[Path]] = defaultdict(list)
    for folder in plugin_folders(kind):
        for file in sorted(folder.glob("*.py")):
            if not file.name.startswith(("_", ".")) and file.is_file():
                files[file.stem].append(file)
    points: dict[str, list[EntryPoint]] = defaultdict(list)
    for point in entry_points(group=f"mlbench.{kind}"):
        points[point.name].append(point)
    packs = _own_packs() if kind == "datasets" else {}
    return {
        name: Plugin(name, kind, _distinct(files[name]), tuple(points[name]), packs.get(name))
        for name in sorted({*files, *points, *packs})
    }


def _own_packs() -> dict[str, Path]:
    """Return the folders of users' own packed images, by name."""
    from mlbench.images.home import own_names, pack_folder

    try:
        return {name: pack_folder(name) for name in own_names()}
    except DataError:
        return {}  # 'mlbench doctor' and 'mlbench data list' say what the data home lacks


def find_plugin(kind: Kind, name: str) -> Plugin:
    """Return the plugin of a name, which is not imported.

    Raises:
        MisuseError: There is none.
    """
    plugins = find_plugins(kind)
    if name in plugins:
        return plugins[name]
    near = get_close_matches(name, plugins, 1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    idle = "".join(f" ({ROOTS_VARIABLE} names {r}, which holds no plugins)" for r in idle_roots())
    raise MisuseError(
        f"there is no {NOUNS[kind]} {name!r}{idle}; {guess}'mlbench list {kind}' shows all"
    )


def load_algorithm(name: str) -> type[Algorithm]:
    """Return a technique's class.

    Raises:
        MisuseError: There is none of that name.
        PluginError: It cannot be used, or two have that name.
    """
    return cast("type[Algorithm]", load_plugin(find_plugin("algorithms", name)))


def load_dataset(name: str) -> type[Dataset]:
    """Return a data set's class; errors are those of :func:`load_algorithm`."""
    return cast("type[Dataset]", load_plugin(find_plugin("datasets", name)))


def _distinct(files: list[Path]) -> tuple[Path, ...]:
    """Return the files without those that another one before them equals."""

    def equal(one: Path, other: Path) -> bool:
        try:
            return filecmp.cmp(one, other, shallow=False)
        except OSError:
            return False

    return tuple(f for i, f in enumerate(files) if not any(equal(f, e) for e in files[:i]))


def load_plugin(plugin: Plugin) -> type[Algorithm] | type[Dataset]:
    """Return a plugin's class.

    Raises:
        PluginError: It cannot be used, or another has its name.
    """
    if len(plugin.places) > 1:
        raise PluginError(f"{NOUNS[plugin.kind]} {plugin.name!r} is ambiguous: {plugin.fault}")
    if plugin.fault is not None:
        raise _unusable(plugin, plugin.fault)
    try:
        # A plugin is anybody's code: it may raise anything, or exit.
        found = _load(plugin)
    except (Exception, SystemExit) as err:
        file = plugin.files[0] if plugin.files else None
        raise _unusable(plugin, _reason(err, file)) from err
    cls = _only_class(plugin, found) if isinstance(found, ModuleType) else found
    _check(plugin, cls)
    return cast("type[Algorithm] | type[Dataset]", cls)


def _load(plugin: Plugin) -> Any:
    """Return a plugin's module or its class."""
    if plugin.files:
        return _import_file(plugin)
    if plugin.pack is not None:
        from mlbench.images.own import load_own

        return load_own(plugin.name)
    return plugin.entry_points[0].load()


def plugin_file(cls: type) -> Path:
    """Return the file that defines a class."""
    return Path(inspect.getfile(cls)).resolve()


def plugin_hashes(cls: type) -> dict[str, str]:
    """Return the SHA-256 of a plugin's file and of the plugin files it inherits from, by path.

    A user's own images have none: their fingerprint says all.
    """
    plugged, ours = "mlbench.plugins.", "mlbench."
    lineage = [
        c
        for c in cls.__mro__
        if c.__module__.startswith(plugged) or (c is cls and not c.__module__.startswith(ours))
    ]
    files = dict.fromkeys(map(plugin_file, lineage))
    return {str(file): sha256(file.read_bytes()).hexdigest() for file in files}


def _import_file(plugin: Plugin) -> ModuleType:
    """Import a plugin's file; what was imported from folders that no longer count is forgotten."""
    folders = plugin_folders(plugin.kind)
    package = importlib.import_module(f"mlbench.plugins.{plugin.kind}")
    package.__path__ = list(map(str, folders))
    importlib.invalidate_caches()
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{package.__name__}.") and _file_of(module).parent not in folders:
            del sys.modules[name]
    module = importlib.import_module(plugin.module)
    if _file_of(module) != plugin.files[0]:
        raise ImportError(f"{module.__file__} is imported in its place; rename one of them")
    return module


def _file_of(module: ModuleType) -> Path:
    return Path(module.__file__ or "")


def _only_class(plugin: Plugin, module: ModuleType) -> type:
    """Return the class of a module that is the plugin."""
    base = _base(plugin.kind)
    defined = [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, base)
        and value.__module__ == module.__name__
    ]
    named = [cls for cls in defined if getattr(cls, "name", None) == plugin.name]
    concrete = [cls for cls in named if not inspect.isabstract(cls)]
    candidates = concrete or named or defined
    if not candidates:
        raise _unusable(plugin, f"it defines no class derived from {base.__name__}")
    if len(candidates) > 1:
        names = " and ".join(cls.__name__ for cls in candidates)
        what = f'have the name "{plugin.name}"' if named else f'lack name = "{plugin.name}"'
        raise _unusable(plugin, f"its classes {names} {what}, and exactly one must have it")
    return candidates[0]


def _check(plugin: Plugin, cls: Any) -> None:
    """Refuse a class that lacks what every verb relies on."""
    base = _base(plugin.kind)
    if not (inspect.isclass(cls) and issubclass(cls, base)):
        raise _unusable(plugin, f"{cls!r} is no class derived from {base.__name__}")
    if getattr(cls, "name", None) != plugin.name:
        raise _unusable(plugin, f'class {cls.__name__} must say name = "{plugin.name}"')
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        raise _unusable(plugin, f"class {cls.__name__} must define {', '.join(missing)}")
    if plugin.name in RESERVED:
        raise _unusable(plugin, f"--set {plugin.name}.NAME means something else; rename it")
    if missing := [word for word in REQUIRED[plugin.kind] if not hasattr(cls, word)]:
        raise _unusable(plugin, f"class {cls.__name__} must say {', '.join(missing)}")
    hyper = getattr(cls, "Hyper" if plugin.kind == "algorithms" else "Options")
    try:
        hyper()
    except Exception as err:
        raise _unusable(plugin, f"its defaults: {_reason(err)}") from err


def _base(kind: Kind) -> type:
    return cast("type", getattr(importlib.import_module("mlbench.contract"), BASES[kind]))


def _unusable(plugin: Plugin, reason: str) -> PluginError:
    again = f"pack it again, or remove it: mlbench data remove {plugin.name}"
    remedy = again if plugin.pack and not plugin.files else REMEDY
    what = "data set" if plugin.pack and not plugin.files else "plugin"
    return PluginError(f"{what} {plugin.places[0]} cannot be used: {reason}; {remedy}")


def _reason(err: BaseException, file: Path | None = None) -> str:
    """Return an exception in one line, with the line of the plugin's file it comes from."""
    if isinstance(err, SyntaxError):
        return f"line {err.lineno}: {err.msg}" if err.lineno else err.msg
    if isinstance(err, OSError) and err.strerror and file and err.filename == str(file):
        return err.strerror
    text = " ".join(str(err).split())
    if not isinstance(err, MlbenchError):
        text = f"{type(err).__name__}: {text}".removesuffix(": ")
    where, trace = None, err.__traceback__
    while trace is not None:
        if file is not None and trace.tb_frame.f_code.co_filename == str(file):
            where = trace.tb_lineno
        trace = trace.tb_next
    return text if where is None else f"line {where}: {text}"
