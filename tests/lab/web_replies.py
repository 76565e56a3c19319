"""What real products answer strangers, taken from their documentation: open, and with access control on.

``answers`` tables by product; the paths that a table does not hold are answered as the product answers unknown ones.
"""

from __future__ import annotations

from tests.lab.http_answers import Reply, data, page, redirect, text

Table = dict[str, Reply]

# --- Elasticsearch, OpenSearch, Kibana, Solr

_ELASTIC_HEADERS = {"X-elastic-product": "Elasticsearch"}
ELASTIC_NOT_FOUND = data({"error": "no handler found for uri [/x] and method [GET]"}, 400, **_ELASTIC_HEADERS)
ELASTIC_OPEN: Table = {
    "GET /": data(
        {
            "name": "node-1",
            "cluster_name": "lab",
            "cluster_uuid": "2gPZ0wRnQ9yVxkz3XlWQ3g",
            "version": {
                "number": "8.11.3",
                "build_flavor": "default",
                "build_type": "docker",
                "build_hash": "64cf052f3b56b1fd4449f5454cb88aca7e739d9a",
                "build_date": "2023-12-08T11:33:53.634979452Z",
                "build_snapshot": False,
                "lucene_version": "9.8.0",
                "minimum_wire_compatibility_version": "7.17.0",
                "minimum_index_compatibility_version": "7.0.0",
            },
            "tagline": "You Know, for Search",
        },
        **_ELASTIC_HEADERS,
    ),
    "GET /_cluster/health": data(
        {"cluster_name": "lab", "status": "green", "timed_out": False, "number_of_nodes": 1}, **_ELASTIC_HEADERS
    ),
}
_MISSING = {"type": "security_exception", "reason": "missing authentication credentials for REST request [/]"}
ELASTIC_REFUSES = data(
    {"error": {"root_cause": [_MISSING], **_MISSING}, "status": 401},
    401,
    WWW_Authenticate='Basic realm="security", charset="UTF-8"',
)
OPENSEARCH_REFUSES = text("Unauthorized", 401, WWW_Authenticate='Basic realm="OpenSearch Security"')

_KIBANA_HEADERS = {"kbn-name": "lab", "kbn-license-sig": "b7a5"}
KIBANA_STATUS = {"name": "lab", "uuid": "5b2de169", "version": {"number": "8.11.3"}, "status": {"overall": {}}}
KIBANA_OPEN: Table = {
    "GET /": redirect("/app/home", **_KIBANA_HEADERS),
    "GET /api/status": data(KIBANA_STATUS, **_KIBANA_HEADERS),
    "GET /app/home": page("Elastic", "<kbn-csp></kbn-csp>", **_KIBANA_HEADERS),
}
KIBANA_NOT_FOUND = data({"statusCode": 404, "error": "Not Found", "message": "Not Found"}, 404, **_KIBANA_HEADERS)
KIBANA_LOGIN: Table = {
    "GET /": redirect("/login?next=%2F", **_KIBANA_HEADERS),
    "GET /api/status": data(KIBANA_STATUS, **_KIBANA_HEADERS),
    "GET /app/home": redirect("/login?next=%2Fapp%2Fhome", **_KIBANA_HEADERS),
}

SOLR_OPEN: Table = {
    "GET /": redirect("/solr/"),
    "GET /solr/": page("Solr Admin", '<div ng-app="solrAdminApp"></div>'),
    "GET /solr/admin/info/system?wt=json": data(
        {"responseHeader": {"status": 0}, "mode": "std", "lucene": {"solr-spec-version": "9.4.0"}}
    ),
}
SOLR_REFUSES: Table = {
    **SOLR_OPEN,
    "GET /solr/admin/info/system?wt=json": page("Error 401", "", 401, WWW_Authenticate='Basic realm="solr"'),
}

# --- CouchDB, ClickHouse, InfluxDB, Neo4j, vector databases

