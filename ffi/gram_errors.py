# SPDX-License-Identifier: Apache-2.0
"""Writes the names of all errors of GRAM, as its header has them, into a C file; the build calls it.

``python gram_errors.py HEADER OUTPUT``: HEADER is globus_gram_protocol_constants.h, and OUTPUT gets one
``PG_GRAM_ERROR(NAME)`` for each. The numbers are left to the compiler.
"""

import re
import sys
from pathlib import Path

_NAME = re.compile(r"\bGLOBUS_GRAM_PROTOCOL_ERROR_(\w+)\s*=")

if __name__ == "__main__":
    header, output = map(Path, sys.argv[1:])
    names = [name for name in _NAME.findall(header.read_text(encoding="utf-8")) if name != "LAST"]
    if not names:
        sys.exit(f"{header} names no errors")
    output.write_text("".join(f"PG_GRAM_ERROR({name})\n" for name in names), encoding="ascii")
