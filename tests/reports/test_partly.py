"""What was not inspected, or in part only, is nowhere called clean, and what was is nowhere called left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scanner.engine.catalogue.load import Language
from scanner.engine.model import Coverage as Covered
from scanner.engine.model import (
    Endpoint,
    Facet,
    Gap,
    GapReason,
    HostInspection,
    Level,
    Outcome,
    PortScan,
    Service,
    Target,
    Transport,
    Vantage,
)
from scanner.reports import model as m
from scanner.reports.inspection_report import inspection_target, render_inspection_html, target_text
from scanner.reports.places import InventoryHost, InventoryService
from scanner.reports.render import render_html, render_json
from scanner.reports.sarif import render_inspection_sarif, render_report_sarif
from scanner.reports.tables import tables
from scanner.reports.texts import text
from tests.reports import sample, skeleton

FRAGILE = m.Reason(GapReason.FRAGILE_PORT, Facet.SERVICE, 9100, Transport.TCP, "")
UNTOLD = m.Reason(GapReason.PROTOCOL_ERROR, Facet.SERVICE, 22, Transport.TCP, "", "SSH-PASSWORD")


def left_out(*reasons: m.Reason, outcome: Outcome = Outcome.INSPECTED) -> m.ReportModel:
    """The clean organisation, of whose first host this was left out."""
    made = sample.clean()
    host = made.inventory[0].host
    partial = int(outcome is Outcome.PARTIAL)
    gaps = (m.NotInspected(host, host, host, outcome, reasons),)
    seen = replace(made.coverage, gaps=gaps, partial=partial, inspected=made.coverage.inspected - partial)
    return replace(made, coverage=seen)


def shown(model: m.ReportModel) -> str:
    return " ".join(skeleton.text(render_html(model)).split())


def table(model: m.ReportModel, name: str) -> list[list[str]]:
    """The rows of a table as text, its titles first."""
    (made,) = (each for each in tables(model) if each.name == name)
    return [["" if cell is None else str(cell) for cell in row] for row in (made.columns, *made.rows)]


@pytest.mark.parametrize(
    ("model", "clean"),
    [
        (sample.clean(), True),
        (left_out(FRAGILE), False),
        (left_out(FRAGILE, outcome=Outcome.PARTIAL), False),
        (replace(sample.clean(), round=replace(sample.clean().round, part="campaign")), False),
        (replace(sample.clean(), round=replace(sample.clean().round, finished=None)), False),
    ],
)
def test_nothing_found_is_only_clean_where_all_was_looked_at(model: m.ReportModel, clean: bool) -> None:
    said = shown(model)

    assert ("nothing was found that needs fixing. The rest is unknown" not in said) is clean
    assert ("In the part that could be inspected, nothing was found. The rest is unknown." not in said) is clean
    assert ("Services that attackers look for, in what was inspected" not in said) is clean
    assert ("No certificate was seen." in said) is clean
    assert ("No certificate was seen in the part that could be inspected." in said) is not clean
    assert ("In the part that could be inspected, no service reported a version" in said) is not clean


def test_a_report_on_a_part_says_so() -> None:
    model = replace(sample.clean(), round=replace(sample.clean().round, part="campaign"))

    assert "This was a campaign: it looked at a part of what is registered" in shown(model)
    assert [row[0] for row in table(model, "summary") if "looked at a part" in row[1]] == ["What was looked at"]


def test_where_nothing_was_inspected_nothing_is_said_of_services_certificates_and_products() -> None:
    said = shown(replace(sample.unreachable(), inventory=()))

    assert "No host is registered" not in said
    assert "No host was inspected in this round, so what listens where is unknown." in said
    assert "nothing can be said about certificates" in said
    assert "nothing can be said about products" in said


def test_the_summary_in_a_spreadsheet_counts_no_findings_where_nothing_was_inspected() -> None:
    def opened(model: m.ReportModel) -> set[str]:
        return {value for what, value in table(model, "summary") if what.startswith("Open, ")}

    assert opened(sample.unreachable()) == {"—"}
    assert opened(sample.clean()) == {"0"}


def test_a_check_that_could_not_be_told_leaves_the_rest_of_its_facet_inspected() -> None:
    model, title = left_out(UNTOLD), text("SSH-PASSWORD", Language.EN).title

    assert f"22/tcp, only “{title}”" in shown(model)
    assert table(model, "gaps")[1][-2] == f"only “{title}”"
    assert '"check": "SSH-PASSWORD"' in render_json(model).decode()


def test_a_host_that_was_left_out_without_a_word_is_listed_all_the_same() -> None:
    model = left_out(outcome=Outcome.PARTIAL)

    assert "No reason was recorded." in shown(model)
    assert table(model, "gaps")[1][-1] == "No reason was recorded."
    (told,) = render_report_sarif(model)["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert told["message"]["text"].endswith("No reason was recorded.")


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ({"outcome": Outcome.INSPECTED}, "No open port was found in the scope."),
        ({"outcome": Outcome.PARTIAL}, "No open port was found in the part that could be inspected."),
        ({"outcome": Outcome.UNREACHABLE}, "Not inspected; what listens here is unknown."),
        ({"outcome": Outcome.PARTIAL, "unlisted": "80-443"}, "what listens there could not be inspected: 80-443"),
        ({"outcome": Outcome.INSPECTED, "domain": True}, "A domain: what the DNS says of it was looked at. It has"),
        ({"outcome": Outcome.PARTIAL, "domain": True}, "what the DNS says of it was looked at in part."),
        ({"outcome": Outcome.ERROR, "domain": True}, "A domain, not inspected; what the DNS says of it is unknown."),
    ],
)
def test_a_host_without_services_is_told_as_far_as_it_is_known(host: dict[str, object], said: str) -> None:
    made = InventoryHost("a.example", "192.0.2.7", "a.example", False, Outcome.INSPECTED, None, None, ())
    model = replace(sample.clean(), inventory=(replace(made, **host),))  # type: ignore[arg-type]  # fields by name

    assert said in shown(model)
    assert shown(model).count("No open port was found") == said.startswith("No open port")
    assert said in table(model, "inventory")[1][7]


def test_tls_and_certificates_that_were_not_inspected_to_the_end_are_told() -> None:
    service = InventoryService(443, Transport.TCP, "http", True, "", "", ("TLSv1.2",), None, 0)
    unfinished = replace(service, tls_unfinished=True, certificate_unseen=True)
    host = replace(sample.clean().inventory[0], services=(unfinished,))
    model = replace(sample.clean(), inventory=(host,))
    said, html = shown(model), render_html(model)

    assert "TLS 1.2 not inspected to the end" in said
    assert "<td>not inspected</td>" in html
    assert "The certificate of 1 further port could not be inspected" in said
    assert table(model, "inventory")[1][-2] == "TLS 1.2, not inspected to the end"
    told = replace(model, inventory=(replace(host, services=(service,)),))
    assert "not inspected" not in render_html(told).split('class="inventory"')[1].split("</table>")[0]


def test_a_score_says_which_hosts_count_with_a_part_only() -> None:
    model = left_out(FRAGILE, outcome=Outcome.PARTIAL)
    scores = skeleton.text(render_html(model).split('class="scores"')[1].split("</table>")[0])

    assert "1 host was inspected in part only: it counts with what was seen there." in shown(model)
    assert scores.count("partly inspected") == 1


def test_a_trend_tells_the_coverage_of_each_round() -> None:
    points = sample.trend(90.0)
    model = replace(sample.busy(), trend=(replace(points[0], coverage=0.5), *points[1:]))

    assert "In 1 of these rounds less than 80% of the hosts could be inspected" in shown(model)
    assert "less than 80% of the hosts could be inspected" not in shown(sample.busy()).split("Trend", 2)[2]
    assert 'data-label="Coverage">50%</td>' in render_html(model)


def test_what_this_round_did_not_see_is_marked_for_programs() -> None:
    head, *rows = table(sample.busy(), "findings")
    unseen = [row[0] for row in rows if row[head.index("Seen this time")] == "no"]
    results = render_report_sarif(sample.busy())["runs"][0]["results"]

    assert unseen == ["104"]
    assert [each["properties"]["number"] for each in results if not each["properties"]["seenNow"]] == [104]


def inspection(*gaps: Gap, outcome: Outcome = Outcome.INSPECTED, silent: str = "") -> HostInspection:
    """A host with a web server and no finding."""
    return HostInspection(
        Target("192.0.2.10", "192.0.2.10"),
        outcome,
        sample.NOW,
        sample.NOW,
        Vantage.INTERNET,
        Level.READ,
        services=(Service(Endpoint("192.0.2.10", 80), "ssh"),),
        coverage=Covered((PortScan(Transport.TCP, "80", (80,), 0, "connect"),), gaps=gaps, silent_udp=silent),
    )


def document(host: HostInspection) -> dict[str, Any]:
    target = inspection_target("192.0.2.10", [host], Language.EN)
    return {"started": "2026-11-23T14:29:20Z", "finished": "2026-11-23T14:30:00Z", "targets": [target]}


def test_an_inspection_finds_nothing_only_in_what_it_looked_at() -> None:
    gap = Gap(GapReason.FRAGILE_PORT, Facet.SERVICE, 80)
    for host, whole in (
        (inspection(), True),
        (inspection(gap), False),
        (inspection(gap, outcome=Outcome.PARTIAL), False),
    ):
        made = document(host)
        (target,) = made["targets"]
        for said in (target_text(target, Language.EN), skeleton.text(render_inspection_html(made, Language.EN))):
            assert ("Within the scope and time of this inspection, nothing was found." in said) is whole
            assert ("nothing was found. The rest is unknown." in said) is not whole


def test_an_inspection_tells_the_udp_ports_that_said_nothing_and_tls_that_nobody_looked_at() -> None:
    made = document(inspection(silent="123,161"))
    html = render_inspection_html(made, Language.EN)
    (target,) = made["targets"]

    for said in (target_text(target, Language.EN), skeleton.text(html)):
        assert "UDP ports of 192.0.2.10 that were asked and said nothing" in said
        assert "123,161" in said
    assert '<td data-label="TLS">not inspected</td>' in html


def test_sarif_of_an_inspection_names_each_part_that_was_left_out() -> None:
    gap = Gap(GapReason.FRAGILE_PORT, Facet.SERVICE, 80)
    run = render_inspection_sarif(document(inspection(gap)))["runs"][0]
    (told,) = run["invocations"][0]["toolExecutionNotifications"]

    assert told["descriptor"]["id"] == "fragile-port"
    assert "80/tcp" in told["message"]["text"]
