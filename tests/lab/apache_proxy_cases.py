"""Apache's httpd as a proxy: for everyone, for some, and only before a server of its own."""

from __future__ import annotations

from scanner.engine.catalogue.load import catalogue
from tests.lab import web_sites as sites
from tests.lab.access import unauth
from tests.lab.case import LabCase
from tests.lab.web_servers import apache

_PROXY = frozenset({"SVC-HTTP-PROXY-UNAUTH", "SVC-HTTP-PROXY-EXPOSED"})
_SITE = frozenset((80, check) for check in ("WEB-XFO", "WEB-TRACE"))
"""What the site beside the proxy is told, as any is."""


def _case(name: str, last: int, settings: str, *modules: str, is_open: bool) -> LabCase:
    expected = _SITE | (unauth(HTTP_PROXY=80) if is_open else frozenset())
    return LabCase(
        name=f"apache-{name}",
        address=f"127.10.96.{last}",
        ports="80",
        start=apache(80, settings, modules=("authz_host", "proxy", "proxy_http", *modules), fill=sites.page("Portal")),
        expected=expected,
        silent=_PROXY - {check for _, check in expected},
        tolerated=frozenset(catalogue()) - _PROXY,
        needs=("apache2",),
    )


_FOR_EVERYONE = "ProxyRequests On\n<Proxy *>\nRequire all granted\n</Proxy>"
_FOR_SOME = "ProxyRequests On\n<Proxy *>\nRequire ip 10.1.2.3\n</Proxy>"
_BEFORE_A_SERVER = "ProxyRequests Off\nProxyPass /app http://127.0.0.1:9/"

CASES = (
    _case("forward-proxy-for-everyone", 1, _FOR_EVERYONE, "proxy_connect", is_open=True),
    _case("forward-proxy-without-tunnels", 2, _FOR_EVERYONE, is_open=True),
    _case("forward-proxy-for-some", 3, _FOR_SOME, "proxy_connect", is_open=False),
    _case("reverse-proxy", 4, _BEFORE_A_SERVER, "proxy_connect", is_open=False),
)
