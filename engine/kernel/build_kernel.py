"""Declares and compiles `kernel.c` as the extension module `engine.kernel._kernel` (run by setup.py)."""

from pathlib import Path

from cffi import FFI

FOLDER = Path(__file__).parent

ffibuilder = FFI()
ffibuilder.cdef((FOLDER / "kernel.h").read_text(encoding="utf-8"))
ffibuilder.set_source(
    "engine.kernel._kernel",
    (FOLDER / "kernel.c").read_text(encoding="utf-8"),
    include_dirs=[str(FOLDER)],
    depends=[str(FOLDER / name) for name in ("draft.c", "gather.c", "kernel.c", "kernel.h", "numbers.c", "render.c")],
    # No fused multiply-add and no reordering: every processor computes the same bits.
    extra_compile_args=["-O3", "-std=gnu11", "-ffp-contract=off", "-fno-math-errno"],
)

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
