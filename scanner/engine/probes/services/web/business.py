"""Business systems and consoles of middleware that are met often in China, by their marks.

None is asked further, but for one that its first page doesn't show: as it is shipped, it lives in a folder of its own.
The marks are those that the products' own pages, cookies and redirects carry, as their installation guides and default
configurations show them.
"""

from __future__ import annotations

from scanner.engine.probes.services.web.dialogue import TOMCATS_NOT_FOUND
from scanner.engine.probes.services.web.panel import Panel, panel_probe


def _leads_to(path: str) -> tuple[str, str]:
    """A redirect to a path that only this product has."""
    return "location", rf"(?i)^(?:https?://[^/]{{1,100}})?{path}"


_PANELS: dict[str, tuple[Panel, ...]] = {
    "BUSINESS-APP": (
        Panel("Weaver e-cology", header=("set-cookie", r"^ecology_JSESSIONID=")),
        Panel("Weaver e-cology", header=_leads_to(r"/(?:wui/index\.html|spa/portal/)")),
        Panel("Seeyon OA", header=_leads_to(r"/seeyon/")),
        Panel("Seeyon OA", header=("server", r"^SY80(?:44|45|48)$")),
        Panel("Yonyou NC", r"^YONYOU NC|^用友NC", r"(?i)nc_|uclient|/nc/|yonyou"),
        Panel("Kingdee K/3 Cloud", r"金蝶云", r"(?i)k3cloud|kingdee"),
        Panel("Kingdee K/3 Cloud", header=_leads_to(r"/k3cloud/")),
        Panel("Tongda OA", r"^(?:Office Anywhere|通达OA)", r"(?i)tongda|/static/templates/|logincheck\.php"),
        Panel("Landray EKP", r"蓝凌|EKP", r"lui_login|landray"),
        Panel("ezOFFICE", header=_leads_to(r"/defaultroot/")),
        Panel("FineReport", header=_leads_to(r"/(?:webroot/decision|WebReport/ReportServer)")),
        Panel("FineReport", r"^(?:数据决策系统|FineReport|FineBI)", r"(?i)/decision/|finereport|fine-"),
        Panel("ZenTao", header=("set-cookie", r"^zentaosid=")),
        Panel("RuoYi", r"若依", r"(?i)ruoyi|ry-ui|type\s*=\s*[\"']?password"),
        Panel("JumpServer", header=("set-cookie", r"^jms_(?:sessionid|csrftoken|session_expire)=")),
        Panel("Hikvision iSecure Center", r"iSecure Center|综合安防管理平台", r"(?i)/portal/|hikvision|isecure"),
        Panel("Dahua ICC/DSS", r"^(?:DSS|浙江大华|智能物联综合管理平台)", r"(?i)/WPMS/|dahua|evo-"),
    ),
    "XXL-JOB-ADMIN": (
        Panel("XXL-JOB", header=_leads_to(r"/xxl-job-admin/")),
        Panel("XXL-JOB", r"^任务调度中心$", r"(?i)xxl"),
        Panel("XXL-JOB", TOMCATS_NOT_FOUND, beside=("/xxl-job-admin/toLogin", r"<b>XXL</b>JOB")),
    ),
    "SENTINEL": (Panel("Sentinel Dashboard", r"^Sentinel Dashboard", r"(?i)dashboardApp|/app/scripts/|lib/sentinel"),),
    "SKYWALKING": (Panel("Apache SkyWalking", r"^(?:Apache )?SkyWalking$", r"(?i)<div id=.?app|skywalking"),),
    "APOLLO": (Panel("Apollo", r"Apollo(?: ?配置中心|-Portal)?$", r"(?i)apollo|ng-app=.?login"),),
    "ACTIVEMQ": (
        Panel("Apache ActiveMQ", header=("www-authenticate", r'(?i)realm="ActiveMQRealm"')),
        Panel("Apache ActiveMQ", r"^Apache ActiveMQ$", r"<h2>Welcome to the Apache ActiveMQ!</h2>"),
    ),
}

PROBES = tuple(panel_probe(service, panels) for service, panels in _PANELS.items())
