# SPDX-License-Identifier: Apache-2.0
"""The browser as it is seen: `pyglobus.core.browse` in a terminal, by textual.

Only what is in this package imports textual, and nothing imports it before the command runs: it is the extra ``[tui]``.
Nothing here waits: what may take a while is done in threads, which post a message when something has come of it.
"""
