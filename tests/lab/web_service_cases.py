"""Services that speak HTTP and that Debian doesn't ship, by their documented answers: open, closed, on odd ports."""

from __future__ import annotations

from tests.lab import web_replies as web
from tests.lab.access import access_case, exposed, unauth
from tests.lab.case import Start
from tests.lab.http_answers import GO_NOT_FOUND, TOMCAT_NOT_FOUND, Reply, answers, data, page, together

NOT_FOUND = page("Not Found", "<h1>Not Found</h1>", 404)

USUAL_PORTS = (
    "2375,2379,4646,5000,5601,5984,8081,8088,8123,8188,8200,8265,8500,8848,8888,9090,9100,9200,9229,9870,9999,"
    "10080,11434,16010"
)
BEHIND_A_LOGIN = frozenset(
    f"SVC-{code}-UNAUTH"
    for code in (
        *("COMFYUI", "DEBUG", "DRUID", "FLINK", "HBASE", "MONGO-EXPRESS", "OLLAMA", "PROMETHEUS", "RAY", "REGISTRY"),
        "TIDB",
    )
)
"""Services that ship without a log-in and get one from a proxy before them, which alone then answers."""


def _everywhere(answer: Reply) -> Start:
    return together(*(answers(int(port), {}, answer) for port in USUAL_PORTS.split(",")))


DATABASES = (
    access_case(
        "web-databases-open",
        1,
        together(
            answers(9200, web.ELASTIC_OPEN, web.ELASTIC_NOT_FOUND),
            answers(5601, web.KIBANA_OPEN, web.KIBANA_NOT_FOUND),
            answers(8983, web.SOLR_OPEN, NOT_FOUND),
            answers(5984, web.COUCHDB_PARTY, web.COUCHDB_NOT_FOUND),
            answers(8123, web.CLICKHOUSE_OPEN, web.CLICKHOUSE_NOT_FOUND),
            answers(8086, web.INFLUX_OPEN, GO_NOT_FOUND),
            answers(6333, web.QDRANT_OPEN, Reply(404)),
            answers(8000, web.CHROMA_OPEN, web.FASTAPI_NOT_FOUND),
            answers(8080, web.WEAVIATE_OPEN, web.WEAVIATE_NOT_FOUND),
        ),
        unauth(
            ELASTIC=9200,
            KIBANA=5601,
            SOLR=8983,
            COUCHDB=5984,
            CLICKHOUSE=8123,
            INFLUX=8086,
            QDRANT=6333,
            CHROMA=8000,
            WEAVIATE=8080,
        ),
    ),
    access_case(
        "web-databases-with-credentials",
        2,
        together(
            answers(9200, {}, web.ELASTIC_REFUSES),
            answers(9201, {}, web.OPENSEARCH_REFUSES),
            answers(5601, web.KIBANA_LOGIN, web.KIBANA_NOT_FOUND),
            answers(8983, web.SOLR_REFUSES, NOT_FOUND),
            answers(5984, web.COUCHDB_REFUSES, web.COUCHDB_NOT_FOUND),
            answers(8123, web.CLICKHOUSE_REFUSES, web.CLICKHOUSE_NOT_FOUND),
            answers(8086, web.INFLUX2_SET_UP, NOT_FOUND),
            answers(7474, web.NEO4J_DISCOVERY, Reply(404)),
            answers(6333, web.QDRANT_REFUSES, Reply(404)),
            answers(8000, web.CHROMA_REFUSES, web.FASTAPI_NOT_FOUND),
            answers(8080, web.WEAVIATE_REFUSES, web.WEAVIATE_NOT_FOUND),
        ),
        exposed(
            ELASTIC=9200,
            KIBANA=5601,
            SOLR=8983,
            COUCHDB=5984,
            CLICKHOUSE=8123,
            INFLUX=8086,
            NEO4J=7474,
            QDRANT=6333,
            CHROMA=8000,
            WEAVIATE=8080,
        )
        | exposed(ELASTIC=9201),
    ),
)

