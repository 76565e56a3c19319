"""Real services that speak HTTP: etcd, Prometheus, the Docker registry, CUPS."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.lab.access import access_case, exposed, unauth
from tests.lab.case import Start, process, program
from tests.lab.http_answers import together
from tests.lab.web_servers import nginx


def _etcd(port: int, *, auth: bool = False) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        url, peer = f"http://{address}:{port}", f"http://{address}:{port + 1}"
        command = [
            *(program("etcd"), "--name", "lab", "--data-dir", str(folder / "etcd")),
            *("--listen-client-urls", url, "--advertise-client-urls", url),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"lab={peer}"),
        ]
        with process(command, folder=folder, wait_for=(address, port)):
            if auth:
                _etcdctl(url, "user", "add", "root:only-for-the-lab")
                _etcdctl(url, "user", "grant-role", "root", "root")
                _etcdctl(url, "auth", "enable")
            yield

    return start


def _etcdctl(url: str, *words: str) -> None:
    subprocess.run(
        [program("etcdctl"), f"--endpoints={url}", *words],
        check=True,
        capture_output=True,
        timeout=20,
        env={**os.environ, "ETCDCTL_API": "3"},
    )


def _prometheus(port: int, *options: str) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        config = folder / "prometheus.yml"
        config.write_text("global: {scrape_interval: 1h}\n")
        command = [
            *(program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / f'tsdb-{port}'}"),
            *(f"--web.listen-address={address}:{port}", *options),
        ]
        with process(command, folder=folder, wait_for=(address, port)):
            yield

    return start


@contextlib.contextmanager
def _node_exporter(address: str, folder: Path) -> Iterator[None]:
    command = [program("prometheus-node-exporter"), f"--web.listen-address={address}:9100"]
    with process(command, folder=folder, wait_for=(address, 9100)):
        yield


def _docker_registry(port: int, *, auth: bool = False) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        config = {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": str(folder / f"images-{port}")}},
            "http": {"addr": f"{address}:{port}", "secret": "only-for-the-lab"},
        }
        if auth:
            users = folder / "users"
            users.write_text("lab:$2y$05$3Qm9Wq0oYvT3l3i6o2Zt6uJ3m1vZcQm0m1c6kM3p8nYgq2F9l3m2K\n")
            config["auth"] = {"htpasswd": {"realm": "registry", "path": str(users)}}
        written = folder / f"registry-{port}.yml"
        written.write_text(json.dumps(config))  # JSON is YAML
        with process([program("docker-registry"), "serve", str(written)], folder=folder, wait_for=(address, port)):
            yield

    return start


_CUPS = """
LogLevel error
Listen {address}:631
DefaultAuthType None
<Location />
  Order allow,deny
  Allow all
</Location>
"""
_CUPS_FILES = """
ServerRoot {folder}
RequestRoot {folder}
CacheDir {folder}
StateDir {folder}
AccessLog {folder}/access
ErrorLog {folder}/error
PageLog {folder}/page
"""


@contextlib.contextmanager
def _cups(address: str, folder: Path) -> Iterator[None]:
    folder.chmod(0o755)
    daemon, files = folder / "cupsd.conf", folder / "cups-files.conf"
    daemon.write_text(_CUPS.format(address=address))
    files.write_text(_CUPS_FILES.format(folder=folder))
    command = [program("cupsd"), "-f", "-c", str(daemon), "-s", str(files)]
    with process(command, folder=folder, wait_for=(address, 631)):
        yield


_BEFORE_CUPS = (
    "server { listen @address@:8631; location / "
    "{ proxy_pass http://@address@:631; proxy_set_header Host localhost:631; } }"
)

CASES = (
    access_case(
        "etcd-open", 5, _etcd(2379), unauth(ETCD=2379), silent=frozenset({"SVC-EXPORTER-UNAUTH"}), needs=("etcd",)
    ),
    access_case(
        "etcd-with-auth",
        6,
        _etcd(2379, auth=True),
        exposed(ETCD=2379),
        silent=frozenset({"SVC-EXPORTER-UNAUTH"}),
        needs=("etcd", "etcdctl"),
    ),
    access_case(
        "docker-registry",
        11,
        together(_docker_registry(5000), _docker_registry(5443, auth=True)),
        unauth(REGISTRY=5000) | exposed(REGISTRY=5443),
        needs=("docker-registry",),
    ),
    access_case(
        "prometheus-and-node-exporter",
        16,
        together(_prometheus(9090), _prometheus(9091, "--web.enable-admin-api"), _node_exporter),
        unauth(PROMETHEUS=9090, EXPORTER=9100) | unauth(PROMETHEUS=9091),
        silent=frozenset({"SVC-INFLUX-EXPOSED"}),
        needs=("prometheus", "prometheus-node-exporter"),
    ),
    access_case("etcd-on-an-odd-port", 21, _etcd(22379), unauth(ETCD=22379), ports="22379", needs=("etcd",)),
    # On loopback CUPS serves its own name only, and refuses nobody by address.
    access_case(
        "cups-behind-a-proxy",
        35,
        together(_cups, nginx(_BEFORE_CUPS, port=8631)),
        unauth(CUPS=8631),
        ports="8631",
        hostname="localhost",
        needs=("cupsd", "nginx"),
    ),
    access_case("cups-open", 22, _cups, unauth(CUPS=631), hostname="localhost", needs=("cupsd",)),
)
