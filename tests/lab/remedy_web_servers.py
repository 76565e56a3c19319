"""Web servers that start with the lines of a remedy; see :mod:`tests.lab.remedy_servers`."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path

from tests.lab import web_sites as sites
from tests.lab.case import Start, process, program
from tests.lab.remedy_servers import listens_at, rsa_files
from tests.lab.web_servers import apache, nginx


def _site(root: Path) -> None:
    """Everything that should not lie there, and beside the site a certificate for RSA and a prime that is too short."""
    sites.repository(root)
    sites.other_repositories(root)
    (root / "index.html").write_text(sites.html("Portal", '<a href="/files/report.pdf">report</a>'))
    rsa_files(root.parent)


_REDIRECT = re.compile(r"^location / \{.*?^\}", re.DOTALL | re.MULTILINE)


def nginx_site(lines: str) -> Start:
    """A TLS server and a plain one; what returns something goes to the plain one, who is allowed to its status page."""
    redirect = _REDIRECT.findall(lines)
    words = _REDIRECT.sub("", lines).splitlines()
    status = " ".join(line for line in words if line.startswith(("allow", "deny")))
    others = [line for line in words if not line.startswith(("allow", "deny"))]
    plain = [*redirect, *(line for line in others if line.startswith("server_tokens"))]
    tls = (
        "ssl_certificate @folder@/rsa/server.crt; ssl_certificate_key @folder@/rsa/server.key; "
        f"location = /nginx_status {{ stub_status; {status} }}"
    )
    servers = (
        "server { listen @address@:80; " + "\n".join(plain) + " }",
        "server { listen @address@:443 ssl; " + "\n".join([tls, *others]) + " }",
    )
    return nginx("\n".join(servers), port=443, fill=_site)


def apache_site(lines: str) -> Start:
    """A TLS server, which gets what is about TLS, and a plain one, which gets what redirects."""
    words = lines.splitlines()
    tls = "\n".join(line for line in words if line.startswith("SSL"))
    file = "dh.crt" if "SECLEVEL=0" in lines else "server.crt"
    redirect = "\n".join(line for line in words if line.startswith("RedirectMatch permanent"))
    others = "\n".join(line for line in words if not line.startswith(("SSL", "RedirectMatch permanent")))
    return apache(
        443,
        f"Listen @address@:80\n<VirtualHost @address@:80>\nServerName lab\n{redirect}\n</VirtualHost>\n"
        f"<VirtualHost @address@:443>\nServerName lab\nSSLEngine on\nSSLCertificateFile @folder@/rsa/{file}\n"
        f"SSLCertificateKeyFile @folder@/rsa/server.key\n{tls}\n</VirtualHost>\n{others}",
        modules=("ssl", "headers", "autoindex", "status", "authz_host"),
        fill=_site,
    )


_TOMCAT = """\
<Server port="-1">
  <Service name="Catalina">
    {connectors}
    <Connector port="8443" address="{address}" SSLEnabled="true" minSpareThreads="2">{tls}</Connector>
    <Engine name="Catalina" defaultHost="localhost"><Host name="localhost" appBase="webapps"/></Engine>
  </Service>
</Server>
"""
_TOMCAT_JARS = [path for path in Path("/usr/share/java").glob("tomcat10-*.jar") if not path.is_symlink()]
_TOMCAT_CERTIFICATE = '<Certificate certificateFile="{0}/rsa/server.crt" certificateKeyFile="{0}/rsa/server.key"/>'


def tomcat(lines: str) -> Start:
    """Tomcat with connectors for AJP and TLS, in a Java that would speak the old versions."""
    whole = [line for line in lines.splitlines() if line.startswith("<Connector")]
    tls = "\n".join(line for line in lines.splitlines() if line not in whole)

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        for name in ("conf", "logs", "temp", "webapps", "work"):
            (folder / name).mkdir()
        rsa_files(folder)
        (folder / "java.security").write_text("jdk.tls.disabledAlgorithms=\njdk.certpath.disabledAlgorithms=\n")
        inside = tls.replace("</SSLHostConfig>", _TOMCAT_CERTIFICATE.format(folder) + "</SSLHostConfig>")
        text = _TOMCAT.format(address=address, connectors="\n".join(whole), tls=inside)
        (folder / "conf" / "server.xml").write_text(text.replace("@address@", address))
        command = [
            *(program("java"), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx96m", f"-Dcatalina.base={folder}"),
            *(f"-Djava.security.properties={folder}/java.security", f"-Djava.io.tmpdir={folder}/temp"),
            *("-cp", ":".join(map(str, _TOMCAT_JARS)), "org.apache.catalina.startup.Bootstrap", "start"),
        ]
        with process(command, folder=folder, wait_for=(address, 8443)):
            if whole:
                socket.create_connection((listens_at(lines, address), 8009)).close()
            yield

    return start