CONFIG_CENTRES = (
    access_case(
        "web-config-centres-open",
        3,
        together(
            answers(8848, web.NACOS_OPEN, TOMCAT_NOT_FOUND),
            answers(8761, web.EUREKA_OPEN, NOT_FOUND),
            answers(8500, web.CONSUL_OPEN, GO_NOT_FOUND),
            answers(8501, web.CONSUL_SCRIPTS, GO_NOT_FOUND),
            answers(4646, web.NOMAD_OPEN, GO_NOT_FOUND),
            answers(8200, web.VAULT_NEW, GO_NOT_FOUND),
        ),
        unauth(NACOS=8848, EUREKA=8761, CONSUL=8500, NOMAD=4646, VAULT=8200) | unauth(CONSUL=8501),
    ),
    access_case(
        "web-config-centres-public-by-design-only",
        4,
        together(
            answers(8848, web.NACOS_REFUSES, TOMCAT_NOT_FOUND),
            answers(8761, web.EUREKA_REFUSES, NOT_FOUND),
            answers(8500, web.CONSUL_REFUSES, GO_NOT_FOUND),
            answers(4646, web.NOMAD_REFUSES, GO_NOT_FOUND),
            answers(8200, web.VAULT_READY, GO_NOT_FOUND),
        ),
        exposed(NACOS=8848, EUREKA=8761, CONSUL=8500, NOMAD=4646, VAULT=8200),
    ),
)

COMPUTING = (
    access_case(
        "web-computing-open",
        7,
        together(
            answers(8088, web.YARN_OPEN, NOT_FOUND),
            answers(9870, web.HDFS_OPEN, NOT_FOUND),
            answers(16010, web.HBASE_OPEN, NOT_FOUND),
            answers(8080, web.SPARK_MASTER, NOT_FOUND),
            answers(8081, web.FLINK_OPEN, NOT_FOUND),
            answers(8265, web.RAY_OPEN, NOT_FOUND),
            answers(8082, web.AIRFLOW_OPEN, NOT_FOUND),
            answers(8888, web.DRUID_OPEN, NOT_FOUND),
            answers(8083, web.ZEPPELIN_OPEN, NOT_FOUND),
        ),
        unauth(
            HADOOP_YARN=8088,
            HDFS=9870,
            HBASE=16010,
            SPARK=8080,
            FLINK=8081,
            RAY=8265,
            AIRFLOW=8082,
            DRUID=8888,
            ZEPPELIN=8083,
        ),
    ),
    access_case(
        "web-computing-with-login",
        8,
        together(
            answers(8088, {}, web.KERBEROS),
            answers(9870, {}, web.KERBEROS),
            answers(8080, web.SPARK_WORKER, NOT_FOUND),
            answers(8082, web.AIRFLOW_LOGIN, NOT_FOUND),
            answers(8083, web.ZEPPELIN_LOGIN, NOT_FOUND),
            answers(8089, web.SUPERSET_LOGIN, NOT_FOUND),
            answers(9999, {}, web.XXL_JOB),
        ),
        exposed(HADOOP_YARN=8088, HDFS=9870, SPARK=8080, AIRFLOW=8082, ZEPPELIN=8083, SUPERSET=8089, XXL_JOB=9999),
    ),
)

