"""What is told of each host while an inspection goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scanner.cli.progress import display
from scanner.engine.inspect import Progress, Stage
from scanner.engine.model import Coverage, HostInspection, Outcome, PortScan, Transport
from tests.reports import sample


def told(host: HostInspection, capsys: pytest.CaptureFixture[str]) -> str:
    with display(lambda: 1) as shown:
        shown.observe(Progress(Stage.DONE, host.target, host))
    return capsys.readouterr().err


def test_ports_are_counted_where_they_were_looked_for(capsys: pytest.CaptureFixture[str]) -> None:
    (_, (seen,)), (_, (mute,)) = sample.inspections()
    assert told(seen, capsys) == "[1/1] 192.0.2.10: partial, 2 open ports\n"
    assert told(mute, capsys) == "[1/1] 192.0.2.99: unreachable\n"


def test_open_ports_that_nobody_could_look_at_are_counted_too(capsys: pytest.CaptureFixture[str]) -> None:
    _, (seen,) = sample.inspections()[0]
    scan = PortScan(Transport.TCP, "1-1000", tuple(range(1, 301)), 0, "connect")
    decoy = replace(seen, outcome=Outcome.PARTIAL, services=(), coverage=Coverage((scan,)))
    assert "300 open ports" in told(decoy, capsys)
