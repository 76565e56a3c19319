"""A set of files to begin one's own stationery with: everything is there as a comment, nothing is changed yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from scanner.engine.catalogue.load import Language
from scanner.engine.plugins.load import all_checks
from scanner.reports.checks_file import FIELDS
from scanner.reports.stationery import CHECKS, OWN_STYLE, WORDS
from scanner.reports.words import shipped
from scanner.reports.words_file import READ_BACK

README = "README.txt"
"""Explains the set to whoever opens its folder; nothing reads it."""

_README_TEXT = """Your own reports, notices and mails
===================================

words.toml    wordings to change, in both languages, and the office: name, contact, letterhead, signature
checks.toml   what is said of checks, in both languages: title, impact, fix, evidence
css/own.css   comes after the style sheet of reports, bulletins and notices
logo.svg, or logo.png
              at the top of reports, bulletins and notices; at most 64 KiB (mails show no picture: programs drop them)
report/, notice/, bulletin/, mail/, shared/
              templates in the place of the shipped ones of the same name. To change one block only:
                  {% extends "shipped/report.html" %}
                  {% block title %}…{% endblock %}

What an organisation has in organisations/<slug>/ holds for it and for all that it supervises.

See what it looks like:   roundsman report preview --watch --output preview
Find what is wrong:       roundsman templates check
Show what is overridden:  roundsman templates list
"""
_STYLE = """/* Comes after the style sheet. For example, another colour of headings and links, light and dark:

:root { --accent: #7a1f2b; }
@media (prefers-color-scheme: dark) { :root { --accent: #f0a0ac; } }
*/
"""
_WORDS = """\
# Wordings of your own. Take the # away from what is to change, and from the table above it; everything else stays as it
# is shipped, and goes on changing with new versions. What stands in {braces} is filled in, and has to stay.
# 'roundsman templates check' finds mistakes.
#
# [en.office] and [zh-Hans.office] name who writes. Lines are parted by \\n. Empty: what the settings say, or nothing.
"""
_CHECKS = """\
# What is said of checks. Take the # away from what is to change, and from the table above it; everything else stays as
# it is shipped, and goes on changing with new versions. What stands in {braces} is filled in, and has to stay.
# 'roundsman templates check' finds mistakes.
"""


def starting_set() -> Mapping[str, str]:
    """Return the files, by name."""
    return {
        README: _README_TEXT,
        WORDS: _WORDS + "".join(map(_words, Language)),
        CHECKS: _CHECKS + "".join(map(_checks, Language)),
        OWN_STYLE: _STYLE,
    }


def _words(language: Language) -> str:
    tables: dict[str, list[str]] = defaultdict(list)
    for key, text in shipped(language).items():
        if not key.startswith(READ_BACK):
            table, _, name = key.rpartition(".")
            tables[table].append(f"# {name} = {_quoted(text)}\n")
    return "".join(f"\n# [{language}.{table}]\n" + "".join(lines) for table, lines in sorted(tables.items()))


def _checks(language: Language) -> str:
    told = []
    for name, check in sorted(all_checks().items()):
        texts = (f"# {field} = {_quoted(getattr(check.texts[language], field))}\n" for field in FIELDS)
        told.append(f"\n# [{language}.{name}]\n" + "".join(texts))
    return "".join(told)


def _quoted(text: str) -> str:
    """Return a basic string of TOML 1.0."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