_COUCHDB = {"Server": "CouchDB/3.3.3 (Erlang OTP/24)"}
_COUCHDB_WELCOME = data({"couchdb": "Welcome", "version": "3.3.3", "vendor": {"name": "The Apache"}}, **_COUCHDB)
COUCHDB_NOT_FOUND = data({"error": "not_found", "reason": "Database does not exist."}, 404, **_COUCHDB)
COUCHDB_PARTY: Table = {
    "GET /": _COUCHDB_WELCOME,
    "GET /_session": data({"ok": True, "userCtx": {"name": None, "roles": ["_admin"]}, "info": {}}, **_COUCHDB),
}
COUCHDB_REFUSES: Table = {
    "GET /": _COUCHDB_WELCOME,
    "GET /_session": data({"ok": True, "userCtx": {"name": None, "roles": []}, "info": {}}, **_COUCHDB),
    "GET /_all_dbs": data({"error": "unauthorized", "reason": "You are not a server admin."}, 401, **_COUCHDB),
}

CLICKHOUSE_NOT_FOUND = text("There is no handle /x\n", 404, X_ClickHouse_Exception_Code="0")
CLICKHOUSE_OPEN: Table = {
    "GET /": text("Ok.\n"),
    "GET /?query=SELECT%20version()": text("24.3.2.23\n", X_ClickHouse_Format="TabSeparated"),
}
CLICKHOUSE_REFUSES: Table = {
    "GET /": text("Ok.\n"),
    "GET /?query=SELECT%20version()": text(
        "Code: 516. DB::Exception: default: Authentication failed. (AUTHENTICATION_FAILED)\n",
        403,
        X_ClickHouse_Exception_Code="516",
    ),
}

_INFLUX1 = {"X-Influxdb-Version": "1.8.10", "X-Influxdb-Build": "OSS"}
INFLUX_OPEN: Table = {
    "GET /ping": Reply(204, headers=tuple(_INFLUX1.items())),
    "GET /query?q=SHOW%20DATABASES": data(
        {"results": [{"statement_id": 0, "series": [{"name": "databases", "columns": ["name"]}]}]}, **_INFLUX1
    ),
}
_INFLUX2 = {"X-Influxdb-Version": "v2.7.1", "X-Influxdb-Build": "OSS"}
INFLUX2_SET_UP: Table = {
    "GET /": page("InfluxDB", **_INFLUX2),
    "GET /ping": Reply(204, headers=tuple(_INFLUX2.items())),
    "GET /api/v2/setup": data({"allowed": False}, **_INFLUX2),
}

NEO4J_DISCOVERY: Table = {
    "GET /": data(
        {
            "bolt_routing": "neo4j://127.0.0.1:7687",
            "transaction": "http://127.0.0.1:7474/db/{databaseName}/tx",
            "bolt_direct": "bolt://127.0.0.1:7687",
            "neo4j_version": "5.12.0",
            "neo4j_edition": "community",
        }
    )
}

_QDRANT_ROOT = data({"title": "qdrant - vector search engine", "version": "1.7.4", "commit": "3a1d3f8"})
QDRANT_OPEN: Table = {
    "GET /": _QDRANT_ROOT,
    "GET /collections": data({"result": {"collections": []}, "status": "ok", "time": 0.00001}),
}
QDRANT_REFUSES: Table = {
    "GET /": _QDRANT_ROOT,
    "GET /collections": text("Must provide an API key or an Authorization bearer token", 401),
}
FASTAPI_NOT_FOUND = data({"detail": "Not Found"}, 404, server="uvicorn")
CHROMA_OPEN: Table = {
    "GET /api/v2/heartbeat": data({"nanosecond heartbeat": 1700000000000000000}),
    "GET /api/v2/tenants/default_tenant": data({"name": "default_tenant"}),
}
CHROMA_REFUSES: Table = {
    **CHROMA_OPEN,
    "GET /api/v2/tenants/default_tenant": data({"error": "AuthError", "message": "Forbidden"}, 403),
}
WEAVIATE_NOT_FOUND = data({"code": 404, "message": "path / was not found"}, 404)
WEAVIATE_OPEN: Table = {
    "GET /v1/meta": data({"hostname": "http://[::]:8080", "modules": {}, "version": "1.23.0"}),
}
WEAVIATE_REFUSES: Table = {
    "GET /v1/meta": data({"code": 401, "message": "anonymous access not enabled. Please authenticate"}, 401),
}