CONTAINERS = (
    access_case(
        "web-containers-open",
        9,
        together(
            answers(2375, web.DOCKER_OPEN, web.DOCKER_NOT_FOUND),
            answers(10250, web.KUBELET_OPEN, GO_NOT_FOUND, tls=True),
            answers(10255, web.KUBELET_OPEN, GO_NOT_FOUND),
            answers(8080, web.K8S_OPEN, GO_NOT_FOUND),
            answers(9000, web.PORTAINER_UNCLAIMED, NOT_FOUND),
            answers(10080, web.TIDB_OPEN, GO_NOT_FOUND),
        ),
        unauth(DOCKER=2375, KUBELET=10250, K8S_API=8080, PORTAINER=9000, TIDB=10080) | unauth(KUBELET=10255),
    ),
    access_case(
        "web-containers-closed",
        10,
        together(
            answers(2375, {}, web.DOCKER_AUTHZ),
            answers(2376, web.DOCKER_OPEN, web.DOCKER_NOT_FOUND, tls=True, client_certificate=True),
            answers(10250, {}, web.KUBELET_REFUSES, tls=True),
            answers(10350, {}, web.KUBELET_FORBIDS, tls=True),
            answers(6443, web.K8S_VERSION_ONLY, web.K8S_FORBIDS, tls=True),
            answers(9000, web.PORTAINER_CLAIMED, NOT_FOUND),
            answers(8081, web.ARGO_CD, NOT_FOUND),
            answers(8082, web.HARBOR, NOT_FOUND),
            answers(8083, web.RANCHER, NOT_FOUND),
            answers(8084, web.KUBERNETES_DASHBOARD, NOT_FOUND),
            answers(5985, web.WINRM_REFUSES, web.HTTP_API_NOT_FOUND),
            answers(5357, {}, web.HTTP_API_NOT_FOUND),
        ),
        exposed(DOCKER=2375, KUBELET=10250, K8S_API=6443, PORTAINER=9000)
        | exposed(KUBELET=10350)
        | exposed(ARGOCD=8081, HARBOR=8082, RANCHER=8083, K8S_DASH=8084, WINRM=5985),
        ports="2375,2376,5357,5985,6443,8081-8084,9000,10250,10350",
        outcome="partial",
    ),
)

TEAMS = (
    access_case(
        "web-tools-and-models-open",
        12,
        together(
            answers(8080, web.JENKINS_OPEN, NOT_FOUND),
            answers(9000, web.SONAR_OPEN, NOT_FOUND),
            answers(9229, web.NODE_INSPECTOR, web.NODE_OTHERWISE),
            answers(8888, web.JUPYTER_OPEN, NOT_FOUND),
            answers(11434, web.OLLAMA_OPEN, GO_NOT_FOUND),
            answers(8000, web.VLLM_OPEN, web.FASTAPI_NOT_FOUND),
            answers(8188, web.COMFYUI_OPEN, NOT_FOUND),
            answers(3000, web.open_webui(auth=False), NOT_FOUND),
            answers(8082, web.LLAMA_CPP_OPEN, NOT_FOUND),
        ),
        unauth(
            JENKINS=8080, SONAR=9000, DEBUG=9229, JUPYTER=8888, OLLAMA=11434, VLLM=8000, COMFYUI=8188, OPENWEBUI=3000
        )
        | unauth(LLAMA_CPP=8082),
    ),
    access_case(
        "web-tools-and-models-closed",
        13,
        together(
            answers(8080, {}, web.JENKINS_FORBIDS),
            answers(8081, web.JENKINS_READS, web.JENKINS_FORBIDS),
            answers(9000, web.SONAR_REFUSES, NOT_FOUND),
            answers(8888, web.JUPYTER_TOKEN, NOT_FOUND),
            answers(3000, web.open_webui(auth=True), NOT_FOUND),
            answers(7860, web.LANGFLOW, NOT_FOUND),
            answers(8929, web.GITLAB, NOT_FOUND),
            answers(3001, web.GITEA, NOT_FOUND),
            answers(8085, web.NEXUS, NOT_FOUND),
            answers(8000, web.OTHER_MODELS, web.FASTAPI_NOT_FOUND),
            answers(8082, web.LLAMA_CPP_WITH_A_KEY, NOT_FOUND),
        ),
        exposed(
            JENKINS=8080, SONAR=9000, JUPYTER=8888, OPENWEBUI=3000, LANGFLOW=7860, GITLAB=8929, GITEA=3001, NEXUS=8085
        )
        | exposed(JENKINS=8081, LLAMA_CPP=8082),
        ports="3000,3001,7860,8000,8080,8081,8082,8085,8888,8929,9000",
        silent=frozenset({"SVC-VLLM-UNAUTH"}),
        outcome="partial",
    ),
)

