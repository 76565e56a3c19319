"""Administration panels of servers, hypervisors and network devices, by their marks."""

from __future__ import annotations

from scanner.engine.probes.services.web.panel import Panel, panel_probe

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
_OTHERS = (
    r"论坛|社区|商城|教程|培训|学院|招聘|代理商|经销|解决方案|"
    r"forum|community|shop|store|academy|training|reseller"
)
"""What sites are called where people talk, learn or buy, and may log in to do so."""

_RIMP = (
    r"(?s)\A\s{0,9}(?:<\?xml[^>]{0,100}>\s{0,9})?"
    r"<RIMP>(?=.*(?:<HSI>|Integrated Lights-Out))(?:.*?<FWRI>([\d.]{1,20})</FWRI>)?"
)
"""What iLO tells everybody of itself, for tools that look for it (HPE's "XML reply data")."""

_PANELS: dict[str, tuple[Panel, ...]] = {
    "ADMINER": (Panel("Adminer", r"Adminer", r"auth\[driver\]"),),
    "WEBMIN": (Panel("Webmin", r"^Login to Webmin", r"session_login\.cgi", ("server", r"^MiniServ/(\S{0,20})")),),
    "CPANEL": (Panel("cPanel & WHM", r"^(?:cPanel|WHM|Webmail) Login", r'id="login_form"', ("server", r"^cpsrvd")),),
    "PLESK": (Panel("Plesk", r"^Plesk\b", r"login_up\.php|login_name|plesk-ui"),),
    "BT-PANEL": (
        Panel("BaoTa panel", r"^宝塔(?:Linux|Windows)?面板$", r"bt\.cn|/static/(?:js|css|favicon)|<form"),
        Panel("BaoTa panel", r"安全入口校验失败", r"请使用正确的入口登录面板"),
    ),
    "HYPERVISOR": (
        Panel("Proxmox VE", r"Proxmox Virtual Environment$", r"Proxmox\.|PVE\.", ("server", r"^pve-api-daemon/")),
        Panel("VMware ESXi", r"ID_EESX_Welcome", r"document\.write"),
        Panel("VMware vCenter", r"ID_VC_Welcome", r"document\.write"),
        Panel("XenServer", header=("server", r"^Xapi/")),
    ),
    "BMC": (
        Panel("HPE iLO", header=("server", r"^HPE?-iLO-Server/(\S{0,20})")),
        Panel("HPE iLO", r"^iLO(?: \d)?\b|Integrated Lights-Out", beside=("/xmldata?item=all", _RIMP)),
        Panel(
            "Dell iDRAC",
            r"^iDRAC|Integrated Dell Remote Access",
            r"idrac-start-screen|/(?:restgui|sysmgmt)/|/(?:sc)?login\.html",
        ),
        Panel("Dell iDRAC", header=("location", r"^(?:https://[^/]{1,100})?/restgui/(?:start|launch)")),
        Panel("Supermicro BMC", r"Supermicro BMC Login|^ATEN International", r"/cgi/login\.cgi"),
        Panel("Lenovo XClarity Controller", r"XClarity Controller$", r"(?i)lenovo|xcc"),
        Panel("Huawei iBMC", r"^iBMC", _ASKS_FOR_ONE),
        Panel("MegaRAC SP-X", r"^MegaRAC SP", r"(?i)megarac"),
    ),
    "NETDEV-ADMIN": (
        Panel("MikroTik RouterOS", r"^RouterOS router configuration page", r"(?i)mikrotik|RouterOS v"),
        Panel("pfSense", r"pfSense.{0,40}Login$|^Login.{0,20}pfSense", r"usernamefld"),
        Panel("OPNsense", r"OPNsense$", r"usernamefld"),
        Panel("OpenWrt", r"LuCI", r"luci_(?:username|password)"),
        Panel("F5 BIG-IP", r"^BIG-IP", r"(?i)F5 Networks|/tmui/"),
        Panel("network device", rf"(?i)^(?!.*(?:{_OTHERS}))(?=.*(?:{_VENDORS}))(?=.*(?:{_DEVICES}))", _ASKS_FOR_ONE),
    ),
    "NAGIOS": (
        Panel("Nagios", header=("www-authenticate", r'(?i)realm="Nagios[\w ]{0,20}"')),
        Panel("Nagios", r"^Nagios(?: Core| XI|:)", r"(?i)nagios(?:xi|\.org|core)|/nagios"),
    ),
    "ZABBIX": (Panel("Zabbix", r"(?:^|: )Zabbix$", r"(?i)zabbix sia|zbx|index\.php"),),
}


PROBES = tuple(panel_probe(service, panels) for service, panels in _PANELS.items())
