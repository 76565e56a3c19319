"""One Java program with everything that a Java program can leave open: ZooKeeper, a debugger's port and JMX."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import LabCase, process, program

_ZOOKEEPER = Path("/usr/share/java/zookeeper.jar")


@contextlib.contextmanager
def _zookeeper_under_a_debugger(address: str, folder: Path) -> Iterator[None]:
    configuration = folder / "zoo.cfg"
    configuration.write_text(
        f"dataDir={folder}\nclientPort=2181\nclientPortAddress={address}\nadmin.enableServer=false\n"
    )
    command = [
        *(program("java"), "-XX:TieredStopAtLevel=1", "-Xmx64m"),
        f"-agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address={address}:5005",
        *("-Dcom.sun.management.jmxremote.port=1099", f"-Dcom.sun.management.jmxremote.host={address}"),
        *("-Dcom.sun.management.jmxremote.authenticate=false", "-Dcom.sun.management.jmxremote.ssl=false"),
        *("-cp", str(_ZOOKEEPER), "org.apache.zookeeper.server.ZooKeeperServerMain", str(configuration)),
    ]
    with process(command, folder=folder, wait_for=(address, 2181)):
        yield


CASES = (
    LabCase(
        name="zookeeper-jdwp-jmx",
        address="127.10.8.1",
        ports="1099,2181,5005",
        start=_zookeeper_under_a_debugger,
        expected=frozenset(
            {(1099, "SVC-JAVA-RMI-EXPOSED"), (2181, "SVC-ZOOKEEPER-EXPOSED"), (5005, "SVC-JDWP-UNAUTH")}
        ),
        services=frozenset({(1099, "java-rmi"), (2181, "zookeeper"), (5005, "jdwp")}),
        needs=("java",),
    ),
)
