# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What pyproject.toml cannot say: cffi's setuptools hook, and the wheel's abi3 tag."""

import sys
import sysconfig

from setuptools import setup

# cffi's own condition (_set_py_limited_api in its setuptools_ext.py): no abi3 for the debug and the
# free-threaded builds of Python. setuptools refuses the tag there, and it would not be true.
LIMITED_API = not hasattr(sys, "gettotalrefcount") and not sysconfig.get_config_var("Py_GIL_DISABLED")

setup(
    cffi_modules=["build_ffi.py:ffibuilder"],
    options={"bdist_wheel": {"py_limited_api": "cp310"}} if LIMITED_API else {},
)
