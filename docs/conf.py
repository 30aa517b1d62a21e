# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Sphinx's configuration: `make docs`."""

import sys
from pathlib import Path

import pylibbpf

sys.path.append(str(Path(__file__).parent))

project = "pylibbpf"
author = project_copyright = "The pylibbpf Authors"
version = release = pylibbpf.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "public_names"]
html_theme = "furo"
html_title = f"pylibbpf {release}"

# The built-in `type` in a signature is taken for one of the attributes of that name.
suppress_warnings = ["ref.python"]

# Docstrings name code in single backquotes.
default_role = "code"

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"

napoleon_numpy_docstring = False
# Attributes are annotated in the class as well; described twice, they would be a warning.
napoleon_use_ivar = True
