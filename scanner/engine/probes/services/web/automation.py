"""What configures other machines: Puppet, Ansible AWX and Automation Platform, Salt."""

from __future__ import annotations

from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services.web.base import WebServiceProbe
from scanner.engine.probes.services.web.dialogue import Dialogue, begins_json, json_object, json_text, location, title

_PUPPET_SERVER_PORT = 8140


def _may_be_puppetdb(root: HttpReply) -> bool:
    return location(root).startswith("/pdb/dashboard") or title(root).startswith("PuppetDB")


async def _look_at_puppet(session: HttpSession, level: Level) -> ServiceFacts | None:
    """PuppetDB's plain port lists nodes to whoever asks; a Puppet server shows its own certificate to everyone."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    if dialogue.port == _PUPPET_SERVER_PORT:
        authority = await dialogue.ask("/puppet-ca/v1/certificate/ca")
        certified = authority.status == 200 and authority.body.startswith("-----BEGIN CERTIFICATE-----")
        return dialogue.facts("PUPPET", Access.UNKNOWN, "Puppet Server") if certified else None
    version = await dialogue.ask("/pdb/meta/v1/version")
    if version.status != 200 or json_object(version).keys() != {"version"}:
        return None
    access = await dialogue.access("/pdb/query/v4/nodes?limit=1", lambda r: r.body.lstrip().startswith("["))
    return dialogue.facts("PUPPET", access, "PuppetDB", json_text(version, "version"))


def _may_be_awx(root: HttpReply) -> bool:
    return title(root) in ("AWX", "Ansible Tower", "Ansible Automation Platform")


async def _look_at_awx(session: HttpSession, level: Level) -> ServiceFacts | None:
    """The ping of its interface is public by design."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    ping = await dialogue.ask("/api/v2/ping/")
    if ping.status != 200 or not begins_json(ping, "version", "active_node", "install_uuid"):
        return None
    return dialogue.facts(
        "ANSIBLE-TOWER", Access.UNKNOWN, "AWX / Ansible Automation Platform", json_text(ping, "version")
    )


def _is_salt(root: HttpReply) -> bool:
    """``rest_cherrypy`` welcomes everyone with the names of its clients (Salt documentation, GET /)."""
    reply = json_object(root)
    clients = reply.get("clients")
    return reply.get("return") == "Welcome" and isinstance(clients, list) and "local" in clients


async def _look_at_salt(session: HttpSession, _level: Level) -> ServiceFacts | None:
    dialogue = Dialogue(session)
    if not _is_salt(await dialogue.ask("/")):
        return None
    return dialogue.facts("SALT", Access.UNKNOWN, "Salt API")


PUPPET = WebServiceProbe("PUPPET", frozenset({_PUPPET_SERVER_PORT}), suspects=_may_be_puppetdb, look=_look_at_puppet)
ANSIBLE_TOWER = WebServiceProbe("ANSIBLE-TOWER", frozenset(), suspects=_may_be_awx, look=_look_at_awx)
SALT = WebServiceProbe("SALT", frozenset(), suspects=_is_salt, look=_look_at_salt)
