"""Administration panels that their first page, or the head of its reply, names beyond doubt.

A header that only the product sends is enough; a title is not, since anyone may write about a product, so it needs a
second mark of the product's own page. Where the page asks for a password, that is noted; none is ever tried.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services.web.base import WebServiceProbe
from scanner.engine.probes.services.web.dialogue import Dialogue, asks_for_password, clean_version, title


@dataclass(frozen=True, slots=True)
class _Panel:
    """One product: ``header`` (name, expression) alone tells it, or ``in_title`` and ``mark``, which is in the page."""

    product: str
    in_title: str = ""
    mark: str = ""
    header: tuple[str, str] = ("", "")

    def header_match(self, reply: HttpReply) -> re.Match[str] | None:
        name, expression = self.header
        matches = (re.search(expression, value) for value in reply.all_headers(name)) if name else ()
        return next((match for match in matches if match), None)

    def suspects(self, reply: HttpReply) -> bool:
        named = bool(self.in_title) and re.search(self.in_title, title(reply)) is not None
        return named or self.header_match(reply) is not None

    def recognises(self, reply: HttpReply) -> bool:
        marked = bool(self.mark) and re.search(self.mark, _TITLE.sub("", reply.body)) is not None
        return self.header_match(reply) is not None or (self.suspects(reply) and marked)

    def version(self, reply: HttpReply) -> str:
        found = self.header_match(reply)
        return clean_version(found[1]) if found and found.groups() else ""


_TITLE = re.compile(r"(?i)(?<=<title>)[^<>]{0,300}(?=</title>)")
"""Left out when a mark is looked for: it would only repeat the title."""
_ASKS_FOR_ONE = r"""(?i)type\s*=\s*["']?password"""
_VENDORS = (
    r"华为|新华三|锐捷|深信服|天融信|山石|迪普|绿盟|启明|网御|奇安信|网神|安恒|明御|中兴|"
    r"(?<![a-z])(?:huawei|h3c|ruijie|sangfor|topsec|hillstone|dptech|nsfocus|venustech|secgate|zte|fortinet|fortigate|"
    r"cisco|juniper|palo alto|sonicwall|sophos|zyxel|d-link|tp-link|draytek|mikrotik|ubiquiti|aruba)(?![a-z])"
)
_DEVICES = (
    r"路由器|交换机|防火墙|安全网关|上网行为|行为管理|入侵|负载均衡|流量控制|审计系统|网管|Web管理|"
    r"router|switch|firewall|gateway|access point|controller|fortigate"
)

_PANELS: dict[str, tuple[_Panel, ...]] = {
    "ADMINER": (_Panel("Adminer", r"Adminer", r"auth\[driver\]"),),
    "WEBMIN": (_Panel("Webmin", header=("server", r"^MiniServ/(\S{0,20})")),),
    "CPANEL": (_Panel("cPanel & WHM", r"^(?:cPanel|WHM|Webmail) Login", r'id="login_form"', ("server", r"^cpsrvd")),),
    "PLESK": (_Panel("Plesk", r"^Plesk\b", r"login_up\.php|login_name|plesk-ui"),),
    "BT-PANEL": (
        _Panel("BaoTa panel", r"宝塔(?:Linux|Windows)?面板", r"bt\.cn|/static/(?:js|css|favicon)|<form"),
        _Panel("BaoTa panel", r"安全入口校验失败", r"请使用正确的入口登录面板"),
    ),
    "HYPERVISOR": (
        _Panel("Proxmox VE", r"Proxmox Virtual Environment$", r"Proxmox\.|PVE\.", ("server", r"^pve-api-daemon/")),
        _Panel("VMware ESXi", r"ID_EESX_Welcome", r"document\.write"),
        _Panel("VMware vCenter", r"ID_VC_Welcome", r"document\.write"),
        _Panel("XenServer", header=("server", r"^Xapi/")),
    ),
    "BMC": (
        _Panel("HPE iLO", header=("server", r"^HPE?-iLO-Server/(\S{0,20})")),
        _Panel(
            "Dell iDRAC",
            r"^iDRAC|Integrated Dell Remote Access",
            r"idrac-start-screen|/(?:restgui|sysmgmt)/|/(?:sc)?login\.html",
        ),
        _Panel("Dell iDRAC", header=("location", r"^(?:https://[^/]{1,100})?/restgui/(?:start|launch)")),
        _Panel("Supermicro BMC", r"Supermicro BMC Login|^ATEN International", r"/cgi/login\.cgi"),
        _Panel("Lenovo XClarity Controller", r"XClarity Controller$", r"(?i)lenovo|xcc"),
        _Panel("Huawei iBMC", r"^iBMC", _ASKS_FOR_ONE),
        _Panel("MegaRAC SP-X", r"^MegaRAC SP", r"(?i)megarac"),
    ),
    "NETDEV-ADMIN": (
        _Panel("MikroTik RouterOS", r"^RouterOS router configuration page", r"(?i)mikrotik|RouterOS v"),
        _Panel("pfSense", r"pfSense.{0,40}Login$|^Login.{0,20}pfSense", r"usernamefld"),
        _Panel("OPNsense", r"OPNsense$", r"usernamefld"),
        _Panel("OpenWrt", r"LuCI", r"luci_(?:username|password)"),
        _Panel("F5 BIG-IP", r"^BIG-IP", r"(?i)F5 Networks|/tmui/"),
        _Panel("network device", rf"(?i)(?=.*(?:{_VENDORS}))(?=.*(?:{_DEVICES}))", _ASKS_FOR_ONE),
    ),
    "NAGIOS": (
        _Panel("Nagios", header=("www-authenticate", r'(?i)realm="Nagios[\w ]{0,20}"')),
        _Panel("Nagios", r"^Nagios(?: Core| XI|:)", r"(?i)nagios(?:xi|\.org|core)|/nagios"),
    ),
    "ZABBIX": (_Panel("Zabbix", r"(?:^|: )Zabbix$", r"(?i)zabbix sia|zbx|index\.php"),),
}


def _probe(service: str, panels: tuple[_Panel, ...]) -> WebServiceProbe:
    async def look(session: HttpSession, _level: Level) -> ServiceFacts | None:
        dialogue = Dialogue(session)
        for reply in reversed(await dialogue.first_page()):
            panel = next((panel for panel in panels if panel.recognises(reply)), None)
            if panel is not None:
                access = Access.RESTRICTED if asks_for_password(reply) else Access.UNKNOWN
                return dialogue.facts(service, access, panel.product, panel.version(reply))
        return None

    return WebServiceProbe(
        service, frozenset(), suspects=lambda reply: any(panel.suspects(reply) for panel in panels), look=look
    )


PROBES = tuple(_probe(service, panels) for service, panels in _PANELS.items())
