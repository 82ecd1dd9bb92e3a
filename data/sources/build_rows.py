"""Declares and compiles `rows.c` as the extension module `data.sources._rows` (run by setup.py)."""

from pathlib import Path

from cffi import FFI

FOLDER = Path(__file__).parent

ffibuilder = FFI()
ffibuilder.cdef((FOLDER / "rows.h").read_text(encoding="utf-8"))
ffibuilder.set_source(
    "data.sources._rows",
    (FOLDER / "rows.c").read_text(encoding="utf-8"),
    include_dirs=[str(FOLDER)],
    extra_compile_args=["-O3", "-std=gnu11"],
)

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