# --- Nacos, Eureka, Consul, Nomad, Vault

_NACOS_STATE = data({"version": "2.2.3", "standalone_mode": "standalone", "auth_enabled": "true"})
_NACOS_SERVICES = "GET /nacos/v1/ns/catalog/services?pageNo=1&pageSize=1"
NACOS_OPEN: Table = {
    "GET /nacos/v1/console/server/state": _NACOS_STATE,
    _NACOS_SERVICES: data({"serviceList": [], "count": 0}),
}
NACOS_REFUSES: Table = {
    "GET /nacos/v1/console/server/state": _NACOS_STATE,
    _NACOS_SERVICES: data({"status": 403, "error": "Forbidden", "message": "user not found!"}, 403),
}
EUREKA_OPEN: Table = {
    "GET /": page("Eureka", "<h1>System Status</h1>"),
    "GET /eureka/apps": Reply(
        200,
        b"<applications>\n  <versions__delta>1</versions__delta>\n  <apps__hashcode></apps__hashcode>\n</applications>",
        (("Content-Type", "application/xml"),),
    ),
}
EUREKA_REFUSES: Table = {
    "GET /": page("Eureka", "<h1>System Status</h1>"),
    "GET /eureka/apps": data({"status": 401, "error": "Unauthorized"}, 401, WWW_Authenticate='Basic realm="Realm"'),
}
CONSUL_OPEN: Table = {
    "GET /": redirect("/ui/"),
    "GET /v1/agent/self": data(
        {
            "Config": {"Datacenter": "dc1", "NodeName": "lab", "Server": True, "Version": "1.15.2"},
            "DebugConfig": {"EnableLocalScriptChecks": False, "EnableRemoteScriptChecks": False},
        }
    ),
}
CONSUL_SCRIPTS: Table = {
    **CONSUL_OPEN,
    "GET /v1/agent/self": data(
        {
            "Config": {"Datacenter": "dc1", "NodeName": "lab", "Server": True, "Version": "1.15.2"},
            "DebugConfig": {"EnableLocalScriptChecks": True, "EnableRemoteScriptChecks": True},
        }
    ),
}
CONSUL_REFUSES: Table = {
    "GET /": redirect("/ui/"),
    "GET /v1/agent/self": text("Permission denied: anonymous token lacks permission 'agent:read' on \"lab\"", 403),
    "GET /v1/status/leader": data("127.0.0.1:8300"),
}
NOMAD_OPEN: Table = {"GET /": redirect("/ui/"), "GET /v1/jobs": data([], X_Nomad_Index="7", X_Nomad_KnownLeader="true")}
NOMAD_REFUSES: Table = {
    "GET /": redirect("/ui/"),
    "GET /ui/": page("Nomad"),
    "GET /v1/jobs": text("Permission denied", 403),
}
_SEAL = {"type": "shamir", "sealed": True, "t": 3, "n": 5, "progress": 0, "version": "1.15.4"}
VAULT_NEW: Table = {
    "GET /": redirect("/ui/"),
    "GET /v1/sys/seal-status": data({**_SEAL, "initialized": False, "t": 0, "n": 0}),
}
VAULT_READY: Table = {"GET /": redirect("/ui/"), "GET /v1/sys/seal-status": data({**_SEAL, "initialized": True})}

# --- Hadoop and computing platforms

