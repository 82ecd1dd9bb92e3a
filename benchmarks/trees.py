"""Copies of the repository, each with a kernel of its own: a commit, or the files as they are now."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def git(*arguments: str) -> str:
    """What git says. Raises RuntimeError with its complaint."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def commit_of(ref: str) -> str:
    """A ref's commit, in full."""
    return git("rev-parse", "--verify", f"{ref}^{{commit}}")


def changed() -> bool:
    """Whether files differ from the last commit."""
    return bool(git("status", "--porcelain"))


def committed(ref: str, folder: Path) -> Path:
    """The files of a commit, below `folder`."""
    archive = folder / "tree.tar"
    folder.mkdir(parents=True)
    git("archive", "--output", str(archive), commit_of(ref))
    shutil.unpack_archive(archive, folder, "tar", filter="data")
    archive.unlink()
    return folder


def present(folder: Path) -> Path:
    """The files as they are now, new ones too, below `folder`: what is edited meanwhile changes nothing."""
    for name in git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def build(tree: Path) -> None:
    """Compile a tree's C modules in place. Raises RuntimeError with the compiler's complaint."""
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    done = subprocess.run(command, cwd=tree, env=environment(tree), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{tree} does not build:\n{done.stderr[-2000:]}")


def environment(tree: Path) -> dict[str, str]:
    """An environment in which this tree's packages are found first, and libraries use one thread."""
    return {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
