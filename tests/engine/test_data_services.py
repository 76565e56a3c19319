"""Probes of databases, caches, brokers and debug ports: what they conclude, and what they never send or keep."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.engine.errors import ProbeError, UnexpectedReply
from scanner.engine.facts.service import Access
from scanner.engine.model import Level, Transport
from scanner.engine.probes.services import (
    activemq,
    adb,
    ajp,
    amqp,
    cassandra,
    clickhouse,
    epmd,
    hadoop_ipc,
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
    rocketmq,
    zabbix,
    zookeeper,
)
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.registry import PROBES
from tests.engine.data_service_replies import look
from tests.lab.data_fake_cases import _DATABASES, _RABBITMQ_START, _mongodb

DATA_PROBES = (
    memcached.BINARY_PROBE,
    activemq.PROBE,
    activemq.STOMP_PROBE,
    adb.PROBE,
    ajp.PROBE,
    amqp.PROBE,
    cassandra.PROBE,
    clickhouse.PROBE,
    hadoop_ipc.PROBE,
    rocketmq.PROBE,
    epmd.PROBE,
    jdwp.PROBE,
    kafka.PROBE,
    memcached.PROBE,
    mongodb.PROBE,
    mqtt.PROBE,
    mssql.PROBE,
    mysql.PROBE,
    nats.PROBE,
    neo4j_bolt.PROBE,
    oracle.PROBE,
    postgresql.PROBE,
    redis.PROBE,
    rmi.PROBE,
    zabbix.PROBE,
    zookeeper.PROBE,
)
GREETINGS = [probe.greeting for probe in PROBES if probe.greeting and probe.transport is Transport.TCP]


def _packet(payload: bytes) -> bytes:
    """A MySQL packet with sequence number 0."""
    return len(payload).to_bytes(3, "little") + b"\0" + payload


def _mysql_handshake(version: bytes, capabilities: int) -> bytes:
    low, high = capabilities & 0xFFFF, capabilities >> 16
    payload = b"\x0a" + version + b"\0" + b"\x07\0\0\0" + b"12345678\0" + struct.pack("<HBHH", low, 45, 2, high)
    return _packet(payload + b"\x15" + bytes(10) + b"123456789012\0" + b"caching_sha2_password\0")


def _postgresql_error(state: bytes, message: bytes) -> bytes:
    fields = b"SFATAL\0VFATAL\0C" + state + b"\0M" + message + b"\0Fauth.c\0L1\0Rlab\0\0"
    return b"E" + struct.pack(">i", len(fields) + 4) + fields


def _authentication(code: int) -> bytes:
    return b"R" + struct.pack(">ii", 8, code)


@pytest.mark.parametrize("probe", DATA_PROBES, ids=lambda probe: probe.protocol)
def test_an_echo_service_is_recognised_as_nothing(probe: ServiceProbe) -> None:
    assert not any(probe.recognises(greeting) for greeting in GREETINGS)


@pytest.mark.parametrize("probe", DATA_PROBES, ids=lambda probe: probe.protocol)
def test_web_mail_and_shell_servers_are_not_taken_for_it(probe: ServiceProbe) -> None:
    strangers = (
        b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n",
        b"220 mail.example.org ESMTP\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"ERROR\r\n",
        b"\0",
        b"",
    )
    for reply in strangers:
        assert not probe.recognises(reply), reply


@pytest.mark.parametrize("probe", [mongodb.PROBE, redis.PROBE, mqtt.PROBE, kafka.PROBE, mysql.PROBE, oracle.PROBE])
@given(reply=st.binary(max_size=300))
@settings(max_examples=30, deadline=None)
def test_random_bytes_end_a_look_in_a_probe_error_at_worst(probe: ServiceProbe, reply: bytes) -> None:
    probe.recognises(reply)
    try:
        facts = look(probe, lambda _: reply, banner=reply)
    except ProbeError:
        return
    assert facts.access is not Access.OPEN


@given(cut=st.integers(0, 500), flip=st.integers(0, 500), value=st.integers(0, 255))
@settings(max_examples=50, deadline=None)
def test_a_damaged_reply_of_rabbitmq_ends_in_a_probe_error_at_worst(cut: int, flip: int, value: int) -> None:
    damaged = bytearray(_RABBITMQ_START)
    damaged[min(flip, len(damaged) - 1)] = value
    try:
        facts = look(amqp.PROBE, lambda _: bytes(damaged[:cut]))
    except ProbeError:
        return
    assert facts.service == "AMQP"


def test_redis_that_hides_info_is_neither_open_nor_restricted() -> None:
    facts = look(redis.PROBE, lambda _: b"-ERR unknown command 'INFO', with args beginning with: 'server' \r\n")
    assert facts.access is Access.UNKNOWN


@pytest.mark.parametrize(
    "denial",
    [
        b"-DENIED Redis is running in protected mode because protected mode is enabled\r\n",
        b"-DENIED KeyDB is running in protected mode because protected mode is enabled\r\n",
        b"-DENIED Running in protected mode because protected mode is enabled\r\n",
    ],
)
def test_protected_mode_is_known_whatever_the_fork_calls_itself(denial: bytes) -> None:
    facts = look(redis.PROBE, banner=denial)
    assert redis.recognises(denial)
    assert (facts.access, facts.attribute("refusal")) == (Access.RESTRICTED, "protected-mode")


def test_what_denies_for_another_reason_is_no_redis() -> None:
    assert not redis.recognises(b"-DENIED by policy: no protected mode here\r\n")


def test_redis_inside_tls_is_not_in_clear() -> None:
    refuse = b"-NOAUTH Authentication required.\r\n"
    assert look(redis.PROBE, lambda _: refuse).attribute("tls") == "refused"
    assert look(redis.PROBE, lambda _: refuse, tls=True).attribute("tls") == ""


def test_redis_gets_no_more_than_a_ping_at_the_level_of_greetings() -> None:
    sent: list[bytes] = []
    facts = look(redis.PROBE, lambda _: b"+PONG\r\n", level=Level.GREETING, sent=sent)
    assert (facts.access, sent) == (Access.UNKNOWN, [b"PING\r\n"])


@pytest.mark.parametrize(
    ("more", "product", "version"),
    [
        (b"server_name:valkey\r\nvalkey_version:8.0.1\r\n", "Valkey", "8.0.1"),
        (b"dragonfly_version:df-v1.13.0\r\n", "Dragonfly", "1.13.0"),
        (b"os:Linux\r\nexecutable:/usr/bin/keydb-server\r\n", "KeyDB", "7.2.4"),
        (b"os:Linux\r\nexecutable:/usr/bin/redis-server\r\n", "Redis", "7.2.4"),
    ],
)
def test_what_descends_from_redis_is_named_as_what_it_is(more: bytes, product: str, version: str) -> None:
    body = b"# Server\r\nredis_version:7.2.4\r\n" + more
    facts = look(redis.PROBE, lambda _: b"$%d\r\n%s\r\n" % (len(body), body))
    assert (facts.access, facts.product, facts.version) == (Access.OPEN, product, version)


def test_redis_that_keeps_info_and_all_else_from_strangers_is_restricted() -> None:
    facts = look(redis.PROBE, lambda _: b"-NOPERM this user has no permissions to run the command\r\n")
    assert (facts.access, facts.attribute("refusal")) == (Access.RESTRICTED, "credentials")


def test_the_names_of_databases_are_counted_and_not_kept() -> None:
    facts = look(mongodb.PROBE, _mongodb(_DATABASES))
    assert (facts.access, facts.version, facts.attribute("databases")) == (Access.OPEN, "6.0.16", "2")
    assert "tax-records" not in repr(facts)


def test_mongodb_is_not_asked_for_databases_at_the_level_of_greetings() -> None:
    sent: list[bytes] = []
    facts = look(mongodb.PROBE, _mongodb(_DATABASES), level=Level.GREETING, sent=sent)
    assert facts.access is Access.UNKNOWN
    assert not any(b"listDatabases" in request for request in sent)


def test_an_old_mongodb_is_asked_in_the_old_protocol() -> None:
    def answer(request: bytes) -> bytes | None:
        if struct.unpack_from("<i", request, 12)[0] != 2004:
            return None
        number = b"\x01ok\0" + struct.pack("<d", 1.0)
        fields = b"\x08ismaster\0\x01" + b"\x10maxWireVersion\0\x04\0\0\0" if b"isMaster" in request else b""
        body = struct.pack("<i", 5 + len(fields + number)) + fields + number + b"\0"
        reply = struct.pack("<iqii", 8, 0, 0, 1) + body
        return request[:0] + struct.pack("<i", 16 + len(reply)) + b"\0\0\0\0" + request[4:8] + b"\x01\0\0\0" + reply

    assert look(mongodb.PROBE, answer).access is Access.OPEN


@pytest.mark.parametrize(
    ("version", "product", "number"),
    [
        (b"8.0.39", "MySQL", "8.0.39"),
        (b"5.5.5-10.11.14-MariaDB-0+deb12u2", "MariaDB", "10.11.14"),
        (b"11.4.2-MariaDB-log", "MariaDB", "11.4.2"),
        (b"8.0.11-TiDB-v7.5.1", "TiDB", "7.5.1"),
        (b"5.7.25-OceanBase-v4.2.1.0", "OceanBase", "4.2.1"),
        (b"5.5.62-0+deb8u1-log", "MySQL", "5.5.62"),
        (b"8.0.36-0ubuntu0.22.04.1", "MySQL", "8.0.36"),
        (b"8.0.35-27.1", "MySQL", "8.0.35"),
        (b"5.7.33-enterprise-commercial-advanced-log", "MySQL", "5.7.33"),
        (b"5.6.29-mycat-1.6.7.4-release-20200105164103", "", ""),
        (b"5.7.22-ShardingSphere-Proxy 5.1.1", "", ""),
        (b"5.5.5-10.2.12 2.4.4-maxscale", "", ""),
        (b"21.8.10.19-ClickHouse", "", ""),
        (b"2.2.11-id64-release (95ae9a6)", "", ""),
        (b"5.5.30", "", ""),
    ],
)
def test_mysql_and_its_relatives_are_told_apart_by_their_handshake(version: bytes, product: str, number: str) -> None:
    banner = _mysql_handshake(version, 0xFFFFFFFF)
    facts = look(mysql.PROBE, banner=banner)
    assert mysql.recognises(banner)
    assert (facts.product, facts.version, facts.attribute("tls")) == (product, number, "offered")
    assert facts.attribute("auth_plugin") == "caching_sha2_password"


def test_mysql_without_the_tls_flag_talks_in_clear() -> None:
    facts = look(mysql.PROBE, banner=_mysql_handshake(b"8.0.39", 0xFFFFFFFF & ~0x0800))
    assert facts.attribute("tls") == "refused"


def test_mysql_that_blocks_our_address_is_a_gap_that_says_how_to_lift_it() -> None:
    banner = _packet(b"\xff\x69\x04Host '192.0.2.9' is blocked because of many connection errors")
    assert mysql.recognises(banner)
    with pytest.raises(UnexpectedReply, match="FLUSH HOSTS"):
        look(mysql.PROBE, banner=banner)


def test_another_broker_of_stomp_is_not_taken_for_activemq() -> None:
    rabbitmq = b"ERROR\nmessage:Bad command\nversion:1.0,1.1,1.2\n\nCould not interpret command HELP\n\0"
    assert not activemq.recognises_stomp(rabbitmq)


@pytest.mark.parametrize(
    ("reply", "is_redis"),
    [
        (b"-ERR unknown command 'PING', with args beginning with: \r\n", True),
        (b"-ERR unknown command `PING`, with args beginning with: \r\n", True),
        (b"-ERR unknown command\r\n", False),
    ],
)
def test_redis_is_known_by_how_it_quotes_a_word_that_it_has_not(reply: bytes, is_redis: bool) -> None:
    assert redis.recognises(reply) is is_redis


def test_nothing_is_sent_to_mysql() -> None:
    sent: list[bytes] = []
    look(mysql.PROBE, banner=_mysql_handshake(b"8.0.39", 0), sent=sent)
    assert sent == []


def test_postgresql_and_its_pooler_are_recognised_by_how_they_turn_down_a_version() -> None:
    assert postgresql.recognises(_postgresql_error(b"0A000", b"unsupported frontend protocol 0.0"))
    assert postgresql.recognises(b"E\0\0\0\x29SFATAL\0C08P01\0Mbad packet header\0\0")
    assert not postgresql.recognises(b"ERROR: unknown command\r\n")


def test_postgresql_that_trusts_a_user_who_does_not_exist_still_trusts() -> None:
    refused_later = _authentication(0) + _postgresql_error(b"28000", b'role "postgres" does not exist')
    facts = look(postgresql.PROBE, lambda request: b"N" if request == postgresql.SSL_REQUEST else refused_later)
    assert (facts.access, facts.attribute("auth")) == (Access.OPEN, "trust")


@pytest.mark.parametrize(("code", "method"), [(3, "password"), (5, "md5"), (10, "scram-sha-256"), (7, "gss")])
def test_postgresql_that_asks_for_credentials_is_restricted(code: int, method: str) -> None:
    facts = look(postgresql.PROBE, lambda request: b"N" if request == postgresql.SSL_REQUEST else _authentication(code))
    assert (facts.access, facts.attribute("auth"), facts.attribute("tls")) == (Access.RESTRICTED, method, "refused")


def test_postgresql_without_a_rule_for_us_is_restricted() -> None:
    refusal = _postgresql_error(b"28000", b"no pg_hba.conf entry for host")
    facts = look(postgresql.PROBE, lambda request: b"N" if request == postgresql.SSL_REQUEST else refusal)
    assert (facts.access, facts.attribute("refusal")) == (Access.RESTRICTED, "no-rule")


def test_postgresql_with_no_connection_to_spare_is_a_gap_and_not_a_verdict() -> None:
    busy = _postgresql_error(b"53300", b"sorry, too many clients already")
    facts = look(postgresql.PROBE, lambda request: b"N" if request == postgresql.SSL_REQUEST else busy)
    assert facts.access is Access.UNKNOWN
    assert facts.ended


def test_no_log_in_is_begun_at_postgresql_at_the_level_of_greetings() -> None:
    sent: list[bytes] = []
    facts = look(postgresql.PROBE, lambda _: b"S", level=Level.GREETING, sent=sent)
    assert (facts.access, facts.attribute("tls"), sent) == (Access.UNKNOWN, "offered", [postgresql.SSL_REQUEST])


def test_zookeeper_that_refuses_the_command_is_still_zookeeper() -> None:
    refusal = b"srvr is not executed because it is not in the whitelist.\n"
    assert zookeeper.recognises(refusal)
    assert look(zookeeper.PROBE, lambda _: refusal).attribute("refusal") == "whitelist"


def test_an_echo_is_no_debug_port() -> None:
    with pytest.raises(UnexpectedReply):
        look(jdwp.PROBE, lambda request: request)
    assert look(jdwp.PROBE, lambda _: jdwp.HANDSHAKE).access is Access.OPEN


@pytest.mark.parametrize(
    ("error", "access"), [(0, Access.OPEN), (31, Access.RESTRICTED), (42, Access.UNKNOWN), (None, Access.RESTRICTED)]
)
def test_a_controller_of_kafka_is_judged_by_what_it_tells_of_its_quorum(error: int | None, access: Access) -> None:
    def answer(request: bytes) -> bytes | None:
        head, is_quorum = request[8:12], request[4:6] == b"\0\x37"
        if is_quorum and error is None:
            return None
        body = b"\0" + struct.pack(">h", error or 0) + b"\x01\0" if is_quorum else struct.pack(">hi3h", 0, 1, 55, 0, 1)
        return struct.pack(">i", 4 + len(body)) + head + body

    assert look(kafka.PROBE, answer).access is access


def test_mqtt_codes_decide_between_open_closed_and_unknown() -> None:
    def access(code: int) -> Access:
        return look(mqtt.PROBE, lambda _: bytes((0x20, 2, 0, code))).access

    assert [access(code) for code in (0, 4, 5, 3)] == [
        Access.OPEN, Access.RESTRICTED, Access.RESTRICTED, Access.UNKNOWN,
    ]  # fmt: skip


def test_mqtt_is_never_subscribed_to() -> None:
    sent: list[bytes] = []
    look(mqtt.PROBE, lambda _: b"\x20\x02\x00\x00", sent=sent)
    assert {request[0] >> 4 for request in sent} == {1, 14}  # CONNECT, DISCONNECT


def test_an_amqp_broker_is_open_only_where_it_lists_the_anonymous_mechanism() -> None:
    anonymous = _RABBITMQ_START.replace(b"AMQPLAIN PLAIN", b"ANONYMOUS GSSA")
    closed = look(amqp.PROBE, lambda _: _RABBITMQ_START)
    assert (closed.access, closed.product, closed.version) == (Access.RESTRICTED, "RabbitMQ", "3.10.8")
    assert look(amqp.PROBE, lambda _: anonymous).access is Access.OPEN


@pytest.mark.parametrize(("packed", "version"), [("186647552", "11.2.0.4.0"), ("318767104", "19.0.0.0.0"), ("0", "")])
def test_oracle_packs_its_version_in_two_ways(packed: str, version: str) -> None:
    text = f"(DESCRIPTION=(TMP=)(VSNNUM={packed})(ERR=1189)(ERROR_STACK=(ERROR=(CODE=1189)(EMFI=4))))".encode()
    reply = struct.pack(">HHBBHBBH", 12 + len(text), 0, 4, 0, 0, 34, 0, len(text)) + text
    facts = look(oracle.PROBE, lambda _: reply)
    assert oracle.recognises(reply)
    assert (facts.access, facts.version, facts.attribute("error")) == (Access.UNKNOWN, version, "1189")


def test_an_old_oracle_listener_is_known_by_the_first_of_its_two_packets() -> None:
    text = b"(DESCRIPTION=(TMP=)(VSNNUM=153093632)(ERR=0))"
    accepted = struct.pack(">HHBBH24x", 32 + len(text), 0, 2, 0, 0) + text
    assert oracle.recognises(accepted)
    assert look(oracle.PROBE, lambda _: accepted).version == "9.2.0.6.0"
    assert not oracle.recognises(struct.pack(">HHBBH24x", 32, 0, 2, 0, 0))


def test_the_connect_packet_for_oracle_is_as_long_as_it_says() -> None:
    length, offset = struct.unpack_from(">H", oracle.CONNECT)[0], struct.unpack_from(">H", oracle.CONNECT, 26)[0]
    assert length == len(oracle.CONNECT)
    assert oracle.CONNECT[offset:] == b"(CONNECT_DATA=(COMMAND=version))"


def test_bolt_is_open_when_it_greets_a_client_without_credentials() -> None:
    success = b"\xb1\x70\xa1\x86server\x8bNeo4j/4.4.1"
    failure = b"\xb1\x7f\xa1\x84code\xd0\x25Neo.ClientError.Security.Unauthorized"

    def bolt(message: bytes) -> Access:
        def answer(request: bytes) -> bytes:
            if request == neo4j_bolt.HANDSHAKE:
                return b"\0\0\x04\x04"
            return struct.pack(">H", len(message)) + message + b"\0\0"

        return look(neo4j_bolt.PROBE, answer).access

    assert (bolt(success), bolt(failure)) == (Access.OPEN, Access.RESTRICTED)


def test_a_zabbix_agent_that_answers_us_answers_anyone() -> None:
    def message(body: bytes) -> bytes:
        return b"ZBXD\x01" + struct.pack("<Q", len(body)) + body

    assert look(zabbix.PROBE, lambda _: message(b"1")).access is Access.OPEN
    assert look(zabbix.PROBE, lambda _: message(b'{"response":"failed"}')).access is Access.UNKNOWN


def test_ajp_and_adb_are_recognised_by_their_own_answers_only() -> None:
    assert ajp.recognises(b"AB\x00\x01\x09")
    assert look(ajp.PROBE, lambda _: ajp.CPONG).service == "AJP"
    assert not adb.recognises(b"CNXN" + bytes(20))
