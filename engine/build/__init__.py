"""Tables to arrays: everything about the catalogue that is known before a request."""

from engine.build.build import build

__all__ = ["build"]
