# SPDX-License-Identifier: Apache-2.0
"""The words of a command line, sorted the way the C tools read theirs, before click sees them.

An option is one whole word, spelled exactly: ``-vb`` is an option and never ``-v -b``, ``-p4`` is no option at all.
Its value is always the next word, whatever that begins with; the two-dash spellings also take ``--name=value``.
``--`` ends the options, ``-`` is an argument. Options may come after arguments, unless the command passes its
remaining words on to something else.

For a tool that reads its words by getopt(3), `sort` takes letters in one word (``-Sn``) and values that are attached
(``-lada``) apart, where the whole word is no option.

`sort` returns the same words in an order and form that click reads in that one way: options first, each value a word
of its own, then ``--``, then the arguments. click knows single-dash long options, but would also read clusters and
attached values into them; this way the strict rules need nothing of click that is not public.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import click

from pyglobus.core import errors

_TYPOGRAPHIC_DASHES = "‐‑‒–—―−"


class Spellings:
    """Every spelling of a command's options, and what each one stands for."""

    def __init__(self, params: Iterable[click.Parameter]) -> None:
        self.options: dict[str, click.Option] = {}
        #: A spelling that stands for another one given twice: ``-vv``.
        self.doubled: dict[str, str] = {}
        for param in params:
            if isinstance(param, click.Option):
                self.options.update(dict.fromkeys((*param.opts, *param.secondary_opts), param))
                doubled = getattr(param, "doubled", None)
                if doubled is not None:
                    self.doubled[doubled] = param.opts[0]

    def __contains__(self, word: str) -> bool:
        return word in self.options or word in self.doubled

    def words(self) -> list[str]:
        """All spellings that may be shown."""
        return [word for word, option in self.options.items() if not option.hidden] + list(self.doubled)


def sort(
    words: Sequence[str], spellings: Spellings, *, interspersed: bool = True, clusters: bool = False
) -> tuple[list[str], dict[str, str]]:
    """The words in click's form, and the spelling that was used for each option (by parameter name), for messages;
    ``--`` is among these if it ended the options. ``clusters`` is for tools that read them by getopt(3).

    Raises `UsageError` for an unknown option, a missing value, or a value for an option that takes none.
    """
    options: list[str] = []
    arguments: list[str] = []
    used: dict[str, str] = {}
    rest = iter(_apart(words, spellings) if clusters else words)
    for word in rest:
        if word == "--":
            used[word] = word
            break
        if len(word) < 2 or word[0] != "-":
            arguments.append(word)
            if not interspersed:
                break
            continue
        spelling, attached = word, None
        if word not in spellings and word.startswith("--") and "=" in word:
            spelling, _, attached = word.partition("=")
        if spelling in spellings.doubled:
            options += [spellings.doubled[spelling]] * 2
            used.setdefault(spellings.options[options[-1]].name or "", spelling)
            continue
        option = spellings.options.get(spelling)
        if option is None:
            raise unknown(spelling, spellings)
        if option.name is not None:
            used[option.name] = spelling
        # click looks for a misspelling first when it meets a short one, which takes long: give it the longest.
        options.append(max(option.opts, key=len) if spelling in option.opts else spelling)
        if not takes_value(option):
            if attached is not None:
                raise errors.UsageError(f"option {spelling} takes no value")
            continue
        values = [attached] if attached is not None else []
        values += [value for _, value in zip(range(option.nargs - len(values)), rest, strict=False)]
        if len(values) < option.nargs:
            needed = "a value" if option.nargs == 1 else f"{option.nargs} values"
            raise errors.UsageError(f"option {spelling} needs {needed}")
        options += values
    return [*options, "--", *arguments, *rest], used


def _apart(words: Sequence[str], spellings: Spellings) -> Iterator[str]:
    """The words with clusters of short options taken apart, up to ``--``; values of options stay as they are."""
    rest = iter(words)
    for word in rest:
        if word == "--":
            yield word
            break
        parts = [word]
        if len(word) > 2 and word[0] == "-" != word[1] and word not in spellings:
            parts = _letters(word, spellings) or parts
        yield from parts
        last = spellings.options.get(parts[-1])
        if last is not None and takes_value(last):
            yield from (value for _, value in zip(range(last.nargs), rest, strict=False))
    yield from rest


def _letters(word: str, spellings: Spellings) -> list[str] | None:
    """The options that a cluster stands for, and the value attached to the last; None if it is no cluster."""
    parts: list[str] = []
    for at, letter in enumerate(word[1:], start=2):
        option = spellings.options.get(f"-{letter}")
        if option is None:
            return None
        parts.append(f"-{letter}")
        if takes_value(option) and word[at:]:
            return [*parts, word[at:]]
    return parts


def takes_value(option: click.Option) -> bool:
    """True if the option is followed by a value."""
    return not option.is_flag and not option.count


def unknown(word: str, spellings: Spellings) -> errors.UsageError:
    """The error for a word that is no option, with the option that was probably meant."""
    meant = _meant_option(word, spellings)
    return errors.UsageError(f"no such option {word}" + (f" (did you mean {meant}?)" if meant else ""))


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that looks most like ``word``, if one does."""
    import difflib

    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def dash_hint(arguments: Sequence[str]) -> str | None:
    """A hint for words whose dash was pasted from a formatted page, and is none to a program."""
    for word in arguments:
        if word[:1] and word[0] in _TYPOGRAPHIC_DASHES:
            return f"{word} begins with a typographic dash: write -{word.lstrip(_TYPOGRAPHIC_DASHES)}"
    return None


def _meant_option(word: str, spellings: Spellings) -> str | None:
    stem, _, attached = word.lstrip("-").partition("=")
    by_stem: dict[str, list[str]] = {}
    for known in spellings.words():
        by_stem.setdefault(known.lstrip("-"), []).append(known)
    if stem in by_stem:  # the wrong number of dashes, or a value attached by "="
        return _with_value(_same_dashes(word, by_stem[stem]), attached, spellings.options)
    for known in sorted(spellings.options, key=len, reverse=True):  # a value attached directly: -p4, -bs1M
        value = word[len(known) :]
        if word.startswith(known) and value[0].isdigit() and takes_value(spellings.options[known]):
            return f"{known} {value}"
    if len(stem) < 2:
        return None
    # Nobody forgets more than a dash or a letter of a short name, so what is compared has no dashes at all.
    squeezed = {s.replace("-", ""): s for s in by_stem}
    exact = squeezed.get(stem.replace("-", ""))
    near = exact or squeezed.get(closest(stem.replace("-", ""), squeezed) or "")
    return _same_dashes(word, by_stem[near]) if near else None


def _same_dashes(word: str, candidates: Sequence[str]) -> str:
    dashes = len(word) - len(word.lstrip("-"))
    return next((c for c in candidates if len(c) - len(c.lstrip("-")) == dashes), candidates[0])


def _with_value(spelling: str, value: str, options: Mapping[str, click.Option]) -> str:
    option = options.get(spelling)
    return f"{spelling} {value}" if value and option is not None and takes_value(option) else spelling
