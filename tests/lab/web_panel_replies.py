"""What brokers, automation and administration panels answer strangers, taken from their documentation and sources."""

from __future__ import annotations

from tests.lab.http_answers import Reply, data, page, redirect, text
from tests.lab.web_replies import Table

LOGIN_FORM = '<form method="post"><input name="user"><input type="password" name="pass"></form>'

# --- Brokers, vector database, logs

MILVUS_OPEN: Table = {"GET /v1/vector/collections": data({"code": 200, "data": ["book"]})}
MILVUS_REFUSES: Table = {
    "GET /v1/vector/collections": data({"code": 1800, "message": "user hasn't authenticated"}, 401),
}
NSQD: Table = {
    "GET /info": data(
        {"version": "1.2.1", "broadcast_address": "lab", "hostname": "lab", "http_port": 4151, "tcp_port": 4150}
    ),
}
NSQD_NOT_FOUND = data({"message": "NOT_FOUND"}, 404)
NSQADMIN: Table = {
    "GET /": page("nsqadmin"),
    "GET /api/topics": data({"topics": ["orders"], "message": ""}),
}
_BROKER = {"broker-address": "lab"}
PULSAR_OPEN: Table = {
    "GET /admin/v2/clusters": data(["standalone"], **_BROKER),
    "GET /admin/v2/tenants": data(["public", "pulsar"], **_BROKER),
}
PULSAR_NOT_FOUND = page("Error 404 Not Found", "<h2>HTTP ERROR 404</h2>", 404, **_BROKER)
PULSAR_REFUSES: Table = {
    "GET /admin/v2/clusters": text("HTTP 401 Authentication required", 401, **_BROKER),
    "GET /admin/v2/tenants": text("HTTP 401 Authentication required", 401, **_BROKER),
}
ROCKETMQ_OPEN: Table = {
    "GET /": page("RocketMQ-Dashboard"),
    "GET /cluster/list.query": data({"status": 0, "data": {"clusterInfo": {"brokerAddrTable": {}}}, "errMsg": None}),
}
ROCKETMQ_LOGIN: Table = {
    "GET /": page("RocketMQ-Dashboard"),
    "GET /cluster/list.query": redirect("/login?redirect=/cluster/list.query"),
}
LOKI_OPEN: Table = {
    "GET /loki/api/v1/labels": data({"status": "success", "data": ["app"]}),
    "GET /loki/api/v1/status/buildinfo": data({"version": "2.9.2", "revision": "a17308db6", "branch": "HEAD"}),
}
LOKI_TENANTS: Table = {**LOKI_OPEN, "GET /loki/api/v1/labels": text("no org id\n", 401)}

# --- Automation

PUPPETDB: Table = {
    "GET /": redirect("/pdb/dashboard/index.html"),
    "GET /pdb/dashboard/index.html": page("PuppetDB: Dashboard"),
    "GET /pdb/meta/v1/version": data({"version": "7.12.1"}),
    "GET /pdb/query/v4/nodes?limit=1": data([{"certname": "lab.test", "deactivated": None}]),
}
PUPPET_SERVER: Table = {
    "GET /puppet-ca/v1/certificate/ca": text("-----BEGIN CERTIFICATE-----\nMIIFfjCCA2agAwIBAgIBATANBgkq\n"),
}
AWX: Table = {
    "GET /": page("AWX"),
    "GET /api/v2/ping/": data(
        {"ha": False, "version": "21.14.0", "active_node": "awx-1", "install_uuid": "5a1c", "instances": []}
    ),
}
SALT: Table = {
    "GET /": data(
        {"return": "Welcome", "clients": ["local", "local_async", "local_batch", "runner", "wheel"]},
        Server="CherryPy/18.8.0",
    ),
}

# --- Applications of models