STORAGE_AND_MONITORING = (
    access_case(
        "web-storage-and-monitoring-open",
        14,
        together(
            answers(9000, web.MINIO_OPEN, web.MINIO_DENIES),
            answers(8080, web.WEBDAV_OPEN, NOT_FOUND),
            answers(8082, web.WEBDAV_OF_NGINX, NOT_FOUND),
            answers(3000, web.GRAFANA_OPEN, NOT_FOUND),
            answers(19999, web.NETDATA_OPEN, NOT_FOUND),
            answers(8081, web.MONGO_EXPRESS_OPEN, NOT_FOUND),
        ),
        unauth(MINIO=9000, WEBDAV=8080, GRAFANA=3000, NETDATA=19999, MONGO_EXPRESS=8081) | unauth(WEBDAV=8082),
    ),
    access_case(
        "web-storage-and-monitoring-closed",
        15,
        together(
            answers(9000, {}, web.MINIO_DENIES),
            answers(8080, web.WEBDAV_REFUSES, NOT_FOUND),
            answers(3000, web.GRAFANA_LOGIN, NOT_FOUND),
            answers(19999, {}, web.NETDATA_DENIES),
            answers(15672, web.RABBIT_LOGIN, NOT_FOUND),
            answers(5050, web.PGADMIN_LOGIN, NOT_FOUND),
            answers(8089, web.SPLUNK, NOT_FOUND),
            answers(9001, web.GRAYLOG, NOT_FOUND),
            answers(631, {}, web.CUPS_FORBIDS),
        ),
        exposed(
            MINIO=9000,
            WEBDAV=8080,
            GRAFANA=3000,
            NETDATA=19999,
            RABBIT_MANAGEMENT=15672,
            PGADMIN=5050,
            SPLUNK=8089,
            GRAYLOG=9001,
            CUPS=631,
        ),
        outcome="partial",
    ),
)

ELSEWHERE = (
    access_case(
        "web-services-on-odd-ports",
        17,
        together(
            answers(18200, web.ELASTIC_OPEN, web.ELASTIC_NOT_FOUND),
            answers(12375, web.DOCKER_OPEN, web.DOCKER_NOT_FOUND),
            answers(21434, web.OLLAMA_OPEN, GO_NOT_FOUND),
            answers(16443, web.K8S_VERSION_ONLY, web.K8S_FORBIDS, tls=True),
            answers(19999, {}, web.XXL_JOB),
        ),
        unauth(ELASTIC=18200, DOCKER=12375, OLLAMA=21434) | exposed(K8S_API=16443, XXL_JOB=19999),
        outcome="partial",
    ),
    access_case(
        "web-service-under-its-name-only",
        24,
        answers(80, web.GRAFANA_LOGIN, page("Welcome", "Hello"), only_for="grafana.lab"),
        exposed(GRAFANA=80),
        hostname="grafana.lab",
    ),
    access_case("web-page-everywhere", 18, _everywhere(page("Welcome", "Hello")), frozenset(), ports=USUAL_PORTS),
    access_case("web-json-everywhere", 19, _everywhere(data({"status": "ok"})), frozenset(), ports=USUAL_PORTS),
    access_case(
        "web-refusal-everywhere",
        20,
        _everywhere(data({"error": "Unauthorized"}, 401)),
        frozenset(),
        ports=USUAL_PORTS,
        silent=BEHIND_A_LOGIN,
    ),
)

CASES = (*DATABASES, *CONFIG_CENTRES, *COMPUTING, *CONTAINERS, *TEAMS, *STORAGE_AND_MONITORING, *ELSEWHERE)
