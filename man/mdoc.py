# SPDX-License-Identifier: Apache-2.0
"""The prose of the manual pages, from its own small markup to mdoc(7).

A prose file begins with ``key: value`` lines, then has sections, each a line ``# NAME``. In a section:

- paragraphs are separated by blank lines;
- a line, or a paragraph of lines, indented by four blanks is shown as it is: examples;
- ``- text`` is an item of a list;
- a line followed by ``: text`` is a term and its meaning;
- ``## Name`` begins a subsection;
- `` `code` `` is for what is typed, ``*word*`` for what stands for something else.
"""

from __future__ import annotations

import re

_INLINE = re.compile(r"`([^`]+)`|\*([^*\s][^*]*)\*")
#: Macros that make room before themselves.
_SPACED = (".Bl", ".Bd", ".Ss", ".Pp")
_MACRO = re.compile(r"[A-Z][a-z]|[][().,:;?!|]+")
_SENTENCE_END = re.compile(r"(?<=[a-z)\]0-9`][.?!]) (?=[A-Z`*])")


def read(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """A prose file as its keys and its sections."""
    head, *parts = re.split(r"^# (.+)\n", text, flags=re.MULTILINE)
    keys = dict(line.split(": ", 1) for line in head.splitlines() if line.strip())
    return keys, {name: body.strip("\n") for name, body in zip(parts[::2], parts[1::2], strict=True)}


def write(body: str) -> list[str]:
    """A section's markup as lines of mdoc."""
    lines: list[str] = []
    for block in re.split(r"\n{2,}", body.strip("\n")):
        if not block:
            continue
        rows = block.splitlines()
        if block.startswith("    "):
            lines += [".Bd -literal -offset indent", *(escape(row[4:]) for row in rows), ".Ed"]
        elif rows[0].startswith("## "):
            lines.append(f".Ss {escape(rows[0][3:])}")
        elif rows[0].startswith("- "):
            items = re.split(r"^- ", block, flags=re.MULTILINE)[1:]
            lines += _list("-bullet", "", [("", item) for item in items])
        elif len(rows) > 1 and rows[1].startswith(": "):
            lines += _list("-tag", " -width Ds", _terms(rows))
        else:
            lines += [".Pp", *paragraph(block)]
    # A paragraph needs no break at the beginning of a section, and none after a display or list ended.
    return _without_idle_breaks(lines)


def paragraph(text: str) -> list[str]:
    """Running text with markup as lines, a sentence each."""
    return [_guarded(inline(sentence)) for sentence in _SENTENCE_END.split(" ".join(text.split()))]


def plain(text: str) -> list[str]:
    """Paragraphs without markup, as the help of commands and options has them."""
    lines: list[str] = []
    for block in re.split(r"\n{2,}", text.strip()):
        lines += [".Pp", *(escape(sentence) for sentence in _SENTENCE_END.split(" ".join(block.split())))]
    return _without_idle_breaks(lines)


def joined(first: list[str], second: list[str]) -> list[str]:
    """Two pieces of a section, with a break between them where one is needed."""
    return [*first, *([".Pp"] if first and not second[0].startswith(_SPACED) else []), *second]


def inline(text: str) -> str:
    """Text with its inline markup as font changes."""
    parts: list[str] = []
    position = 0
    for found in _INLINE.finditer(text):
        parts.append(_plain(text[position : found.start()]))
        font, content = ("B", found[1]) if found[1] is not None else ("I", found[2])
        parts.append(rf"\f{font}{_plain(content).replace('-', chr(92) + '-')}\fR")
        position = found.end()
    return "".join([*parts, _plain(text[position:])])


def escape(text: str) -> str:
    """Text that is to appear as it is, dashes as the ASCII character."""
    return _guarded(_plain(text).replace("-", r"\-"))


def arguments(text: str) -> str:
    """Words as arguments of a macro, none of them read as a macro or as punctuation."""
    return " ".join(rf"\&{_plain(word)}" if _MACRO.fullmatch(word) else _plain(word) for word in text.split())


def _plain(text: str) -> str:
    text = text.replace("\\", r"\e")
    return "".join(c if c.isascii() else rf"\[u{ord(c):04X}]" for c in text)


def _guarded(line: str) -> str:
    return rf"\&{line}" if line.startswith((".", "'")) else line


def _terms(rows: list[str]) -> list[tuple[str, str]]:
    terms: list[tuple[str, str]] = []
    for row in rows:
        if row.startswith(": "):
            terms[-1] = (terms[-1][0], row[2:])
        elif terms and row.startswith("  "):
            terms[-1] = (terms[-1][0], f"{terms[-1][1]} {row.strip()}")
        else:
            terms.append((row, ""))
    return terms


def _list(kind: str, width: str, items: list[tuple[str, str]]) -> list[str]:
    lines = [f".Bl {kind}{width}" + (" -compact" if kind == "-bullet" else "")]
    for term, text in items:
        lines.append(f".It {inline(term)}".rstrip())
        lines += paragraph(text)
    return [*lines, ".El"]


def _without_idle_breaks(lines: list[str]) -> list[str]:
    kept: list[str] = []
    for line in lines:
        if line == ".Pp" and (not kept or kept[-1].startswith(".Ss")):
            continue
        kept.append(line)
    return kept
