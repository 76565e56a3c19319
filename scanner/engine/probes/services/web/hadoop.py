"""Hadoop and what grew around it: YARN, HDFS, HBase."""

from __future__ import annotations

from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services.web.base import WebServiceProbe
from scanner.engine.probes.services.web.dialogue import Dialogue, begins_json, json_text, location, title

_YARN_PORTS = frozenset({8088, 8090})
_HDFS_PORTS = frozenset({9870, 50070, 9864})


def _asks_for_kerberos(reply: HttpReply) -> bool:
    """Recognise Hadoop's own authentication filter, which hands out an empty ``hadoop.auth`` cookie."""
    return reply.status == 401 and any(c.startswith("hadoop.auth=") for c in reply.all_headers("set-cookie"))


async def _look_at_yarn(session: HttpSession, level: Level) -> ServiceFacts | None:
    """A resource manager that tells strangers its state also takes jobs from them."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    info = await dialogue.ask("/ws/v1/cluster/info")
    if info.status == 200 and begins_json(info, "clusterInfo", "state"):
        access = Access.OPEN if json_text(info, "state") == "STARTED" else Access.UNKNOWN
        version = json_text(info, "resourceManagerVersion") or json_text(info, "hadoopVersion")
        return dialogue.facts("HADOOP-YARN", access, "Apache Hadoop YARN", version)
    if dialogue.port in _YARN_PORTS and _asks_for_kerberos(info):
        return dialogue.facts("HADOOP-YARN", Access.RESTRICTED, "Apache Hadoop YARN")
    return None


async def _look_at_hdfs(session: HttpSession, level: Level) -> ServiceFacts | None:
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    status = await dialogue.ask("/webhdfs/v1/?op=GETFILESTATUS")
    if status.status == 200 and begins_json(status, "FileStatus", "type"):
        return dialogue.facts("HDFS", Access.OPEN, "Apache Hadoop HDFS")
    if begins_json(status, "RemoteException", "javaClassName"):
        access = Access.RESTRICTED if status.status in (401, 403) else Access.UNKNOWN
        return dialogue.facts("HDFS", access, "Apache Hadoop HDFS")
    if dialogue.port in _HDFS_PORTS and _asks_for_kerberos(status):
        return dialogue.facts("HDFS", Access.RESTRICTED, "Apache Hadoop HDFS")
    return None


def _may_be_hdfs(root: HttpReply) -> bool:
    return title(root) == "Hadoop Administration" or "dfshealth.html" in root.body or "url=datanode.html" in root.body


async def _look_at_hbase(session: HttpSession, level: Level) -> ServiceFacts | None:
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    page = await dialogue.ask("/master-status", keep_body=False)
    if page.status == 200 and "HBase" in page.body and "Master" in title(page):
        return dialogue.facts("HBASE", Access.OPEN, "Apache HBase")
    if dialogue.port == 16010 and _asks_for_kerberos(page):
        return dialogue.facts("HBASE", Access.RESTRICTED, "Apache HBase")
    return None


HADOOP_YARN = WebServiceProbe(
    "HADOOP-YARN", _YARN_PORTS, suspects=lambda r: location(r) == "/cluster", look=_look_at_yarn
)
HDFS = WebServiceProbe("HDFS", _HDFS_PORTS, suspects=_may_be_hdfs, look=_look_at_hdfs)
HBASE = WebServiceProbe(
    "HBASE",
    frozenset({16010}),
    suspects=lambda r: location(r) == "/master-status" or "url=/master-status" in r.body.replace(" ", "").lower(),
    look=_look_at_hbase,
)
