# SPDX-License-Identifier: Apache-2.0
"""What a browser of two sides knows and does, whatever it looks like: nothing here draws or asks.

`address` reads what is typed as a place, `listing` reads directories in the background, `view` sorts, filters and marks
what has come; `deeds` are the small things done to entries, and `queue` does the large ones, the `errands`; `settings`
is what the user has configured. Everything waits in threads of its own, so that whoever draws never does.
"""
