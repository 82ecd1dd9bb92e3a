"""Performance, measured: `make bench` runs every module of `MODULES` and prints one table."""

import os

# As the service runs its workers, and before numpy is imported: threads of its own would make times a matter of luck.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
