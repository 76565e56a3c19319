"""Dates of support, and what is made of them on a given day."""

from __future__ import annotations

import datetime as dt

import pytest

from scanner.engine.intel.distributions import Mark, distributions, maintainers, read_mark, with_release
from scanner.engine.intel.lifecycles import Release, Support, as_of, release_of, releases
from scanner.engine.intel.products import product_named, product_of_cpe, products

DAY = dt.date(2026, 11, 23)


def test_every_lifecycle_that_is_named_has_dates() -> None:
    named = {each.lifecycle for each in products().values()} | {each.lifecycle for each in distributions().values()}
    assert {name for name in named - {""} if not releases(name)} == set()


def test_every_release_that_is_named_by_build_or_shipped_has_dates() -> None:
    for product in products().values():
        assert {release for _, release in product.builds} <= set(releases(product.lifecycle))
    for distribution in distributions().values():
        assert set(distribution.ships) <= set(releases(distribution.lifecycle)), distribution.id
        assert {product for shipped in distribution.ships.values() for product in shipped} <= set(products())


@pytest.mark.parametrize(
    ("product", "version", "support"),
    [
        ("nginx", "1.18.0", Support.ENDED),
        ("nginx", "1.30.1", Support.SUPPORTED),
        ("php", "5.6.40", Support.ENDED),
        ("php", "8.2.30", Support.ENDING),
        ("openssl", "1.1.1w", Support.ENDED),
        ("tomcat", "8.5.100", Support.ENDED),
        ("mssql", "13.0.6300", Support.EXTENDED),
        ("mssql", "15.0.2000", Support.SUPPORTED),
        ("exchange", "15.1.2507.6", Support.ENDED),
        ("exchange", "15.2.2562.17", Support.SUPPORTED),
        ("exchange", "15.2.1544.9", Support.ENDED),
    ],
)
def test_a_version_belongs_to_a_release_with_dates(product: str, version: str, support: Support) -> None:
    release = release_of(products()[product], version)
    assert release is not None
    assert release.support(DAY) is support


def test_a_version_newer_than_the_data_is_unknown() -> None:
    assert release_of(products()["nginx"], "9.9.1") is None


def test_support_goes_from_one_stage_to_the_next_on_the_day() -> None:
    release = Release("1", ends=dt.date(2026, 6, 1), extended=dt.date(2027, 6, 1))
    assert release.support(dt.date(2026, 6, 1)) is Support.SUPPORTED
    assert release.support(dt.date(2026, 6, 2)) is Support.EXTENDED
    assert release.support(dt.date(2027, 6, 2)) is Support.ENDED
    assert Release("1", ends=dt.date(2026, 6, 1)).support(dt.date(2026, 1, 1)) is Support.ENDING
    assert Release("1").support(DAY) is Support.SUPPORTED
    assert Release("1", ended=True).support(DAY) is Support.ENDED


def test_an_announced_end_is_relied_on_only_while_the_data_is_fresh() -> None:
    ahead = Release("1", ends=as_of() + dt.timedelta(days=30))
    assert ahead.settled(as_of() + dt.timedelta(days=90))
    assert not ahead.settled(as_of() + dt.timedelta(days=91))
    assert Release("1", ends=as_of()).settled(as_of() + dt.timedelta(days=900))


def test_names_are_matched_whole() -> None:
    assert product_named("PHP") is products()["php"]
    for other in ("phpMyAdmin", "PHPMailer", "php-fpm exporter"):
        assert product_named(other) is not products()["php"]
    assert product_of_cpe("igor_sysoev:nginx") is products()["nginx"]
    assert product_of_cpe("mongo-express_project:mongo-express") is None


@pytest.mark.parametrize(
    ("banner", "label"),
    [
        ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7", "Debian 12"),
        ("9.18.49-1~deb12u3-Debian", "Debian 12"),
        ("10.11.6-MariaDB-0+deb12u1", "Debian 12"),
        ("8.0.36-0ubuntu0.22.04.1", "Ubuntu 22.04"),
        ("SSH-2.0-OpenSSH_8.9p1 Ubuntu-3ubuntu0.13", "Ubuntu"),
        ("9.11.4-P2-RedHat-9.11.4-26.P2.el7_9.15", "RHEL 7"),
        ("2.4.6 (CentOS)", "CentOS"),
        ("2.42.0+ds", "Debian"),
        ("1.20.1-14.ky10", "Kylin 10"),
    ],
)
def test_a_distribution_is_known_by_its_marks(banner: str, label: str) -> None:
    mark = read_mark(banner)
    assert mark is not None
    assert mark.label == label


@pytest.mark.parametrize("banner", ["nginx/1.22.1", "Apache/2.4.49 (Unix)", "OpenSSH_9.6", "Debianish 1.0", ""])
def test_other_banners_bear_no_mark(banner: str) -> None:
    assert read_mark(banner) is None


def test_a_version_tells_the_release_only_when_one_alone_ships_it() -> None:
    assert with_release(Mark("ubuntu"), "openssh", "8.9p1").label == "Ubuntu 22.04"
    assert with_release(Mark("ubuntu"), "nginx", "1.18.0").label == "Ubuntu", "20.04 and 22.04 both ship it"
    assert with_release(Mark("centos"), "apache-http-server", "2.4.6").label == "CentOS 7"


def test_only_releases_that_are_still_mended_count_as_maintainers() -> None:
    assert "Debian 12" in {mark.label for mark in maintainers("nginx", "1.22.1", DAY)}
    labels = {mark.label for mark in maintainers("nginx", "1.18.0", DAY)}
    assert "Ubuntu 22.04" in labels
    assert "Debian 11" not in labels, "its long-term support ended on 2026-08-31"
    assert maintainers("nginx", "1.16.0", DAY) == ()
