"""What every remedy that is called tested is tried on: a server that is weak, and the snippet that mends it."""

from __future__ import annotations

from dataclasses import dataclass

from scanner.reports.remedy import Remedy, remedies
from tests.lab import remedy_servers as servers
from tests.lab import remedy_web_servers as web
from tests.lab.access_cases import smbd, vsftpd
from tests.lab.mail_cases import OWN_USERS, dovecot, postfix
from tests.lab.remedy_servers import Make
from tests.lab.sharing_cases import rsyncd
from tests.lab.ssh_cases import sshd

OWN_NETWORK = "192.0.2.0/24"


@dataclass(frozen=True, slots=True)
class Trial:
    """One remedy on one server: each ``make(weak)`` is found weak, and ``make(snippet)`` is not.

    ``checks`` are what all the weak ones show together. ``filled`` says what takes the place of what the snippet leaves
    to its reader. On the ports that the snippet ``closes`` the service answers at 127.0.0.1 alone, or those it is for;
    what else spoke before still does.
    """

    product: str
    checks: tuple[str, ...]
    ports: str
    make: Make
    weak: tuple[str, ...] = ("",)
    filled: tuple[tuple[str, str], ...] = ()
    level: int = 1
    hostname: str | None = None
    closes: frozenset[int] = frozenset()

    @property
    def snippet(self) -> str:
        chosen = [
            each
            for each in remedies()
            if each.name == self.product and not self._is_about(each).isdisjoint(each.checks)
        ]
        text = "\n".join(line for each in chosen for step in each.steps for line in step.lines)
        for ours, theirs in self.filled:
            assert ours in text
            text = text.replace(ours, theirs)
        return text

    def _is_about(self, remedy: Remedy) -> set[str]:
        return set(self.checks) & set(remedy.tested)


_OLD = ("TLS-V10", "TLS-V11", "TLS-CBC")
_SHORT = ("TLS-RSA-KX", "TLS-NO-FS", "TLS-DH-WEAK", "TLS-DH-COMMON", "TLS-SIGHASH")
_WEAK = (*_SHORT, "TLS-NULL", "TLS-ANON", "TLS-PREF")
_BROKEN = ("TLS-NULL", "TLS-ANON", "TLS-EXPORT", "TLS-RC4", "TLS-DES", "TLS-3DES")
_HEADERS = ("WEB-XFO", "WEB-XCTO", "WEB-REFERRER", "WEB-PERMISSIONS")
_HIDDEN = ("WEB-GIT", "WEB-ENV", "WEB-SVN", "WEB-HG", "WEB-BZR", "WEB-DS_STORE")
_ALL = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
_STATIC = "AES128-GCM-SHA256:AES256-GCM-SHA384"

_MAIL_FILES = (
    ("/etc/ssl/certs/mail.example.org.pem", "@crt@"),
    ("/etc/ssl/private/mail.example.org.key", "@key@"),
)
_FTP_FILES = (("/etc/ssl/certs/ftp.example.org.pem", "@crt@"), ("/etc/ssl/private/ftp.example.org.key", "@key@"))
_RSA_3072 = ("-t", "rsa", "-b", "3072")
_WEAK_SSH = (
    "KexAlgorithms +diffie-hellman-group1-sha1,diffie-hellman-group14-sha1\nCiphers +3des-cbc\nMACs +hmac-md5\n"
    "HostKeyAlgorithms ssh-rsa"
)
_WEAK_NGINX = (
    f"ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_ciphers {_ALL}; ssl_dhparam @folder@/dh.pem; autoindex on;"
)
_WEAK_APACHE = (
    f"SSLProtocol all +TLSv1 +TLSv1.1\nSSLCipherSuite {_ALL}\nOptions +Indexes\nServerTokens Full\nTraceEnable On\n"
    "<Location /server-status>\nSetHandler server-status\n</Location>"
)
_WEAK_TOMCAT = (
    '<Connector protocol="AJP/1.3" address="@address@" port="8009" secretRequired="false"/>\n'
    '<SSLHostConfig protocols="all" ciphers="ALL:eNULL">\n</SSLHostConfig>'
)
_WEAK_POSTFIX = (
    "smtpd_tls_protocols = >=TLSv1\nsmtpd_tls_ciphers = null\nsmtpd_tls_exclude_ciphers =\n"
    f"tls_null_cipherlist = {_ALL}"
)

