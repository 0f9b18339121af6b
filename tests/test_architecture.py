"""Who may import whom, and what must never be loaded (DESIGN section 3)."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("schemas", "pipeline", "trainer")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MOST_LINES = 320

# Own package -> own packages it may import. One part of one package has one more edge: what a
# network is given at inference is rendered as its records were.
MAY_IMPORT = {"schemas": set(), "pipeline": {"schemas"}, "trainer": {"schemas"}}
CROSS_EDGE = ("trainer.predict.", {"pipeline.render", "pipeline.decode", "pipeline.augment"})

TOP_LEVEL = {
    *("pipeline", "trainer", "schemas", "tests", "setup.py", "Dockerfile", "README.md"),
    *("pyproject.toml", "Makefile", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "NOTICE"),
    *("constraints.txt", "deploy", "benchmarks", "docs"),
}

FAR_TOO_HEAVY = {"tensorflow", "keras", "tensorflow_datasets"}
HEAVY = {"apache_beam", *FAR_TOO_HEAVY}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Gives the full name of everything a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_run_one_way(path):
    own = path.relative_to(ROOT).parts[0]
    for name in imports(path):
        top = name.partition(".")[0]
        if top in PACKAGES and top != own and top not in MAY_IMPORT[own]:
            module, _, _ = name.rpartition(".")
            within, allowed = CROSS_EDGE
            assert f"{module_name(path)}.".startswith(within), f"imports {name}"
            assert module in allowed, f"imports {name}"
        assert top not in {"tests", "benchmarks"}, f"imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_only_the_trainer_knows_tensorflow(path):
    if path.relative_to(ROOT).parts[0] != "trainer":
        found = {name.partition(".")[0] for name in imports(path)}
        assert not found & FAR_TOO_HEAVY
        assert not {"torch", "jax"} & found


def test_there_is_something_to_check():
    names = {module_name(path) for path in MODULES}
    assert {"schemas.manifest", "pipeline.render", "pipeline.cli"} <= names


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_modules_are_small_and_named_for_what_they_do(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES
    assert path.stem not in {"utils", "util", "helpers", "common", "misc"}


def test_nothing_else_lies_at_the_top():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("no git checkout")
    names = {line.partition("/")[0] for line in listed.stdout.splitlines()}
    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL


def loaded_by(code: str, *arguments: str) -> set[str]:
    """Returns the top-level modules that a fresh process has loaded after running code."""
    report = "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code + report, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("module", ["pipeline.render", "pipeline.variants"])
def test_what_renders_is_light(module):
    loaded = loaded_by(f"import {module}")
    assert {"numpy", "PIL", "cv2"} <= loaded
    assert not loaded & {*HEAVY, "pyarrow"}


def test_planning_is_light(tmp_path):
    manifest = tmp_path / "plates.csv"
    manifest.write_text("uri,label\na.jpg,clear\nb.jpg,bad drop\n", encoding="utf-8")
    loaded = loaded_by(
        "import sys; from pipeline.cli import main; assert main(sys.argv[1:]) == 0",
        *("plan", "--manifest", str(manifest), "--out", str(tmp_path / "drops")),
    )
    assert not loaded & {*HEAVY, "pyarrow", "numpy", "cv2", "PIL"}


def test_the_schemas_load_only_what_they_need():
    names = [module_name(path) for path in MODULES if path.parent.name == "schemas"]
    loaded = loaded_by(f"import {', '.join(names)}")
    assert not loaded & {*HEAVY, *PACKAGES[1:], "cv2", "PIL"}


def test_the_engine_does_not_load_tensorflow():
    assert not loaded_by("import pipeline.graph, pipeline.build") & FAR_TOO_HEAVY
