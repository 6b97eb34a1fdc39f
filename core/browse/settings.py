# SPDX-License-Identifier: Apache-2.0
"""What the user has configured for the browser, in the tables ``[browse]`` and ``[browse.keys]`` of config.toml.

    [browse]
    theme = "light"        # dark, light, or auto
    hidden = true          # show names that begin with a dot
    transfers = 2          # so many at a time

    [browse.keys]
    copy = "f5,ctrl+y"     # keys of an action; pyglobus browse --keys lists the actions

The file of the user ($XDG_CONFIG_HOME/pyglobus/config.toml) wins over that of the machine (/etc/pyglobus), key by key.
What is not understood is an error: a setting that is silently not in force helps nobody.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from pyglobus.core import errors

THEMES = ("auto", "dark", "light")
_MAX_TRANSFERS = 16
_MAX_SIZE = 1 << 20
_SYSTEM = "/etc/pyglobus/config.toml"


class Settings(NamedTuple):
    """``keys`` are those of the actions that are not to have their own. ``transfers`` go on at the same time."""

    theme: str = "auto"
    hidden: bool = False
    transfers: int = 2
    keys: Mapping[str, str] = {}


def path(environ: Mapping[str, str] | None = None) -> str:
    """The user's file; it need not be there."""
    environ = os.environ if environ is None else environ
    base = environ.get("XDG_CONFIG_HOME", "")
    return os.path.join(base if os.path.isabs(base) else os.path.expanduser("~/.config"), "pyglobus", "config.toml")


def read(actions: Collection[str]) -> Settings:
    """What is configured. ``actions`` are those that can have keys. Raises `errors.ConfigurationError`."""
    settings = Settings()
    for file in (_SYSTEM, path()):
        settings = _over(settings, _table(file), actions, file)
    return settings


def _table(file: str) -> Mapping[str, Any]:
    import tomllib

    try:
        with open(file, "rb") as stream:
            text = stream.read(_MAX_SIZE)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise errors.ConfigurationError("cannot read the configuration", where=file, why=error.strerror) from error
    try:
        found = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise errors.ConfigurationError("cannot read the configuration", where=file, why=str(error)) from error
    table = found.get("browse", {})
    if not isinstance(table, dict):
        raise _wrong(file, "browse", "it is no table")
    return table


def _over(settings: Settings, table: Mapping[str, Any], actions: Collection[str], file: str) -> Settings:
    for name, value in table.items():
        if name == "keys" and isinstance(value, dict):
            settings = settings._replace(keys={**settings.keys, **_keys(value, actions, file)})
        elif name == "theme" and value in THEMES:
            settings = settings._replace(theme=value)
        elif name == "hidden" and isinstance(value, bool):
            settings = settings._replace(hidden=value)
        elif name == "transfers" and type(value) is int and 0 < value <= _MAX_TRANSFERS:
            settings = settings._replace(transfers=value)
        else:
            known = name in Settings._fields
            raise _wrong(file, f"browse.{name}", f"{value!r} makes no sense here" if known else "there is no such key")
    return settings


def _keys(table: Mapping[str, Any], actions: Collection[str], file: str) -> Mapping[str, str]:
    for action, keys in table.items():
        if action not in actions:
            raise _wrong(file, f"browse.keys.{action}", "there is no such action", "pyglobus browse --keys lists them")
        if not isinstance(keys, str) or not all(key.strip() for key in keys.split(",")):
            raise _wrong(file, f"browse.keys.{action}", "keys are written as in 'f5,ctrl+y'")
    return {action: ",".join(key.strip() for key in keys.split(",")) for action, keys in table.items()}


def _wrong(file: str, name: str, why: str, hint: str | None = None) -> errors.ConfigurationError:
    return errors.ConfigurationError("cannot use the configuration", where=f"{file}: {name}", why=why, hint=hint)
