#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The tests of the boundary under valgrind: no invalid access, no use of what was freed, no leak but the toolkit's own.
#
#     tests/valgrind.sh [ARGUMENT OF PYTEST ...]
#
# It takes about seven minutes, wants the virtual environment's python first on PATH (or in $PYTHON), and ends with valgrind's
# summary and exit status 99 if there is anything to mend. What is known and not ours is in valgrind.supp, with reasons.
set -eu

tests=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd "$tests/.."
[ $# -gt 0 ] || set -- tests/test_engine.py tests/test_boundary.py tests/test_gass_server.py

PYTHONMALLOC=malloc exec valgrind --quiet --error-exitcode=99 --num-callers=30 --keep-debuginfo=yes \
    --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
    --suppressions="$tests/valgrind.supp" \
    "${PYTHON:-python}" -m pytest -q -p no:cacheprovider -o faulthandler_timeout=0 --timeout=0 "$@"
