"""Room for the kernel to write to."""

from engine.kernel._kernel import ffi

unset = ffi.new_allocator(should_clear_after_alloc=False)
"""Like `ffi.new`, without zeros: for room that is written before it is read."""
