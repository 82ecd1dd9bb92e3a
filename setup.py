"""Compiles the scoring kernel; everything else is declared in pyproject.toml."""

from setuptools import setup

setup(cffi_modules=["engine/kernel/build_kernel.py:ffibuilder"])
