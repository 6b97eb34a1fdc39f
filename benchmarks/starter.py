# SPDX-License-Identifier: Apache-2.0
"""The process from which every measured command is started: see `benchmarks.stopwatch`.

It reads a command as a line of JSON, runs it, and answers with a line of JSON. It is its own program and imports next
to nothing, so that it stays small.
"""

import json
import os
import sys
import time

for line in sys.stdin:
    order = json.loads(line)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    begin = time.perf_counter()
    pid = os.posix_spawn(order["program"], order["command"], order["environment"], file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - begin
    answer = {
        "seconds": seconds,
        "processor": usage.ru_utime + usage.ru_stime,
        "resident": usage.ru_maxrss * 1024,
        "status": os.waitstatus_to_exitcode(status),
    }
    print(json.dumps(answer), flush=True)
