# SPDX-License-Identifier: Apache-2.0
"""The options of a copy: a module for each section of the help, and `chosen` for what the core makes of them."""

from __future__ import annotations

from pyglobus.cli.copyoptions import channels, faults, job, security, selection, servers, shown
from pyglobus.cli.option import Callback


def copy_options(callback: Callback) -> Callback:
    """Add all of them to a command; `chosen.options_of` takes what they bring."""
    for section in (servers, job, faults, security, channels, selection, shown):  # the last one added stands first
        callback = section.SECTION(callback)
    return callback
