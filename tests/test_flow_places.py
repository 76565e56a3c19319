"""A listing that the first page no longer leads to is asked for where it lay before anybody calls it fixed."""

from __future__ import annotations

from pathlib import Path

import pytest

from scanner.engine.facts.http import ExposedPath, HttpFacts, HttpReply
from scanner.engine.model import Endpoint, HostInspection, Service, Target
from scanner.engine.plan import Plan, SitePlace
from scanner.flow import carry_out
from scanner.remediation.lifecycle import State
from scanner.remediation.models import Finding
from tests.lab.web_servers import nginx
from tests.rounds.world import Engine, authorise, inspected, organisation, planned, register, ways

pytestmark = pytest.mark.django_db

ADDRESS, FOLDER = "192.0.2.10", "/old/"


class Site:
    """A site with a folder that lists its files, while ``listed``, and that its first page leads to, while ``linked``.

    As with the real probe, the folder is asked for where a page leads there or the plan names it.
    """

    linked = listed = True

    def __call__(self, target: Target, plan: Plan) -> HostInspection:
        named = SitePlace(80, "listing", FOLDER) in plan.places
        asked = (FOLDER,) if self.linked or named else ()
        reply = HttpReply("GET", FOLDER, 200)
        exposed = (ExposedPath("listing", reply, (("names", "a.txt"),)),) if asked and self.listed else ()
        root = HttpReply("GET", "/", 200)
        site = HttpFacts("http", target.address, root=root, exposed=exposed, asked=asked)
        service = Service(Endpoint(target.address, 80), "http", http=(site,))
        return inspected(target, plan, (80,), (service,), (service,))


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def engine(site: Site) -> Engine:
    owner = organisation()
    register(owner, ADDRESS)
    authorise(owner, ADDRESS)
    return Engine({ADDRESS: site})


def state_after(engine: Engine) -> str:
    carry_out(planned(), ways(engine))
    return Finding.objects.get(check_id="WEB-DIRLIST").state


def test_a_listing_that_is_only_linked_to_no_more_stays_open(site: Site, engine: Engine) -> None:
    assert state_after(engine) == State.OPEN
    site.linked = False
    assert state_after(engine) == State.OPEN
    first, second = engine.plans[-2:]
    assert (first.places, second.places) == ((), (SitePlace(80, "listing", FOLDER),))


def test_a_listing_that_is_gone_with_its_link_is_fixed_once_it_was_asked_for(site: Site, engine: Engine) -> None:
    assert state_after(engine) == State.OPEN
    site.linked = site.listed = False
    assert state_after(engine) == State.FIXED


@pytest.mark.lab
def test_a_real_site_is_asked_where_its_folder_lay(tmp_path: Path) -> None:
    address, port = "127.61.0.2", 7081
    owner = organisation()
    register(owner, address)
    authorise(owner, address)
    www = tmp_path / "www"

    def fill(folder: Path) -> None:
        (folder / "old").mkdir()
        (folder / "old" / "minutes.txt").write_text("Only for the lab.")
        (folder / "index.html").write_text('<!doctype html><title>Portal</title><a href="/old/">Minutes</a>')

    def state() -> str:
        carry_out(planned(ports=f"T:{port}"))
        return Finding.objects.get(check_id="WEB-DIRLIST").state

    with nginx(f"server {{ listen @address@:{port}; autoindex on; }}", port=port, fill=fill)(address, tmp_path):
        assert state() == State.OPEN
        (www / "index.html").write_text("<!doctype html><title>Portal</title>")
        assert state() == State.OPEN
        (www / "old" / "minutes.txt").unlink()
        (www / "old").rmdir()
        assert state() == State.FIXED