DIFY_NEW: Table = {
    "GET /": redirect("/apps"),
    "GET /apps": page("Dify"),
    "GET /console/api/setup": data({"step": "not_started", "setup_at": None}),
}
DIFY_READY: Table = {**DIFY_NEW, "GET /console/api/setup": data({"step": "finished", "setup_at": "2026-01-01"})}
_GRADIO = (
    '<script>window.__gradio_mode__ = "app";</script><script>window.gradio_config = {"version":"4.44.1"};</script>'
)
GRADIO_OPEN: Table = {
    "GET /": page("Gradio", _GRADIO),
    "GET /config": data({"version": "4.44.1", "mode": "interface", "components": []}),
}
GRADIO_LOGIN: Table = {"GET /": page("Gradio", _GRADIO), "GET /config": data({"detail": "Not authenticated"}, 401)}

# --- Databases' consoles

PHPMYADMIN_LOGIN: Table = {
    "GET /": page(
        "phpMyAdmin",
        '<form><input name="pma_username"><input type="password" name="pma_password"></form>',
        **{"Set-Cookie": "phpMyAdmin=8d1f; path=/; HttpOnly"},
    ),
}
PHPMYADMIN_OPEN: Table = {
    "GET /": page(
        "localhost / localhost | phpMyAdmin 5.2.1",
        f'<div id="pma_navigation">{"<ul></ul>" * 800}</div>',
        **{"Set-Cookie": "phpMyAdmin=8d1f; path=/; HttpOnly"},
    ),
}

# --- Panels of servers, hypervisors, devices

WEBMIN: Table = {"GET /": page("Login to Webmin", LOGIN_FORM, Server="MiniServ/2.105")}
CPANEL: Table = {"GET /": page("WHM Login", f'<div id="login_form">{LOGIN_FORM}</div>', Server="cpsrvd")}
PLESK: Table = {
    "GET /": redirect("/login_up.php"),
    "GET /login_up.php": page("Plesk Obsidian 18.0.60", f'<script src="plesk-ui-library.js"></script>{LOGIN_FORM}'),
}
BT_ENTRANCE: Table = {"GET /": page("安全入口校验失败", "<h1>请使用正确的入口登录面板</h1>", 404)}
BT_LOGIN: Table = {
    "GET /": redirect("/login"),
    "GET /login": page("宝塔Linux面板", f'<link href="/static/css/site.css">{LOGIN_FORM}'),
}
ONE_PANEL: Table = {
    "GET /": page("loading...", '<link rel="icon" href="/fav/favicon.png"><div id="app"></div>'),
    "GET /api/v1/auth/issafety": data({"code": 200, "message": "", "data": "disable"}),
}
PROXMOX: Table = {
    "GET /": page(
        "lab - Proxmox Virtual Environment", "<script>Proxmox.UserName='';</script>", Server="pve-api-daemon/3.0"
    ),
}
ESXI: Table = {
    "GET /": Reply(
        200,
        b'<html><head><script>document.write("<title>" + ID_EESX_Welcome + "</title>");</script></head></html>',
        (("Content-Type", "text/html"),),
    ),
}
ILO: Table = {"GET /": page("iLO 5", "", Server="HPE-iLO-Server/1.30")}
IDRAC: Table = {
    "GET /": redirect("/restgui/start.html"),
    "GET /restgui/start.html": page("iDRAC9", "<idrac-start-screen></idrac-start-screen>"),
}
ROUTEROS: Table = {"GET /": page("RouterOS router configuration page", "<h1>RouterOS v6.49.10</h1>mikrotik")}
EWEB: Table = {"GET /": page("锐捷网络-EWEB网管系统", LOGIN_FORM)}
FIREWALL: Table = {"GET /": page("天融信下一代防火墙", LOGIN_FORM)}
PFSENSE: Table = {"GET /": page("pfSense - Login", f'<input id="usernamefld">{LOGIN_FORM}')}
NAGIOS: Table = {
    "GET /": redirect("/nagios/"),
    "GET /nagios/": page("401 Unauthorized", "", 401, WWW_Authenticate='Basic realm="Nagios Access"'),
}
ZABBIX: Table = {
    "GET /": page(
        "Lab: Zabbix", f"{LOGIN_FORM}<footer>Zabbix SIA</footer>", **{"Set-Cookie": "zbx_session=x; HttpOnly"}
    ),
}

