"""The repository's own files, for tests about them."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("data", "engine", "tracking", "api")
BINARY = {".png", ".svg", ".ico", ".gz", ".woff2"}


def tracked(*suffixes: str) -> list[Path]:
    """Files under version control or about to be, with one of these suffixes (any without)."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    files = [ROOT / name for name in sorted(set(listed)) if name]
    return [path for path in files if path.is_file() and (not suffixes or path.suffix in suffixes)]


def relative(path: Path) -> str:
    """The path as the repository names it."""
    return path.relative_to(ROOT).as_posix()


def texts() -> Iterator[tuple[str, str]]:
    """Name and text of every text file."""
    for path in tracked():
        if path.suffix not in BINARY:
            yield relative(path), path.read_text(encoding="utf-8")


def document(name: str) -> str:
    """The text of a page in docs/."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")