_NEGOTIATE = {"WWW-Authenticate": "Negotiate", "Set-Cookie": "hadoop.auth=; Path=/; HttpOnly"}
KERBEROS = page("Error 401 Authentication required", "", 401, **_NEGOTIATE)
YARN_OPEN: Table = {
    "GET /": redirect("/cluster"),
    "GET /ws/v1/cluster/info": data(
        {"clusterInfo": {"id": 1, "state": "STARTED", "haState": "ACTIVE", "resourceManagerVersion": "3.3.6"}}
    ),
}
HDFS_OPEN: Table = {
    "GET /": page("Hadoop Administration"),
    "GET /webhdfs/v1/?op=GETFILESTATUS": data({"FileStatus": {"pathSuffix": "", "type": "DIRECTORY"}}),
}
HBASE_OPEN: Table = {
    "GET /": redirect("/master-status"),
    "GET /master-status": page("Master: lab", "<h2>Software Attributes</h2><td>HBase Version</td>"),
}
SPARK_MASTER: Table = {
    "GET /": page("Spark Master at spark://lab:7077", '<span class="version" style="">3.5.0</span>'),
}
SPARK_WORKER: Table = {"GET /": page("Spark Worker at 10.0.0.2:40123")}
FLINK_OPEN: Table = {
    "GET /": page("Apache Flink Web Dashboard"),
    "GET /config": data({"refresh-interval": 3000, "timezone-name": "UTC", "flink-version": "1.17.1"}),
}
RAY_OPEN: Table = {
    "GET /": page("Ray Dashboard"),
    "GET /api/version": data({"version": "4", "ray_version": "2.8.0", "ray_commit": "105355bd253d6538ed34d331f6a4bdf"}),
    "GET /api/jobs/": data([]),
}
_AIRFLOW_HEALTH = data({"metadatabase": {"status": "healthy"}, "scheduler": {"status": "healthy"}})
AIRFLOW_OPEN: Table = {"GET /": redirect("/home"), "GET /health": _AIRFLOW_HEALTH, "GET /home": page("DAGs - Airflow")}
AIRFLOW_LOGIN: Table = {
    "GET /": redirect("/home"),
    "GET /health": _AIRFLOW_HEALTH,
    "GET /home": redirect("/login/?next=http%3A%2F%2Flab%2Fhome"),
}
XXL_JOB: Reply = data({"code": 500, "msg": "invalid request, HttpMethod not support."})
DRUID_OPEN: Table = {
    "GET /": redirect("/unified-console.html"),
    "GET /status": data({"version": "27.0.0", "modules": [{"name": "org.apache.druid.guice.JettyHttpClientModule"}]}),
}
_ZEPPELIN: Table = {
    "GET /": page("Zeppelin"),
    "GET /api/version": data({"status": "OK", "message": "Zeppelin version", "body": {"version": "0.10.1"}}),
}
ZEPPELIN_OPEN: Table = {
    **_ZEPPELIN,
    "GET /api/security/ticket": data({"status": "OK", "body": {"principal": "anonymous", "ticket": "anonymous"}}),
}
ZEPPELIN_LOGIN: Table = {**_ZEPPELIN, "GET /api/security/ticket": redirect("/api/login")}
SUPERSET_LOGIN: Table = {
    "GET /": redirect("/superset/welcome/"),
    "GET /superset/welcome/": redirect("/login/?next=http://lab/superset/welcome/"),
    "GET /api/v1/dashboard/?q=(page_size:1)": data({"msg": "Missing Authorization Header"}, 401),
}

# --- Containers

