# SPDX-License-Identifier: Apache-2.0
"""GRAM: jobs submitted to a gatekeeper, watched and managed through their job manager.

    job = submit("host/jobmanager", rsl.conjunction(executable="/bin/date"))
    for event in job.events():
        print(event.state)

Module `request` asks and tells, `submission` submits, `job` follows; `errors` has an exception for each error of the
protocol.
"""

from pyglobus.core.gram.errors import GramError
from pyglobus.core.gram.job import Event, Job, State, status
from pyglobus.core.gram.request import Delegation, cancel, delegation, ping, refresh, signal, version
from pyglobus.core.gram.submission import Submission, submit

__all__ = [
    "Delegation",
    "Event",
    "GramError",
    "Job",
    "State",
    "Submission",
    "cancel",
    "delegation",
    "ping",
    "refresh",
    "signal",
    "status",
    "submit",
    "version",
]
