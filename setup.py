"""Compiles the two C modules; everything else is declared in pyproject.toml."""

from setuptools import setup

setup(cffi_modules=["engine/kernel/build_kernel.py:ffibuilder", "data/sources/build_rows.py:ffibuilder"])
