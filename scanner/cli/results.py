"""Keeps what an inspection run found, out of memory, and renders it when all is in."""

from __future__ import annotations

import datetime as dt
import json
import pickle
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

from scanner.cli.asked import Asked
from scanner.engine.catalogue.load import Language
from scanner.engine.known_keys import Key, KnownKeys, OrganisationKeys, Sighting, sightings
from scanner.engine.model import GapReason, HostInspection, Outcome, Severity
from scanner.engine.rules.base import Basis
from scanner.reports.inspection_report import (
    Refusal,
    document_head,
    inspection_target,
    refused_target,
    render_inspection_html,
    target_text,
)

Document = dict[str, Any]


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    HTML = "html"
    SARIF = "sarif"


class _Keyed(NamedTuple):
    """A target that showed keys; ``at`` is where in the file its facts begin."""

    label: str
    at: int
    seen: frozenset[Sighting]


def _spool() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8", prefix="roundsman-")


class Results:
    """Collects hosts by the argument they belong to. What is whole goes to a temporary file at once, judged, so that
    a thousand hosts take no more memory than ten. Use as a context manager; leaving it deletes the file.

    Of what showed a public key the facts are put aside in a second file: when all hosts are in, those that turn out to
    share a key are judged, once more if they were the first to show it.
    """

    def __init__(self, asked: list[Asked], language: Language, basis: Basis) -> None:
        self._language = language
        self._basis = basis
        self._missing = {item.label: len(item.targets) for item in asked if item.targets}
        self._hosts: dict[str, list[HostInspection]] = {label: [] for label in self._missing}
        self._spool = _spool()
        self._facts = tempfile.TemporaryFile(prefix="roundsman-")  # noqa: SIM115
        self._kept = 0
        self._keyed: dict[int, _Keyed] = {}
        self._shown: dict[Key, tuple[str, int]] = {}
        self._head: Document = {}
        self.severities: set[Severity] = set()
        self.complete = True
        for item in asked:
            if item.refusal is not None:
                self._refuse(Refusal(item.label, item.refusal, item.detail))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close()
        self._facts.close()

    def add(self, inspection: HostInspection) -> None:
        """Take one finished host."""
        label = inspection.target.label
        self._hosts[label].append(inspection)
        self._missing[label] -= 1
        if not self._missing[label]:
            self._judge(label, self._hosts.pop(label))

    def finish(self, started: dt.datetime, finished: dt.datetime) -> None:
        """Close the collection; what never finished (an interrupted run) is kept as not inspected."""
        for label, hosts in self._hosts.items():
            if hosts:
                self.complete = False
                self._judge(label, hosts)
            else:
                self._refuse(Refusal(label, GapReason.CANCELLED))
        self._hosts.clear()
        self._judge_sharers()
        self._head = document_head(started, finished)

    def render(self, output_format: Format) -> Iterator[str]:
        """Yield the document in pieces."""
        match output_format:
            case Format.JSON:
                yield from self._json()
            case Format.TEXT:
                for target in self._targets():
                    yield target_text(target, self._language) + "\n"
            case Format.HTML:
                yield render_inspection_html(self._document(), self._language)
            case Format.SARIF:
                from scanner.reports.sarif import render_inspection_sarif  # here, because few ask for it

                log = render_inspection_sarif(self._document(), self._language)
                yield json.dumps(log, ensure_ascii=False, indent=1)

    def _judge(self, label: str, hosts: list[HostInspection]) -> None:
        seen = frozenset(sighting for host in hosts for sighting in sightings(host))
        if seen:
            self._keyed[self._kept] = _Keyed(label, self._facts.tell(), seen)
            pickle.dump(hosts, self._facts)
        if self._shows_known(seen):
            self._write("")  # its place, until all keys are known
            return
        self._keep(inspection_target(label, hosts, self._language, self._basis))

    def _shows_known(self, seen: frozenset[Sighting]) -> bool:
        """Tell whether one of the keys was seen at another endpoint before."""
        places = [
            ((place.address, place.port), self._shown.setdefault(key, (place.address, place.port)))
            for key, place in seen
        ]
        return any(here != first for here, first in places)

    def _judge_sharers(self) -> None:
        """Judge again the targets with a key that was seen elsewhere too, and put that in the place of the first."""
        known = KnownKeys(sighting for each in self._keyed.values() for sighting in each.seen)
        sharers = {number: each for number, each in self._keyed.items() if any(key in known for key, _ in each.seen)}
        if not sharers:
            return
        basis = replace(self._basis, keys=OrganisationKeys(known))
        with self._spool as alone:
            self._spool = _spool()
            alone.seek(0)
            for number, line in enumerate(alone):
                if number not in sharers:
                    self._spool.write(line)
                    continue
                self._facts.seek(sharers[number].at)
                hosts = pickle.load(self._facts)  # noqa: S301 - written by this process, and nobody else can
                self._keep(inspection_target(sharers[number].label, hosts, self._language, basis))

    def _refuse(self, refusal: Refusal) -> None:
        self._keep(refused_target(refusal, self._language))

    def _keep(self, target: Document) -> None:
        self.complete &= target["outcome"] == Outcome.INSPECTED
        self.severities.update(Severity(finding["severity"]) for finding in target["findings"])
        self._write(json.dumps(target, ensure_ascii=False))

    def _write(self, text: str) -> None:
        self._spool.write(text + "\n")
        self._kept += 1

    def _lines(self) -> Iterator[str]:
        self._spool.seek(0)
        return (line.rstrip("\n") for line in self._spool)

    def _targets(self) -> Iterator[Document]:
        return (json.loads(line) for line in self._lines())

    def _document(self) -> Document:
        return {**self._head, "targets": list(self._targets())}

    def _json(self) -> Iterator[str]:
        yield json.dumps(self._head)[:-1] + ', "targets": [\n'
        for number, line in enumerate(self._lines()):
            yield (",\n" if number else "") + line
        yield "\n]}\n"
