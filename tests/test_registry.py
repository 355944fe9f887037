"""Plugins: found without being imported, loaded one by one, and never in each other's way."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from hashlib import sha256
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from PIL import Image

from mlbench import plugins, registry
from mlbench.errors import MisuseError, PluginError
from mlbench.images.home import pack_folder
from mlbench.images.own import find_own
from mlbench.images.packing import add
from mlbench.images.splitting import parse_split
from mlbench.plugins import plugin_folders, recorded_path
from mlbench.registry import (
    KINDS,
    find_plugins,
    load_algorithm,
    load_dataset,
    load_plugin,
    plugin_hashes,
)

MINE = '''
"""Mine: learns nothing.

Paper: none.
"""

from mlbench.contract import Algorithm


class Mine(Algorithm):
    name = "mine"
    paper = "none"

    def initialise(self, generator):
        return {}

    def meta_step(self, meta, tasks):
        raise NotImplementedError

    def predict(self, meta, support, query_x):
        raise NotImplementedError
'''
HEIR = """
from .mine import Mine


class Heir(Mine):
    name = "heir"
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with no plugins but the bundled ones."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLBENCH_PLUGINS", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


def drop(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.py"
    file.write_text(text)
    return file


def run_python(code: str, cwd: Path) -> str:
    command = [sys.executable, "-c", code]
    # Where mlbench comes from is kept, so that this also runs where it is not installed.
    root = str(Path(registry.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.check_output(command, cwd=cwd, env=environment, text=True).strip()


@pytest.mark.parametrize("kind", KINDS)
def test_every_bundled_plugin_loads_and_pickles(kind: registry.Kind) -> None:
    plugins = find_plugins(kind)
    assert plugins
    for name, plugin in plugins.items():
        cls = load_plugin(plugin)
        assert cls.name == name
        assert cls.__module__ == f"mlbench.plugins.{kind}.{name}"
        assert pickle.loads(pickle.dumps(cls)) is cls
        assert plugin.summary


def test_finding_imports_neither_plugins_nor_torch(here: Path) -> None:
    drop(here / "algorithms", "mine", "raise SystemExit('imported')")
    code = (
        "import sys; from mlbench.registry import find_plugins;"
        "names = list(find_plugins('algorithms'));"
        "print('mine' in names, 'torch' in sys.modules)"
    )
    assert run_python(code, here) == "True False"


def test_a_dropped_file_is_a_plugin(here: Path) -> None:
    file = drop(here / "algorithms", "mine", MINE)
    plugin = find_plugins("algorithms")["mine"]
    assert (plugin.summary, plugin.fault, plugin.places) == (
        "Mine: learns nothing.",
        None,
        (str(file),),
    )
    cls = load_algorithm("mine")
    assert cls.__module__ == "mlbench.plugins.algorithms.mine"
    assert pickle.loads(pickle.dumps(cls)) is cls


def test_a_class_pickled_in_one_process_is_found_in_another(here: Path) -> None:
    drop(here / "algorithms", "mine", MINE)
    text = pickle.dumps(load_algorithm("mine"))
    assert run_python(f"import pickle; print(pickle.loads({text!r}).name)", here) == "mine"


def test_roots_named_in_the_environment_are_searched(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(here / "one" / "algorithms", "mine", MINE)
    drop(here / "two" / "algorithms", "heir", HEIR)
    roots = os.pathsep.join([str(here / "one"), "", str(here / "two")])
    monkeypatch.setenv("MLBENCH_PLUGINS", roots)
    assert load_algorithm("heir").__mro__[1] is load_algorithm("mine")


def test_one_folder_reached_twice_is_no_conflict(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(here / "algorithms", "mine", MINE)
    (here / "link").symlink_to(here)
    monkeypatch.setenv("MLBENCH_PLUGINS", os.pathsep.join([str(here), str(here / "link")]))
    assert load_algorithm("mine").name == "mine"


def test_two_files_of_one_name_are_refused_and_others_go_on(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [
        drop(here / root / "algorithms", "mine", f"{MINE}\n# {root}") for root in ("ours", "other")
    ]
    monkeypatch.chdir(here / "ours")
    drop(here / "ours" / "algorithms", "heir", MINE.replace("mine", "heir"))
    monkeypatch.setenv("MLBENCH_PLUGINS", str(here / "other"))
    with pytest.raises(PluginError) as caught:
        load_algorithm("mine")
    assert all(str(file) in str(caught.value) for file in files)
    assert load_algorithm("heir").name == "heir"


def test_two_copies_of_one_file_are_no_conflict(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(here / "other" / "algorithms", "mine", MINE)
    first = drop(here / "algorithms", "mine", MINE)
    monkeypatch.setenv("MLBENCH_PLUGINS", str(here / "other"))
    assert list(plugin_hashes(load_algorithm("mine"))) == [str(first)]


def test_the_same_name_in_another_folder_is_another_plugin(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (here / "one", here / "two"):
        drop(folder / "algorithms", "mine", MINE.replace('"none"', f'"{folder.name}"'))
        monkeypatch.chdir(folder)
        assert load_algorithm("mine").paper == folder.name


def test_a_package_of_somebody_elses_is_no_plugin_folder(here: Path) -> None:
    drop(here / "datasets", "__init__", "")
    drop(here / "datasets", "load", "raise SystemExit")
    assert here / "datasets" not in plugin_folders("datasets")
    assert "load" not in find_plugins("datasets")


def test_files_with_an_underscore_are_left_out_but_can_be_imported(here: Path) -> None:
    drop(here / "algorithms", "_shared", MINE)
    drop(here / "algorithms", "heir", HEIR.replace(".mine", "._shared"))
    assert "_shared" not in find_plugins("algorithms")
    assert load_algorithm("heir").paper == "none"


def test_an_unknown_name_is_misuse_and_suggests_the_nearest() -> None:
    with pytest.raises(MisuseError, match=r"no algorithm 'mamml'; did you mean 'maml'\?"):
        load_algorithm("mamml")
    with pytest.raises(MisuseError, match="'mlbench list datasets' shows all"):
        load_dataset("nothing-like-it")


def test_a_root_without_plugins_is_named_where_one_is_missed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLBENCH_PLUGINS", str(here / "absent"))
    with pytest.raises(MisuseError, match=r"MLBENCH_PLUGINS names .*absent"):
        load_algorithm("mine")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def broken(:", "line 1: invalid syntax"),
        ("\n\nimport no_such_module", "line 3: ModuleNotFoundError: No module named 'no_such"),
        ("\nraise RuntimeError('first\\nsecond')", "line 2: RuntimeError: first second"),
        ("raise SystemExit(3)", "line 1: SystemExit: 3"),
        ("\0", "null bytes"),
        ("x = 1", "defines no class derived from Algorithm"),
        (MINE.replace('name = "mine"', 'name = "ours"'), 'class Mine must say name = "mine"'),
        (MINE.replace('name = "mine"', ""), 'class Mine must say name = "mine"'),
        (MINE.replace('paper = "none"', ""), "class Mine must say paper"),
        (MINE.replace("def predict", "def forecast"), "class Mine must define predict"),
        (MINE + "\n\nclass Other(Mine):\n    pass", 'classes Mine and Other have the name "mine"'),
        (
            HEIR.replace(".mine", ".maml").replace("Mine", "Maml"),
            'class Heir must say name = "mine"',
        ),
        ("from .maml import Maml", "defines no class derived from Algorithm"),
        (MINE + "    Hyper = dict(a=1).pop\n", "its defaults: TypeError"),
    ],
)
def test_a_broken_plugin_is_refused_in_one_line(here: Path, text: str, reason: str) -> None:
    file = drop(here / "algorithms", "mine", text)
    with pytest.raises(PluginError) as caught:
        load_algorithm("mine")
    message = str(caught.value)
    assert message.startswith(f"plugin {file} cannot be used: ")
    assert reason in message
    assert message.endswith(registry.REMEDY)
    assert "\n" not in message
    assert "mine" in find_plugins("algorithms")
    assert load_algorithm("maml").name == "maml"


@pytest.mark.parametrize("name", registry.RESERVED)
def test_names_whose_settings_mean_something_else_are_refused(here: Path, name: str) -> None:
    drop(here / "algorithms", name, MINE.replace("mine", name))
    with pytest.raises(PluginError, match=f"--set {name}.NAME means something else; rename it"):
        load_algorithm(name)


def test_faults_that_show_without_importing_are_known_at_once(here: Path) -> None:
    drop(here / "algorithms", "mine", "def broken(:")
    drop(here / "algorithms", "my-own", MINE)
    plugins = find_plugins("algorithms")
    assert plugins["mine"].fault == "line 1: invalid syntax"
    assert "no Python identifier" in str(plugins["my-own"].fault)


def test_a_plugin_that_is_corrected_loads(here: Path) -> None:
    drop(here / "algorithms", "mine", "raise RuntimeError")
    with pytest.raises(PluginError):
        load_algorithm("mine")
    drop(here / "algorithms", "mine", MINE)
    assert load_algorithm("mine").name == "mine"


def test_hashes_cover_the_plugin_and_what_it_inherits_from(here: Path) -> None:
    files = [
        drop(here / "algorithms", "heir", HEIR),
        drop(here / "algorithms", "mine", MINE),
    ]
    expected = {str(file): sha256(file.read_bytes()).hexdigest() for file in files}
    assert plugin_hashes(load_algorithm("heir")) == expected


def test_entry_points_are_plugins(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(here, "outsider", MINE.replace("mine", "theirs"))
    monkeypatch.syspath_prepend(here)
    point = EntryPoint("theirs", "outsider:Mine", "mlbench.algorithms")
    lost = EntryPoint("lost", "nowhere:Nothing", "mlbench.algorithms")
    points = {"mlbench.algorithms": [point, lost]}
    monkeypatch.setattr(registry, "entry_points", lambda group: points.get(group, []))
    assert load_algorithm("theirs").__module__ == "outsider"
    assert list(plugin_hashes(load_algorithm("theirs"))) == [str(here / "outsider.py")]
    with pytest.raises(PluginError, match="entry point nowhere:Nothing cannot be used: ModuleNot"):
        load_algorithm("lost")
    drop(here / "algorithms", "theirs", MINE)
    with pytest.raises(PluginError, match=r"theirs\.py and entry point outsider:Mine"):
        load_algorithm("theirs")


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Return the folder of a user's own packed images, called ``pets``."""
    for name in ("cat", "dog", "emu"):
        (tmp_path / "originals" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8), (len(name), ord(name[0]), 0)).save(
            tmp_path / "originals" / name / "1.png"
        )
    split = parse_split(["train=1,val=1,test=1"])
    add(*find_own("pets", [tmp_path / "originals"], split, None))
    return pack_folder("pets")


def test_own_images_are_a_plugin(pets: Path) -> None:
    plugin = find_plugins("datasets")["pets"]
    assert (plugin.places, plugin.fault, plugin.files) == ((str(pets),), None, ())
    assert plugin.summary == "Images of the user's own."
    assert "pets" not in find_plugins("algorithms")
    cls = load_dataset("pets")
    assert (cls.name, cls.kind) == ("pets", "classification")
    assert plugin_hashes(cls) == {}  # its fingerprint says what it is; there is no code of its own


def test_own_images_and_a_plugin_of_one_name_are_refused_naming_both(
    here: Path, pets: Path
) -> None:
    file = drop(here / "datasets", "pets", "raise SystemExit('imported')")
    with pytest.raises(PluginError) as caught:
        load_dataset("pets")
    message = str(caught.value)
    assert message.startswith("dataset 'pets' is ambiguous: ")
    assert f"{file} and {pets} have one name; rename or remove one" in message
    assert load_dataset("sine").name == "sine"
    file.unlink()
    assert load_dataset("pets").name == "pets"


def test_own_images_and_an_entry_point_of_one_name_are_refused_naming_both(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("pets", "outsider:Pets", "mlbench.datasets")
    points = {"mlbench.datasets": [point]}
    monkeypatch.setattr(registry, "entry_points", lambda group: points.get(group, []))
    with pytest.raises(PluginError, match=rf"{pets} and entry point outsider:Pets have one name"):
        load_dataset("pets")


def test_a_damaged_pack_of_own_images_is_the_fault_of_no_other(pets: Path) -> None:
    manifest = pets / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"count": 1', '"count": 2'))
    with pytest.raises(PluginError, match=r"pets cannot be used: .*manifest\.json was changed aft"):
        load_dataset("pets")
    manifest.write_text("{")
    with pytest.raises(MisuseError, match="there is no dataset 'pets'"):
        load_dataset("pets")
    assert load_dataset("sine").name == "sine"


def test_finding_own_images_imports_no_torch(pets: Path, here: Path) -> None:
    code = (
        "import sys; from mlbench.registry import find_plugins;"
        "print('pets' in find_plugins('datasets'), 'torch' in sys.modules)"
    )
    assert run_python(code, here) == "True False"


def test_a_data_home_that_cannot_be_read_hides_no_plugins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLBENCH_DATA", str(tmp_path / "file"))
    assert load_dataset("sine").name == "sine"


def test_a_bundled_plugin_is_recorded_without_the_folder_that_mlbench_lies_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bundled,) = plugin_hashes(load_algorithm("maml"))
    assert Path(bundled).is_absolute()
    assert recorded_path(Path(bundled)) == "algorithms/maml.py"
    monkeypatch.setattr("mlbench.plugins.checkout", lambda: None)  # as where it is installed
    folder = Path(plugins.__file__).resolve().parent
    assert recorded_path(folder / "datasets" / "sine.py") == "datasets/sine.py"
    assert recorded_path(tmp_path / "mine.py") == str(tmp_path / "mine.py")
