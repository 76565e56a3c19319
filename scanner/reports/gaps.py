"""Says why something was not inspected. A gap's detail is data; its words are the locale's."""

from __future__ import annotations

import shlex

from scanner.engine.hostile import line
from scanner.engine.model import GapReason
from scanner.reports.words import Words


def gap_sentence(reason: GapReason, detail: str, vocabulary: Words) -> str:
    """Return why something was not inspected, as a sentence.

    A detail that begins with a word of ours (``excluded address=192.0.2.9 'why=heart monitor'``) has a sentence of
    its own, filled with its values. Any other text, such as a tool's complaint, is quoted behind the reason's.
    """
    key = f"detail.{detail.partition(' ')[0]}"
    if vocabulary.has(key):
        return vocabulary(key, **_values(detail))
    sentence = vocabulary(f"gap.{reason}")
    return vocabulary("gaps.with_detail", sentence=sentence, detail=line(detail)) if detail else sentence


def _values(detail: str) -> dict[str, str]:
    """Return the values of ``word name=value …``, written as :func:`shlex.join` quotes them."""
    try:
        pairs = (word.partition("=") for word in shlex.split(detail)[1:])
    except ValueError:
        return {}
    return {name: line(value) for name, _, value in pairs}