DOCKER_NOT_FOUND = data({"message": "page not found"}, 404)
_DOCKER = {"Api-Version": "1.43", "Docker-Experimental": "false", "Ostype": "linux", "Server": "Docker/24.0.7 (linux)"}
DOCKER_OPEN: Table = {
    "GET /version": data(
        {
            "Platform": {"Name": "Docker Engine - Community"},
            "Components": [{"Name": "Engine", "Version": "24.0.7"}],
            "Version": "24.0.7",
            "ApiVersion": "1.43",
            "Os": "linux",
        },
        **_DOCKER,
    ),
    "GET /_ping": text("OK", **_DOCKER),
}
DOCKER_AUTHZ = data({"message": "authorization denied by plugin opa: request rejected"}, 403)
KUBELET_OPEN: Table = {"GET /pods": data({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": []})}
KUBELET_REFUSES = text("Unauthorized", 401)
KUBELET_FORBIDS = text("Forbidden (user=system:anonymous, verb=get, resource=nodes, subresource=proxy)", 403)
_K8S_VERSION = data({"major": "1", "minor": "28", "gitVersion": "v1.28.4", "gitCommit": "bae2c62", "platform": "x"})
K8S_OPEN: Table = {
    "GET /": data({"paths": ["/.well-known/openid-configuration", "/api", "/api/v1", "/apis"]}),
    "GET /version": _K8S_VERSION,
    "GET /api/v1/namespaces?limit=1": data({"kind": "NamespaceList", "apiVersion": "v1", "items": []}),
}
K8S_FORBIDS = data(
    {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'forbidden: User "system:anonymous" cannot get path "/"',
        "reason": "Forbidden",
        "code": 403,
    },
    403,
)
K8S_VERSION_ONLY: Table = {"GET /version": _K8S_VERSION}
_PORTAINER: Table = {
    "GET /": page("Portainer"),
    "GET /api/status": data({"Version": "2.19.4", "InstanceID": "299ab403-70a8-4c05-92f7-bf7a994d50df"}),
}
PORTAINER_UNCLAIMED: Table = {
    **_PORTAINER,
    "GET /api/users/admin/check": data({"message": "No administrator account found inside the database"}, 404),
}
PORTAINER_CLAIMED: Table = {**_PORTAINER, "GET /api/users/admin/check": Reply(204)}

# --- Tools of software teams, notebooks, models

_JENKINS = {"X-Jenkins": "2.426.2", "Server": "Jetty(10.0.18)"}
JENKINS_OPEN: Table = {
    "GET /": page("Dashboard [Jenkins]", **_JENKINS),
    "GET /script": page("Jenkins", f"<!-- {'menu ' * 1000} --><h1>Script Console</h1>", **_JENKINS),
    "GET /api/json?tree=mode": data({"_class": "hudson.model.Hudson", "mode": "NORMAL"}, **_JENKINS),
}
JENKINS_FORBIDS = page("", "Authentication required", 403, **_JENKINS)
JENKINS_READS: Table = {
    "GET /": page("Dashboard [Jenkins]", **_JENKINS),
    "GET /api/json?tree=mode": data({"_class": "hudson.model.Hudson", "mode": "NORMAL"}, **_JENKINS),
}
_SONAR: Table = {
    "GET /": page("SonarQube"),
    "GET /api/system/status": data({"id": "20231201", "version": "9.9.3.79811", "status": "UP"}),
}
_SONAR_SEARCH = "GET /api/components/search_projects?ps=1"
SONAR_OPEN: Table = {**_SONAR, _SONAR_SEARCH: data({"paging": {"total": 0}, "components": [], "facets": []})}
SONAR_REFUSES: Table = {**_SONAR, _SONAR_SEARCH: Reply(401)}
GITLAB: Table = {
    "GET /": redirect("/users/sign_in", **{"Set-Cookie": "_gitlab_session=abc; path=/", "X-Gitlab-Meta": "{}"})
}
GITEA: Table = {
    "GET /": page("Gitea: Git with a cup of tea", **{"Set-Cookie": "i_like_gitea=8d1; Path=/; HttpOnly"}),
    "GET /api/v1/version": data({"version": "1.21.3"}),
}
NEXUS: Table = {"GET /": page("Nexus Repository Manager", Server="Nexus/3.63.0-01 (OSS)")}
NODE_INSPECTOR: Table = {
    "GET /json/version": data({"Browser": "node.js/v18.19.0", "Protocol-Version": "1.1"}),
}
NODE_OTHERWISE = text("WebSockets request was expected", 400)
_TORNADO = {"Server": "TornadoServer/6.4"}
JUPYTER_OPEN: Table = {
    "GET /": redirect("/tree?", **_TORNADO),
    "GET /api": data({"version": "2.12.1"}, **_TORNADO),
    "GET /api/status": data({"connections": 0, "kernels": 0, "last_activity": "2026-01-01T00:00:00Z"}, **_TORNADO),
}
JUPYTER_TOKEN: Table = {
    "GET /": redirect("/login?next=%2Ftree%3F", **_TORNADO),
    "GET /api": data({"version": "2.12.1"}, **_TORNADO),
    "GET /api/status": data({"message": "Forbidden", "reason": None}, 403, **_TORNADO),
}
OLLAMA_OPEN: Table = {
    "GET /": text("Ollama is running"),
    "GET /api/version": data({"version": "0.3.12"}),
    "GET /api/tags": data({"models": []}),
}
VLLM_OPEN: Table = {
    "GET /v1/models": data({"object": "list", "data": [{"id": "lab", "object": "model", "owned_by": "vllm"}]}),
    "GET /version": data({"version": "0.6.3"}),
}
_LLAMA_CPP = {"Server": "llama.cpp"}
LLAMA_CPP_OPEN: Table = {
    "GET /": text("Error: gzip is not supported by this browser", **_LLAMA_CPP),
    "GET /props": data({"default_generation_settings": {"n_ctx": 4096}, "total_slots": 1}, **_LLAMA_CPP),
}
_WRONG_KEY = {"error": {"code": 401, "message": "Invalid API Key", "type": "authentication_error"}}
LLAMA_CPP_WITH_A_KEY: Table = {
    **LLAMA_CPP_OPEN,
    "GET /v1/models": data({"object": "list", "data": [{"id": "lab", "owned_by": "llamacpp"}]}, **_LLAMA_CPP),
    "GET /props": data(_WRONG_KEY, 401, **_LLAMA_CPP),
}
"""llama.cpp's server as its source has it (tools/server/server-http.cpp)."""
OTHER_MODELS: Table = {
    "GET /v1/models": data({"object": "list", "data": [{"id": "lab", "object": "model", "owned_by": "somebody"}]}),
}
COMFYUI_OPEN: Table = {
    "GET /": page("ComfyUI"),
    "GET /system_stats": data(
        {
            "system": {"os": "posix", "comfyui_version": "0.3.10", "python_version": "3.11.2"},
            "devices": [{"name": "cpu", "vram_total": 0}],
        }
    ),
}


def open_webui(*, auth: bool) -> Table:
    """Return Open WebUI with or without a log-in."""
    config = {"status": True, "name": "Open WebUI", "version": "0.5.4", "features": {"auth": auth}}
    return {"GET /": page("Open WebUI"), "GET /api/config": data(config)}


LANGFLOW: Table = {
    "GET /": page("Langflow"),
    "GET /api/v1/version": data({"version": "1.1.1", "main_version": "1.1.1", "package": "Langflow"}),
}

# --- Storage, monitoring, consoles


_S3 = (("Content-Type", "application/xml"), ("Server", "MinIO"))
MINIO_DENIES = Reply(403, b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", _S3)
MINIO_OPEN: Table = {"GET /": Reply(200, b"<ListAllMyBucketsResult></ListAllMyBucketsResult>", _S3)}
_DAV = {"DAV": "1, 2", "Allow": "OPTIONS, GET, HEAD, PROPFIND"}
_WEBDAV: Table = {"GET /": page("Files", **_DAV), "OPTIONS /": Reply(200, headers=tuple(_DAV.items()))}
WEBDAV_OPEN: Table = {**_WEBDAV, "PROPFIND /": text('<D:multistatus xmlns:D="DAV:"></D:multistatus>', 207)}
WEBDAV_OF_NGINX: Table = {
    **WEBDAV_OPEN,
    "GET /": page("Files"),
    "OPTIONS /": Reply(200, headers=(("DAV", "2"), ("Allow", "GET,PROPFIND"))),
}
"""With locks, nginx's ngx_http_dav_ext_module names the second class alone."""
WEBDAV_REFUSES: Table = {**_WEBDAV, "PROPFIND /": text("", 401, WWW_Authenticate='Basic realm="files"')}
_GRAFANA_HEALTH = data({"commit": "1e84fede54", "database": "ok", "version": "10.2.2"})
GRAFANA_OPEN: Table = {
    "GET /": page("Grafana"),
    "GET /api/health": _GRAFANA_HEALTH,
    "GET /api/org": data({"id": 1, "name": "Main Org.", "address": {}}),
}
GRAFANA_LOGIN: Table = {
    "GET /": redirect("/login", **{"Set-Cookie": "redirect_to=%2F; Path=/; HttpOnly"}),
    "GET /api/health": _GRAFANA_HEALTH,
    "GET /api/org": data({"message": "Unauthorized"}, 401),
}
_NETDATA = {"Server": "Netdata Embedded HTTP Server v1.44.0"}
NETDATA_OPEN: Table = {
    "GET /": page("Netdata Agent Console", **_NETDATA),
    "GET /api/v1/info": data({"version": "v1.44.0", "uid": "0d6e", "mirrored_hosts": ["lab"]}, **_NETDATA),
}
NETDATA_DENIES = text("You are not allowed to access this resource.", 403, **_NETDATA)
RABBIT_LOGIN: Table = {
    "GET /": page("RabbitMQ Management"),
    "GET /api/overview": data(
        {"error": "not_authorized", "reason": "Login failed"}, 401, WWW_Authenticate='Basic realm="RabbitMQ Management"'
    ),
}
MONGO_EXPRESS_OPEN: Table = {"GET /": page("Home - Mongo Express", "<h4>Databases</h4>")}
PGADMIN_LOGIN: Table = {
    "GET /": redirect("/login?next=/", **{"Set-Cookie": "pga4_session=1; Path=/; HttpOnly"}),
}
SPLUNK: Table = {"GET /": Reply(200, b"<?xml version='1.0'?><feed/>", (("Server", "Splunkd"),))}
GRAYLOG: Table = {"GET /": page("Graylog Web Interface", **{"X-Graylog-Node-ID": "6f8a"})}
CUPS_FORBIDS = page("Forbidden - CUPS v2.4.2", "<h1>Forbidden</h1>", 403, Server="CUPS/2.4 IPP/2.1")

# --- More that is known by its first page, or by one public answer

ARGO_CD: Table = {"GET /": page("Argo CD"), "GET /api/version": data({"Version": "v2.9.3+6eba5be"})}
HARBOR: Table = {
    "GET /": page("Harbor"),
    "GET /api/v2.0/systeminfo": data({"auth_mode": "db_auth", "self_registration": False, "primary_auth_mode": False}),
}
RANCHER: Table = {"GET /": data({"type": "collection"}, X_Api_Cattle_Auth="false", X_Rancher_Version="v2.8.0")}
KUBERNETES_DASHBOARD: Table = {"GET /": page("Kubernetes Dashboard", "<kd-root></kd-root>")}
TIDB_OPEN: Table = {"GET /status": data({"connections": 0, "version": "8.0.11-TiDB-v7.5.0", "git_hash": "069631e"})}
WINRM_REFUSES: Table = {
    "POST /wsman": Reply(401, headers=(("Server", "Microsoft-HTTPAPI/2.0"), ("WWW-Authenticate", "Negotiate")))
}
HTTP_API_NOT_FOUND = page("Not Found", "<h2>Not Found</h2>", 404, Server="Microsoft-HTTPAPI/2.0")
