"""An organisation's domains: in the file, in the register, and when the DNS may be asked about them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from targets.addresses import AddressError
from targets.check import check_register
from targets.domains import parse_domain
from targets.models import Organisation
from targets.query import registered_domains
from targets.registry.crosscheck import cross_problems
from targets.registry.export import to_yaml
from targets.registry.plan import Change, compare, merge
from targets.registry.reading import Limits, read_register
from targets.registry.store import apply_changes, current_register
from targets.scope import AuthorisationTerms, ExclusionTerms, Reach, RefusalReason, Scope

NOW = datetime(2026, 11, 23, tzinfo=UTC)
DAY = timedelta(days=1)


def terms(*scope: str, begins: datetime = NOW - DAY, ends: datetime = NOW + DAY) -> AuthorisationTerms:
    return AuthorisationTerms(1, "Order 1", "Director", begins, ends, Reach.of(scope))


def reason(
    *authorisations: AuthorisationTerms,
    domains: tuple[str, ...] = ("example.org",),
    excluded: tuple[str, ...] = (),
    until: datetime | None = None,
    name: str = "example.org",
    when: datetime = NOW,
) -> RefusalReason | None:
    exclusions = (ExclusionTerms(Reach.of(excluded), "a reason", until=until),) if excluded else ()
    scope = Scope("water", authorisations=authorisations, exclusions=exclusions, domains=frozenset(domains))
    decision = scope.decide_domain(name, when)
    assert decision.allowed is (decision.reason is None)
    return decision.reason


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Example.ORG.", "example.org"),
        ("水务.example.cn", "xn--zfrz80d.example.cn"),
        ("city.gov.cn", "city.gov.cn"),
        ("go.com", "go.com"),
        ("beijing.cn", "beijing.cn"),
    ],
)
def test_a_domain_has_one_canonical_form(text: str, name: str) -> None:
    assert parse_domain(text).name == name


@pytest.mark.parametrize(
    "text",
    ["", "org", "192.0.2.1", "192.0.2.0/24", "https://example.org/", "gov.cn", "sh.cn", "co.uk", "_dmarc.example.org",
     "a@example.org", "*.example.org", "example..org", "-x.org", "exam ple.org", "example.org:53"],
)  # fmt: skip
def test_what_nobody_owns_as_a_domain_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        parse_domain(text)


def test_a_domain_is_looked_up_only_when_an_authorisation_in_force_names_it() -> None:
    assert reason(terms("example.org", "192.0.2.0/24")) is None
    assert reason(terms("example.org"), name="EXAMPLE.org.") is None
    assert reason() is RefusalReason.DOMAIN_NOT_AUTHORISED
    assert reason(terms("0.0.0.0/0", "::/0")) is RefusalReason.DOMAIN_NOT_AUTHORISED
    assert reason(terms("www.example.org", "org.example")) is RefusalReason.DOMAIN_NOT_AUTHORISED
    assert reason(terms("example.org", ends=NOW)) is RefusalReason.AUTHORISATION_ENDED
    assert reason(terms("example.org", begins=NOW + DAY / 2)) is RefusalReason.AUTHORISATION_NOT_BEGUN
    assert reason(terms("example.org"), domains=("www.example.org",)) is RefusalReason.DOMAIN_NOT_REGISTERED


def test_an_exclusion_of_the_domain_wins_until_it_ends() -> None:
    assert reason(terms("example.org"), excluded=("example.org",)) is RefusalReason.EXCLUDED
    assert reason(terms("example.org"), excluded=("www.example.org",)) is None
    assert reason(terms("example.org"), excluded=("example.org",), until=NOW) is None


def test_what_can_not_be_decided_is_refused() -> None:
    allowed = terms("example.org")
    assert reason(allowed, when=NOW.replace(tzinfo=None)) is RefusalReason.TIME_WITHOUT_ZONE
    assert reason(allowed, name="192.0.2.1") is RefusalReason.UNDECIDABLE
    retired = Scope("water", refuse_all=RefusalReason.RETIRED_ORGANISATION, domains=frozenset({"example.org"}))
    assert retired.decide_domain("example.org", NOW).reason is RefusalReason.RETIRED_ORGANISATION


def register(folder: Path, domains: str, slug: str = "water", extra: str = "") -> Path:
    file = folder / f"{slug}.yaml"
    file.write_text(f"organisations:\n  - slug: {slug}\n    name_en: Office\n{domains}{extra}")
    return file


def apply(*files: Path) -> tuple[Change, ...]:
    wanted, problems = read_register(files, Limits())
    current = current_register()
    whole = merge(current, wanted)
    assert [*problems, *cross_problems(wanted, whole)] == []
    changes = compare(current, whole)
    apply_changes(wanted, changes, NOW, actor="tester")
    return changes


@pytest.mark.django_db
def test_domains_are_registered_exported_and_applied_again_without_a_change(tmp_path: Path) -> None:
    changes = apply(register(tmp_path, "    domains: [水务.example.cn, Example.org, example.org]\n"))
    (shown,) = [field.new for change in changes for field in change.fields if field.field == "domains"]
    assert shown == "example.org, xn--zfrz80d.example.cn"
    exported = to_yaml(current_register())
    assert yaml.safe_load(exported)["organisations"][0]["domains"] == ["example.org", "水务.example.cn"]
    (tmp_path / "exported.yaml").write_text(exported)
    assert apply(tmp_path / "exported.yaml") == ()


@pytest.mark.django_db
def test_leaving_domains_out_keeps_them_and_an_empty_list_drops_them(tmp_path: Path) -> None:
    apply(register(tmp_path, "    domains: example.org\n"))
    assert apply(register(tmp_path, "")) == ()
    apply(register(tmp_path, "    domains: []\n"))
    assert Organisation.objects.get().domains == []


@pytest.mark.django_db
def test_a_wrong_domain_and_one_of_two_organisations_are_refused_with_their_place(tmp_path: Path) -> None:
    _, problems = read_register([register(tmp_path, "    domains:\n      - example.org\n      - gov.cn\n")], Limits())
    assert [str(problem.place).rpartition(":")[2] for problem in problems] == ["6"]
    apply(register(tmp_path, "    domains: [example.org]\n"))
    wanted, _ = read_register([register(tmp_path, "    domains: [example.org]\n", "roads")], Limits())
    wrong = cross_problems(wanted, merge(current_register(), wanted))
    assert [problem.wrong for problem in wrong if problem.place.file] == ["example.org is registered for water too"]


@pytest.mark.django_db
def test_the_check_tells_what_keeps_a_domain_from_being_looked_up(tmp_path: Path) -> None:
    authorisation = (
        "    authorisations:\n      - {document: Order 1, allowed_by: Director, valid_from: 2026-01-01,"
        " valid_until: 2026-12-01, scope: [example.org]}\n"
    )
    apply(register(tmp_path, "    domains: [example.org, example.net]\n", extra=authorisation))

    def said(*, looks_up_domains: bool) -> dict[str, str]:
        found = check_register(Organisation.objects.all(), NOW, None, looks_up_domains=looks_up_domains)
        return {each.subject: each.text for each in found}

    assert said(looks_up_domains=True) == {
        "example.org": "its authorisation Order 1 ends on 2026-12-01; renew it",
        "example.net": "no authorisation names this domain; it is not inspected",
    }
    assert "ROUNDSMAN_RESOLVER" in said(looks_up_domains=False)["its domains"]


@pytest.mark.django_db
def test_a_retired_organisation_has_no_domains(tmp_path: Path) -> None:
    apply(register(tmp_path, "    domains: [example.org]\n    retired: true\n"))
    assert registered_domains(Organisation.objects.get()) == ()
