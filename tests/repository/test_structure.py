"""The shape of the code: layers, sizes, and what is absent."""

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.repository.files import PACKAGES, ROOT, relative, texts, tracked

MOST_LINES, MOST_FUNCTION_LINES = 300, 60

# What a pure function has no use for: files, network, processes, clocks, environment, other people's randomness.
IMPURE = {
    "asyncio", "fastapi", "http", "io", "logging", "multiprocessing", "os", "pathlib", "pymysql", "random", "redis",
    "secrets", "shutil", "socket", "sqlite3", "subprocess", "sys", "tempfile", "time", "urllib", "uuid",
}  # fmt: skip
CLOCKS = {"now", "utcnow", "today"}
SEEDED = {"default_rng", "Generator", "PCG64", "SeedSequence"}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_imports_only_point_left() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command, "--no-cache"], check=False, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout


def test_files_stay_small() -> None:
    lines = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in tracked(".py")}
    assert not {name: count for name, count in lines.items() if count > MOST_LINES}


def test_functions_stay_small() -> None:
    every = [(relative(path), f) for path in tracked(".py") for f in functions(path)]
    assert not [(name, f.name) for name, f in every if (f.end_lineno or 0) - f.lineno >= MOST_FUNCTION_LINES]


def test_the_engine_does_no_input_or_output_and_reads_no_clock() -> None:
    pure = [path for path in tracked(".py") if relative(path).startswith("engine/") and path.name != "build_kernel.py"]
    assert pure
    assert not {relative(path): found for path in pure if (found := impurities(path))}


def impurities(path: Path) -> list[str]:
    """Imports, calls and attributes that a pure function has no use for."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                found += [name.name for name in names if name.name.split(".")[0] in IMPURE]
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in IMPURE:
                found.append(module)
            case ast.Call(func=ast.Name(id="open" | "print" | "input" as name)):
                found.append(name)
            case ast.Attribute(value=ast.Attribute(attr="random"), attr=name) if name not in SEEDED:
                found.append(f"random.{name}")
            case ast.Attribute(attr=name) if name in CLOCKS:
                found.append(name)
    return found


def test_only_the_settings_read_the_environment() -> None:
    readers = [
        relative(path)
        for path in tracked(".py")
        if relative(path).split("/")[0] in PACKAGES
        and any(word in path.read_text(encoding="utf-8") for word in ("os.environ", "getenv", "load_dotenv"))
    ]
    assert set(readers) <= {"api/settings.py"}


def test_every_package_is_installed() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    folders = {relative(path.parent) for path in tracked(".py") if relative(path).split("/")[0] in PACKAGES}
    assert set(declared) == {folder.replace("/", ".") for folder in folders}


def test_a_reader_meets_no_stubs_silenced_checks_or_places_of_ours() -> None:
    hosts = ["pypi" + ".org", "python" + "hosted.org", "deb." + "debian.org", "registry." + "npmjs"]
    stubs = ["TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error", "mark." + "skip", "mark." + "xfail"]
    silenced = ["# type:" + " ignore", "# no" + "qa"]
    words = [*hosts, *stubs, *silenced, str(ROOT) + os.sep]
    hits = [f"{name}: {word}" for name, text in texts() for word in words if word in text]
    assert not hits


def test_locked_requirements_name_no_index_and_hash_everything() -> None:
    for path in (ROOT / "requirements").glob("*.lock"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert not [line for line in lines if "://" in line or line.startswith("-")], path.name
        pinned = [line for line in lines if "==" in line and not line.startswith((" ", "#"))]
        assert pinned
        assert all(line.endswith("\\") for line in pinned), path.name


def test_scripts_that_are_run_can_be_run() -> None:
    scripts = [path for path in tracked(".sh") if path.read_text(encoding="utf-8").startswith("#!")]
    assert not [relative(path) for path in [*scripts, ROOT / ".ci/run"] if not os.access(path, os.X_OK)]
