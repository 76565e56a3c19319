"""What several addresses of one inspection have in common is judged when the last of them is in."""

from __future__ import annotations

import datetime as dt
import json

from scanner.cli.asked import Asked
from scanner.cli.results import Format, Results
from scanner.engine.catalogue.load import Language
from scanner.engine.facts.ssh import SshFacts, SshHostKey
from scanner.engine.model import Endpoint, HostInspection, Level, Outcome, Service, Severity, Target, Vantage
from scanner.engine.rules.base import Basis

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
FIRST, SECOND, THIRD = (
    Target(f"{name}.example.cn", f"192.0.2.{n}", f"{name}.example.cn") for n, name in enumerate("abc")
)


def ssh(target: Target, fingerprint: str) -> HostInspection:
    keys = (SshHostKey("ssh-ed25519", 256, fingerprint),)
    service = Service(Endpoint(target.address, 22), "ssh", ssh=SshFacts("SSH-2.0-x", host_keys=keys))
    return HostInspection(target, Outcome.INSPECTED, NOW, NOW, Vantage.INTERNET, Level.READ, services=(service,))


def test_a_key_that_two_addresses_share_is_reported_on_both_in_the_order_they_finished() -> None:
    hosts = [ssh(FIRST, "same"), ssh(SECOND, "own"), ssh(THIRD, "same")]
    with Results([Asked(host.target.label, (host.target,)) for host in hosts], Language.EN, Basis()) as results:
        for host in hosts:
            results.add(host)
        assert Severity.INFO not in results.severities
        results.finish(NOW, NOW)
        targets = json.loads("".join(results.render(Format.JSON)))["targets"]
    assert [target["target"] for target in targets] == ["a.example.cn", "b.example.cn", "c.example.cn"]
    shared = [[each["evidence"] for each in target["findings"] if each["check"] == "SSH-SAMEKEY"] for target in targets]
    assert [len(found) for found in shared] == [1, 0, 1]
    assert "c.example.cn" in shared[0][0]
    assert Severity.INFO in results.severities