TRIALS = (
    Trial(
        "net-snmp (snmpd)",
        ("CLR-SNMP12-PUBLIC", "SNMP-EXPOSED"),
        "U:161",
        servers.snmp,
        weak=(
            "agentaddress udp:@address@:161\nrocommunity public",
            "agentaddress udp:@address@:161\nrouser monitor priv",
        ),
        level=2,
        closes=frozenset({161}),
    ),
    Trial(
        "nginx",
        (
            *_OLD,
            *_WEAK,
            "WEB-HSTS",
            *_HEADERS,
            "WEB-DIRLIST",
            "WEB-VERSION",
            *_HIDDEN,
            "WEB-NGINX-STATUS",
            "WEB-NO-REDIRECT",
        ),
        "80,443",
        web.nginx_site,
        weak=(_WEAK_NGINX, f"ssl_protocols TLSv1.2; ssl_ciphers {_STATIC};"),
        filled=(("allow 127.0.0.1;\n", ""),),
        hostname="portal.lab.test",
    ),
    Trial(
        "Apache",
        (
            *_OLD,
            *_SHORT,
            "WEB-HSTS",
            *_HEADERS,
            "WEB-DIRLIST",
            "WEB-VERSION",
            "WEB-TRACE",
            *_HIDDEN,
            "WEB-SERVER-STATUS",
            "WEB-NO-REDIRECT",
        ),
        "80,443",
        web.apache_site,
        weak=(_WEAK_APACHE, f"SSLProtocol TLSv1.2\nSSLCipherSuite {_STATIC}"),
        filled=(("    Require local\n", ""),),
        hostname="portal.lab.test",
    ),
    Trial(
        "Postfix",
        (
            "TLS-V10",
            "TLS-V11",
            "TLS-NULL",
            "TLS-ANON",
            "TLS-RSA-KX",
            "TLS-DH-WEAK",
            "TLS-DH-COMMON",
            "TLS-PREF",
            "SMTP-AUTH-CLEAR",
        ),
        "25",
        servers.postfix_with_log_in,
        weak=(_WEAK_POSTFIX,),
    ),
    Trial(
        "Postfix",
        ("SMTP-NOSTARTTLS", "SMTP-OPENRELAY", "SMTP-VRFY"),
        "25",
        servers.with_certificate(lambda lines: postfix(25, *OWN_USERS, lines)),
        weak=("mynetworks = 0.0.0.0/0\nsmtpd_relay_restrictions = permit_mynetworks, reject",),
        filled=(*_MAIL_FILES, ("127.0.0.0/8 [::1]/128", OWN_NETWORK)),
        level=2,
    ),
    Trial(
        "Dovecot",
        (*_OLD, "TLS-NULL", "TLS-ANON", "TLS-RSA-KX", "TLS-DH-WEAK", "TLS-DH-COMMON", "TLS-SIGHASH", "TLS-PREF"),
        "143",
        servers.dovecot_with_rsa,
        weak=(f"ssl_min_protocol = TLSv1\nssl_cipher_list = {_ALL}\nssl_dh = <@folder@/dh.pem",),
    ),
    Trial(
        "Dovecot",
        ("IMAP-CLEAR", "POP-CLEAR"),
        "110,143",
        lambda lines: dovecot(lines, tls="required" in lines),
        weak=("disable_plaintext_auth = no",),
    ),
    Trial(
        "OpenSSH",
        ("SSH-KEX-WEAK", "SSH-CIPHER-WEAK", "SSH-MAC-WEAK", "SSH-HOSTKEY-WEAK", "SSH-PASSWORD"),
        "22",
        lambda lines: sshd(*("=".join(line.split(" ", 1)) for line in lines.splitlines()), key=_RSA_3072),
        weak=(_WEAK_SSH,),
        level=2,
    ),
    Trial(
        "Redis",
        ("SVC-REDIS-UNAUTH",),
        "6379",
        servers.redis,
        weak=("protected-mode no",),
        filled=(("bind 127.0.0.1 -::1\n", ""),),
    ),
    Trial(
        "Redis",
        ("SVC-REDIS-EXPOSED",),
        "6379",
        servers.redis,
        weak=("requirepass only-for-the-lab",),
        closes=frozenset({6379}),
    ),
    Trial(
        "Memcached",
        ("AMP-MEMCACHED",),
        "U:11211",
        servers.memcached,
        weak=("-l @address@ -U 11211",),
        filled=(("-l 127.0.0.1", "-l @address@"),),
        closes=frozenset({11211}),
    ),
    Trial(
        "Memcached",
        ("SVC-MEMCACHED-UNAUTH", "SVC-MEMCACHED-EXPOSED"),
        "11211",
        servers.memcached,
        weak=("-l @address@", "-l @address@ -S"),
        closes=frozenset({11211}),
    ),
    Trial(
        "MySQL / MariaDB",
        ("SVC-MYSQL-EXPOSED",),
        "3306",
        servers.mariadb,
        closes=frozenset({3306}),
    ),
    Trial(
        "PostgreSQL",
        ("SVC-POSTGRES-EXPOSED",),
        "5432",
        servers.postgresql,
        weak=("host all all all scram-sha-256",),
        closes=frozenset({5432}),
    ),
    Trial(
        "PostgreSQL",
        ("SVC-POSTGRES-UNAUTH", "PG-CLEARTEXT-AUTH"),
        "5432",
        servers.with_certificate(servers.postgresql),
        weak=("host postgres postgres all trust", "host all all all password"),
        filled=(("/etc/ssl/certs/db.example.org.pem", "@crt@"), ("/etc/ssl/private/db.example.org.key", "@key@")),
    ),
    Trial(
        "Mosquitto",
        ("SVC-MQTT-UNAUTH",),
        "1883",
        servers.mosquitto,
        weak=("allow_anonymous true",),
    ),
    Trial(
        "Mosquitto",
        ("SVC-MQTT-EXPOSED",),
        "1883",
        servers.mosquitto,
        weak=("allow_anonymous false",),
        closes=frozenset({1883}),
    ),
    Trial(
        "Squid",
        ("SVC-HTTP-PROXY-UNAUTH",),
        "3128",
        servers.squid,
        weak=("http_port @address@:3128\nhttp_access allow all",),
        filled=(("127.0.0.1", "@address@"),),
    ),
    Trial(
        "Squid",
        ("SVC-HTTP-PROXY-EXPOSED",),
        "3128",
        servers.squid,
        weak=("http_port @address@:3128\nhttp_access deny all",),
        closes=frozenset({3128}),
    ),
    Trial("OpenLDAP (slapd)", ("LDAP-ANON", "SVC-LDAP-UNAUTH"), "389", servers.slapd, level=2),
    Trial("Samba", ("SMBV1", "SMB-SIGN"), "445", lambda lines: smbd(445, lines), weak=("server min protocol = NT1",)),
    Trial(
        "Tomcat",
        (*_OLD, *_BROKEN, "TLS-NO-FS", "TLS-RSA-KX", "TLS-DH-WEAK", "SVC-AJP-EXPOSED"),
        "8009,8443",
        web.tomcat,
        weak=(_WEAK_TOMCAT, f'<SSLHostConfig protocols="TLSv1.2" ciphers="{_STATIC}">\n</SSLHostConfig>'),
        filled=(("    …\n", ""),),
        closes=frozenset({8009}),
    ),
    Trial(
        "Unbound",
        ("DNS-RECURSION", "DNS-VERSION"),
        "53",
        servers.unbound,
        weak=("server:\n access-control: 0.0.0.0/0 allow",),
        filled=(("127.0.0.0/8 allow", "127.0.0.0/8 refuse"),),
        level=2,
        hostname="www.lab.example",
    ),
    Trial(
        "NFS (Linux)",
        ("NFS-EXPORT", "CLR-RPCBIND", "AMP-PORTMAP"),
        "9,111,20048",  # a closed port too, so that the host answers when the firewall turns the others away
        servers.nfs,
        weak=("/srv/share *(ro,sync,no_subtree_check)",),
        filled=(
            ("        meta l4proto { tcp, udp } th dport { 111, 2049, 20048 } iif lo accept\n", ""),
            ("reject", "ip daddr @address@ reject"),
        ),
        closes=frozenset({111, 20048}),
    ),
    Trial(
        "vsftpd",
        ("FTP-ANON", "CLR-FTP"),
        "21",
        servers.with_certificate(lambda lines: vsftpd(21, lines)),
        weak=("anonymous_enable=YES",),
        filled=_FTP_FILES,
        level=2,
    ),
    Trial(
        "vsftpd",
        ("FTP-TLS-OPTIONAL",),
        "21",
        servers.with_certificate(lambda lines: vsftpd(21, "anonymous_enable=NO", lines)),
        weak=("ssl_enable=YES\nrsa_cert_file=@crt@\nrsa_private_key_file=@key@\nforce_local_logins_ssl=NO",),
        filled=_FTP_FILES,
    ),
    Trial(
        "BIND",
        ("DNS-RECURSION", "DNS-AMP-ANY", "DNS-AXFR", "DNS-VERSION"),
        "53",
        servers.bind,
        weak=(
            "allow-recursion { any; }; allow-transfer { any; };",
            "allow-recursion { none; }; allow-query-cache { any; };",
        ),
        filled=(("localhost; localnets;", f"{OWN_NETWORK};"),),
        level=2,
        hostname="www.lab.example",
    ),
    Trial(
        "rsync",
        ("RSYNC-OPEN",),
        "873",
        lambda lines: rsyncd(873, f"[data]\npath = {{folder}}/data\n{lines}\n"),
        filled=(("/etc/rsyncd.secrets", "{folder}/secrets"), ("\nbackup:put-a-long-random-password-here", "")),
    ),
)