# --- Business systems and consoles of middleware


def _cookie(value: str) -> Reply:
    return redirect("/login", **{"Set-Cookie": value})


BUSINESS: dict[int, Reply] = {
    8201: _cookie("ecology_JSESSIONID=aaa; path=/"),
    8202: redirect("/seeyon/index.jsp"),
    8203: page("YONYOU NC", '<a href="/nc/login">uclient</a>'),
    8204: redirect("/k3cloud/html5/index.aspx"),
    8205: page("Office Anywhere 2017版", f'<form action="logincheck.php">{LOGIN_FORM}</form>'),
    8206: page("蓝凌EKP", f'<div class="lui_login_form">{LOGIN_FORM}</div>'),
    8207: redirect("/defaultroot/login.jsp"),
    8208: redirect("/webroot/decision/login"),
    8209: _cookie("zentaosid=8d1f; path=/"),
    8210: page("登录若依系统", f'<script src="/ruoyi/login.js"></script>{LOGIN_FORM}'),
    8211: _cookie("jms_sessionid=8d1f; path=/"),
    8212: page("iSecure Center", '<script src="/portal/ui/app.js"></script>'),
    8213: page("DSS", '<script src="/WPMS/asset/lib/app.js"></script>'),
}
"""Each is one product of those that are reported as business systems."""

XXL_JOB_ADMIN: Table = {"GET /": redirect("/xxl-job-admin/toLogin")}
SENTINEL: Table = {"GET /": page("Sentinel Dashboard", '<div ng-app="sentinelDashboardApp"></div>')}
SKYWALKING: Table = {"GET /": page("SkyWalking", '<div id="app"></div>')}
APOLLO: Table = {"GET /": page("Apollo配置中心", f'<body class="apollo">{LOGIN_FORM}')}
ACTIVEMQ = page("Error 401 Unauthorized", "", 401, WWW_Authenticate='basic realm="ActiveMQRealm"')

LOOK_ALIKES: dict[int, Reply] = {
    8101: page("San Francisco Gateway Hotel", LOGIN_FORM),
    8102: page("华为云 - 登录", LOGIN_FORM),
    8103: page("天融信下一代防火墙 产品介绍"),
    8104: page("Plesk or cPanel? A comparison", Server="Apache"),
    8105: page("Hello", X_Powered_By="PleskLin"),
    8106: page("宝塔面板使用教程"),
    8107: page("loading...", "<div id=app></div>"),
    8108: page("nsqadmin"),
    8109: page("RocketMQ Dashboard"),
    8110: redirect("/apps"),
    8111: data({"return": "Welcome", "clients": []}),
    8112: page("AWX"),
    8113: page("phpMyAdmin 使用手册"),
    8114: page("About Gradio", "how __gradio_mode__ works"),
    8115: page("Portal", Set_Cookie="cockpit=1"),
    8116: page("iDRAC explained", "for beginners"),
    8117: page("Adminer: a database tool"),
    8118: page("Nagios: an introduction"),
    8119: page("How we moved to Zabbix"),
    8120: page("PuppetDB in practice"),
    8121: text("not found", 404, Server="Xapian"),
    8122: page("OPNsense and OpenWrt compared: LuCI"),
    8124: page("若依：一个后台管理框架的介绍"),
    8125: page("蓝凌公司新闻"),
    8126: page("金蝶云产品介绍", "<p>财务软件</p>"),
    8127: page("任务调度中心"),
    8128: page("Sentinel Dashboard explained"),
    8129: page("Apollo 登月计划", "<p>Moon</p>"),
    8130: page("SkyWalking in practice"),
    8131: text("Unauthorized", 401, WWW_Authenticate='Basic realm="ActiveMQ course"'),
    8132: page("DSS", "<p>Decision support</p>"),
    8133: page("Metrics of nature: varz"),
    8123: page("Proxmox Virtual Environment, explained"),
}
"""Pages that carry a product's name, or some of its marks, and nothing that only the product would say."""
