# SPDX-License-Identifier: Apache-2.0
"""The commands: parse, call `pyglobus.core`, render. Nothing here touches `pyglobus.ffi`."""
