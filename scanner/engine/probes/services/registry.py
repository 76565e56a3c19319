"""Every service probe there is, in the order in which silent ports are tried."""

from __future__ import annotations

from scanner.engine.probes.services import (
    activemq,
    adb,
    ajp,
    amqp,
    cassandra,
    epmd,
    jdwp,
    kafka,
    memcached,
    mongodb,
    mqtt,
    mssql,
    mysql,
    nats,
    neo4j_bolt,
    oracle,
    postgresql,
    redis,
    rmi,
    zabbix,
    zookeeper,
)
from scanner.engine.probes.services.base import ServiceProbe

PROBES: tuple[ServiceProbe, ...] = (
    redis.PROBE,
    memcached.PROBE,
    memcached.BINARY_PROBE,
    mongodb.PROBE,
    mysql.PROBE,
    postgresql.PROBE,
    mssql.PROBE,
    oracle.PROBE,
    cassandra.PROBE,
    zookeeper.PROBE,
    neo4j_bolt.PROBE,
    mqtt.PROBE,
    amqp.PROBE,
    epmd.PROBE,
    kafka.PROBE,
    activemq.PROBE,
    nats.PROBE,
    jdwp.PROBE,
    rmi.PROBE,
    ajp.PROBE,
    adb.PROBE,
    zabbix.PROBE,
)
