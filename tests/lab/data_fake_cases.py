"""Databases, brokers and developer services that Debian doesn't ship, each played by a script.

The scripts answer as the protocol's documentation says, or with what was recorded from the real server. They know
only the requests of the case and hang up on everything else, as the real ones do.
"""

from __future__ import annotations

import struct

from tests.lab.case import LabCase
from tests.lab.scripted import Answer, hangs_up, scripted

_CLEAR = "DB-CLEARTEXT"

_MONGODB_OVER_HTTP = (
    b"HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 85\r\n\r\n"
    b"It looks like you are trying to access MongoDB over HTTP on the native driver port.\r\n"
)


def _bson(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def _double(name: str, value: float) -> bytes:
    return b"\x01" + name.encode() + b"\0" + struct.pack("<d", value)


def _text(name: str, value: str) -> bytes:
    return b"\x02" + name.encode() + b"\0" + struct.pack("<i", len(value) + 1) + value.encode() + b"\0"


def _integer(name: str, value: int) -> bytes:
    return b"\x10" + name.encode() + b"\0" + struct.pack("<i", value)


def _truth(name: str, value: bool) -> bytes:
    return b"\x08" + name.encode() + b"\0" + bytes((value,))


_HELLO = _bson(
    _truth("ismaster", True),
    _integer("maxBsonObjectSize", 16777216),
    b"\x09localTime\0" + struct.pack("<q", 1790000000000),
    _integer("minWireVersion", 0),
    _integer("maxWireVersion", 17),
    _truth("readOnly", False),
    _double("ok", 1.0),
)
_BUILD = _bson(
    _text("version", "6.0.16"), _text("gitVersion", "1bbe71e91a41b097b19d7dee47b861ab9bab1ac5"), _double("ok", 1.0)
)
_DATABASES = _bson(
    b"\x04databases\0"
    + _bson(b"\x030\0" + _bson(_text("name", "admin")), b"\x031\0" + _bson(_text("name", "tax-records"))),
    _double("ok", 1.0),
)
_UNAUTHORISED = _bson(
    _double("ok", 0.0),
    _text("errmsg", "Command listDatabases requires authentication"),
    _integer("code", 13),
    _text("codeName", "Unauthorized"),
)


def _mongodb(databases: bytes) -> Answer:
    def answer(request: bytes) -> bytes | None:
        if request.startswith(b"GET "):
            return _MONGODB_OVER_HTTP
        if len(request) < 26:
            return None
        length, number, _, opcode = struct.unpack_from("<iiii", request)
        if length != len(request):
            return None
        if opcode == 2004:  # OP_QUERY, answered by OP_REPLY; only the greeting is taken since MongoDB 5.1
            reply = struct.pack("<iqii", 8, 0, 0, 1) + _HELLO
            return struct.pack("<iiii", 16 + len(reply), 7, number, 1) + reply
        if opcode != 2013:
            return None
        command = request[26 : request.index(b"\0", 26)]
        document = {b"listDatabases": databases, b"buildInfo": _BUILD}.get(command, _HELLO)
        reply = struct.pack("<i", 0) + b"\0" + document
        return struct.pack("<iiii", 16 + len(reply), 7, number, 2013) + reply

    return answer


_NOT_PRIMARY = _bson(_double("ok", 0.0), _text("errmsg", "not primary and secondaryOk=false"), _integer("code", 13435))


def mongodb_secondary(request: bytes) -> bytes | None:
    """An open replica set's secondary, which lists its databases to clients that say they read from such."""
    willing = b"$readPreference\0" in request and b"secondaryPreferred\0" in request
    return _mongodb(_DATABASES if willing else _NOT_PRIMARY)(request)


def mongodb_uninitiated(*, with_log_in: bool) -> Answer:
    """A member of a replica set that was set up and never initiated; it finds fault with the log-in first."""
    neither = _text("errmsg", "node is not in primary or recovering state")
    return _mongodb(_UNAUTHORISED if with_log_in else _bson(_double("ok", 0.0), neither, _integer("code", 13436)))


def sql_server(encryption: int) -> Answer:
    """SQL Server 2019 (15.0.4153): PRELOGIN with version, encryption, instance and thread id."""

    def answer(request: bytes) -> bytes | None:
        if request[:2] != b"\x12\x01":
            return None
        tokens = struct.pack(">BHHBHHBHHBHHB", 0, 21, 6, 1, 27, 1, 2, 28, 1, 3, 29, 0, 0xFF)
        payload = tokens + struct.pack(">BBHH", 15, 0, 4153, 0) + bytes((encryption, 0))
        return struct.pack(">BBHHBB", 4, 1, 8 + len(payload), 0, 1, 0) + payload

    return answer


def _cassandra(*, authenticator: str = "") -> Answer:
    """Cassandra 4: SUPPORTED, then READY or AUTHENTICATE; the real one's words for an unknown version."""

    def frame(version: int, stream: bytes, opcode: int, body: bytes = b"") -> bytes:
        return bytes((0x80 | version, 0)) + stream + bytes((opcode,)) + struct.pack(">I", len(body)) + body

    def answer(request: bytes) -> bytes | None:
        if request[0] not in (3, 4, 5):
            words = (
                f"Invalid or unsupported protocol version ({request[0] & 0x7F}); supported versions are (3/v3, 4/v4)"
            )
            return frame(5, b"\0\0", 0, struct.pack(">iH", 10, len(words)) + words.encode())
        version, stream, opcode = request[0], request[2:4], request[4]
        if opcode == 5:
            options = struct.pack(">H", 1) + b"\x00\x0bCQL_VERSION" + b"\x00\x01" + b"\x00\x053.4.5"
            return frame(version, stream, 6, options)
        if opcode != 1:
            return None
        if authenticator:
            return frame(version, stream, 3, struct.pack(">H", len(authenticator)) + authenticator.encode())
        return frame(version, stream, 2)

    return answer


def _kafka(*, authentication: bool = False, metadata: tuple[int, int] = (0, 12)) -> Answer:
    """A broker: ApiVersions 0, Metadata 1 or 4. Behind SASL it hangs up on what comes before the log-in."""

    def answer(request: bytes) -> bytes | None:
        if len(request) < 14 or struct.unpack_from(">i", request)[0] != len(request) - 4:
            return None
        api, version, correlation = struct.unpack_from(">hhi", request, 4)
        if api == 18:
            body = struct.pack(">hihhhhhh", 0, 2, 3, *metadata, 18, 0, 3)
        elif api == 3 and not authentication and metadata[0] <= version <= metadata[1]:
            broker = struct.pack(">ih", 1, 9) + b"broker-1." + struct.pack(">ih", 9092, -1)
            body = struct.pack(">i", 0) * (version >= 3) + struct.pack(">i", 1) + broker
            body += struct.pack(">h", -1) * (version >= 2) + struct.pack(">ii", 1, 0)
        else:
            return None
        return struct.pack(">ii", 4 + len(body), correlation) + body

    return answer


def _adb(command: bytes, payload: bytes) -> Answer:
    head = (command, 0x01000000, 4096, len(payload), sum(payload), bytes(byte ^ 0xFF for byte in command))
    reply = struct.pack("<4sIIII4s", *head) + payload
    return lambda request: reply if request.startswith(b"CNXN") else None


_RABBITMQ_START = (
    b"\x01\x00\x00\x00\x00\x01\xed\x00\n\x00\n\x00\t\x00\x00\x01\xc8\x0ccapabilitiesF\x00\x00\x00\xc7"
    b"\x12publisher_confirmst\x01\x1aexchange_exchange_bindingst\x01\nbasic.nackt\x01\x16consumer_cancel_notifyt\x01"
    b"\x12connection.blockedt\x01\x13consumer_prioritiest\x01\x1cauthentication_failure_closet\x01"
    b"\x10per_consumer_qost\x01\x0fdirect_reply_tot\x01\x0ccluster_nameS\x00\x00\x00\x06lab@vm"
    b"\tcopyrightS\x00\x00\x007Copyright (c) 2007-2022 VMware, Inc. or its affiliates."
    b"\x0binformationS\x00\x00\x009Licensed under the MPL 2.0. Website: https://rabbitmq.com"
    b"\x08platformS\x00\x00\x00\x11Erlang/OTP 25.2.3\x07productS\x00\x00\x00\x08RabbitMQ"
    b"\x07versionS\x00\x00\x00\x063.10.8\x00\x00\x00\x0eAMQPLAIN PLAIN\x00\x00\x00\x05en_US\xce"
)
"""Connection.Start as recorded from Debian 12's rabbitmq-server 3.10.8, which takes nine seconds to start."""


def _rabbitmq(request: bytes) -> bytes | None:
    return _RABBITMQ_START if request == b"AMQP\x00\x00\x09\x01" else b"AMQP\x00\x00\x09\x01"


def _epmd(request: bytes) -> bytes | None:
    return b"\x00\x00\x11\x11name lab at port 25699\n" if request == b"\x00\x01n" else None


_ACTIVEMQ_INFO = (
    b"\x01ActiveMQ\x00\x00\x00\x0c\x01\x00\x00\x00\x4b\x00\x00\x00\x02"
    b"\x00\x0cProviderName\x09\x00\x08ActiveMQ\x00\x0fProviderVersion\x09\x00\x065.15.9"
)
_ACTIVEMQ = struct.pack(">i", len(_ACTIVEMQ_INFO)) + _ACTIVEMQ_INFO


def _case(
    number: int,
    name: str,
    port: int,
    protocol: str,
    answer: Answer,
    *expected: str,
    banner: bytes = b"",
    silent: tuple[str, ...] = (),
    once: bool = False,
) -> LabCase:
    return LabCase(
        name=name,
        address=f"127.10.8.{number}",
        ports=str(port),
        start=scripted(port, answer, banner=banner, once=once),
        expected=frozenset((port, check) for check in expected),
        silent=frozenset(silent),
        services=frozenset({(port, protocol)}),
    )


_REDIS_DENIES = (
    b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the "
    b"default user. In this mode connections are only accepted from the loopback interface. If you want to connect "
    b"from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode "
    b"sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the "
    b"same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. "
    b"Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by "
    b"editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the "
    b"server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' "
    b"option. 4) Setup a an authentication password for the default user. NOTE: You only need to do one of the above "
    b"things in order for the server to start accepting connections from the outside.\r\n"
)
"""What Redis 7.0 sends to a caller from another machine, which no caller on loopback ever is."""


_DUBBO_HELP = (
    b'Please input "help [command]" show detail.\r\n status [-l]                      - Show status.\r\n'
    b" invoke [service.]method(args)    - Invoke the service method.\r\n"
    b" trace [service] [method] [times] - Trace the service.\r\n\r\ndubbo>"
)


def _dubbo(request: bytes) -> bytes | None:
    return _DUBBO_HELP if request.startswith(b"help\r\n") else b"Unsupported command.\r\ndubbo>"


CASES = (
    _case(
        10,
        "redis-protected-mode",
        6379,
        "redis",
        hangs_up,
        "SVC-REDIS-EXPOSED",
        banner=_REDIS_DENIES,
        silent=("SVC-REDIS-UNAUTH", _CLEAR),
    ),
    _case(
        11,
        "mongodb-open",
        27017,
        "mongodb",
        _mongodb(_DATABASES),
        "SVC-MONGODB-UNAUTH",
        _CLEAR,
        "SW-EOL-APP",
        silent=("SVC-MONGODB-EXPOSED",),
    ),
    _case(
        12,
        "mongodb-authorisation-odd-port",
        31017,
        "mongodb",
        _mongodb(_UNAUTHORISED),
        "SVC-MONGODB-EXPOSED",
        _CLEAR,
        "SW-EOL-APP",
        silent=("SVC-MONGODB-UNAUTH",),
    ),
    _case(13, "mssql-without-encryption", 1433, "mssql", sql_server(2), "SVC-MSSQL-EXPOSED", _CLEAR),
    _case(
        15,
        "cassandra-open",
        9042,
        "cassandra",
        _cassandra(),
        "SVC-CASSANDRA-UNAUTH",
        _CLEAR,
        silent=("SVC-CASSANDRA-EXPOSED",),
    ),
    _case(
        16,
        "cassandra-password",
        9042,
        "cassandra",
        _cassandra(authenticator="org.apache.cassandra.auth.PasswordAuthenticator"),
        "SVC-CASSANDRA-EXPOSED",
        _CLEAR,
        silent=("SVC-CASSANDRA-UNAUTH",),
    ),
    _case(
        17,
        "kafka-open",
        9092,
        "kafka",
        _kafka(),
        "SVC-KAFKA-UNAUTH",
        _CLEAR,
        silent=("SVC-KAFKA-EXPOSED",),
    ),
    _case(
        18,
        "kafka-4-open-odd-port",
        19092,
        "kafka",
        _kafka(metadata=(4, 13)),
        "SVC-KAFKA-UNAUTH",
        _CLEAR,
    ),
    _case(
        19,
        "kafka-sasl",
        9092,
        "kafka",
        _kafka(authentication=True),
        "SVC-KAFKA-EXPOSED",
        _CLEAR,
        silent=("SVC-KAFKA-UNAUTH",),
    ),
    _case(
        22,
        "adb-open",
        5555,
        "adb",
        _adb(b"CNXN", b"device::ro.product.name=lab;ro.product.model=Lab TV;"),
        "SVC-ADB-UNAUTH",
        silent=("SVC-ADB-EXPOSED",),
    ),
    _case(
        23,
        "adb-asks-for-a-key",
        5555,
        "adb",
        _adb(b"AUTH", bytes(20)),
        "SVC-ADB-EXPOSED",
        silent=("SVC-ADB-UNAUTH",),
    ),
    _case(24, "rabbitmq", 5672, "amqp", _rabbitmq, "SVC-AMQP-EXPOSED", _CLEAR, silent=("SVC-AMQP-UNAUTH",)),
    _case(25, "epmd", 4369, "epmd", _epmd, "SVC-EPMD-EXPOSED", once=True),
    _case(27, "dubbo", 20880, "dubbo", _dubbo, "SVC-DUBBO-EXPOSED"),
    _case(26, "activemq", 61616, "activemq", hangs_up, "SVC-ACTIVEMQ-EXPOSED", _CLEAR, "SW-EOL-APP", banner=_ACTIVEMQ),
)
