# SPDX-License-Identifier: Apache-2.0
"""One module for each command or family of commands, imported when it is run; `pyglobus.cli.tree` lists them."""
