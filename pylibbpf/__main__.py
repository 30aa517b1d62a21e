# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""python -m pylibbpf"""

from __future__ import annotations

import sys

from .cli import main

sys.exit(main())
