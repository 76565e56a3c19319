"""``roundsman inspect`` as a person runs it, against a real Redis on loopback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from jsonschema import Draft202012Validator

from scanner.cli import crew
from scanner.cli.main import main
from scanner.engine.model import Target
from scanner.engine.plan import Plan, parse_ports
from scanner.engine.probes.dial import Limits
from tests import forked
from tests.installation import COMMAND
from tests.lab.case import process, program
from tests.lab.lab_ca import issue
from tests.processes import below, command_line, lives, scans
from tests.rounds.prepared import within

ROUNDSMAN = str(Path(sys.executable).with_name("roundsman"))
SCHEMA = Path(__file__).parents[2] / "docs" / "inspection.schema.json"
ALLOWED = ("--authorisation", "the lab's owner")
ADDRESS, PORT = "127.11.2.1", 6379

pytestmark = pytest.mark.lab


def roundsman(*arguments: str) -> subprocess.CompletedProcess[str]:
    return forked.run("-c", COMMAND, "inspect", *arguments, env=os.environ, cwd=Path.cwd())


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("redis")
    command = [program("redis-server"), "--bind", ADDRESS, "--port", str(PORT), "--save", "", "--protected-mode", "no"]
    with process(command, folder=folder, wait_for=(ADDRESS, PORT)):
        yield ADDRESS


@pytest.fixture(scope="module")
def inspected(redis: str) -> subprocess.CompletedProcess[str]:
    """One inspection of the open Redis, for all that is asked of its JSON."""
    return roundsman(redis, *ALLOWED, "--ports", "6379", "--format", "json")


def test_the_json_is_valid_against_the_published_schema_and_names_the_open_redis(
    redis: str, inspected: subprocess.CompletedProcess[str]
) -> None:
    document = json.loads(inspected.stdout)
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(document)
    assert inspected.returncode == 0, inspected.stderr
    [target] = document["targets"]
    assert (target["target"], target["outcome"], target["addresses"]) == (redis, "inspected", [redis])
    assert [(service["port"], service["service"]) for service in target["services"]] == [(6379, "redis")]
    critical = [finding for finding in target["findings"] if finding["severity"] == "critical"]
    assert [(finding["check"], finding["confidence"]) for finding in critical] == [("SVC-REDIS-UNAUTH", "confirmed")]


def test_the_verify_command_shows_the_weakness_to_anyone(inspected: subprocess.CompletedProcess[str]) -> None:
    finding = json.loads(inspected.stdout)["targets"][0]["findings"][0]
    shown = subprocess.run(finding["verify"], shell=True, capture_output=True, text=True, timeout=20, check=False)
    assert "redis_version" in shown.stdout


def test_fail_on_sets_the_status_only_when_it_is_reached_and_the_language_is_the_readers(redis: str) -> None:
    reached = roundsman(redis, *ALLOWED, "--ports", "6379", "--fail-on", "critical", "--lang", "zh-Hans")
    assert (reached.returncode, "未授权访问" in reached.stdout) == (1, True)
    english = roundsman(redis, *ALLOWED, "--ports", "6379", "--fail-on", "critical")
    assert (english.returncode, "without credentials" in english.stdout) == (1, True)
    assert roundsman("127.11.2.9", *ALLOWED, "--ports", "6379", "--fail-on", "low").returncode == 0


@pytest.mark.parametrize("form", ["html", "sarif"])
def test_a_report_file_appears_whole_where_it_was_asked_for(redis: str, form: str, tmp_path: Path) -> None:
    report = tmp_path / f"report.{form}"
    ran = roundsman(redis, *ALLOWED, "--ports", "6379", "--format", form, "--output", str(report))
    assert ran.returncode == 0, ran.stderr
    assert "SVC-REDIS-UNAUTH" in report.read_text()
    assert [path.name for path in tmp_path.iterdir()] == [report.name]


def test_a_full_disk_is_said_and_leaves_no_half_report(redis: str) -> None:
    with Path("/dev/full").open("w") as full:
        command = [ROUNDSMAN, "inspect", redis, *ALLOWED, "--ports", "6379"]
        buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=240, env=buffered)
    assert ran.returncode == 2
    assert "could not be written" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--", "-oN"], "looks like an option"),
        (["0.0.0.0/0"], "at most"),
        (["::/0"], "at most"),
        (["10.1.0.0/20"], "--yes"),
        (["fe80::1%eth0"], "zone index"),
        (["127.0.0.1:80"], "port"),
        (["127.1"], "all four numbers"),
        (["10.0.0.1/8"], "10.0.0.0/8"),
        (["a..b"], "host name"),
        (["127.0.0.1", "--ports", "0-70000"], "not a port"),
        (["127.0.0.1", "--ports", ""], "No ports"),
        (["127.0.0.1", "--level", "3"], "level"),
        (["127.0.0.1", "--format", "xml"], "format"),
        (["127.0.0.1", "--tls-policy", "ncsc"], "mozilla-intermediate"),
    ],
)
def test_bad_input_ends_with_status_2_and_says_what_is_wrong(
    arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["roundsman", "inspect", *ALLOWED, *arguments])
    assert says in refused(capsys)


def test_without_an_authorisation_it_refuses_and_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["roundsman", "inspect", ADDRESS])
    assert "authorisation" in refused(capsys)


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    """Run the command, see that it ends with status 2 and prints no result, and return what it says."""
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    return said.err


def test_an_unknown_host_is_reported_as_not_inspected_while_the_others_are_inspected(redis: str) -> None:
    ran = roundsman("no-such-host.invalid", redis, *ALLOWED, "--ports", "6379", "--format", "json")
    unknown, known = json.loads(ran.stdout)["targets"]
    assert ran.returncode == 3
    assert unknown["outcome"] != "inspected"
    assert unknown["reason"]
    assert known["outcome"] == "inspected"


def test_a_unicode_name_is_asked_for_in_its_ascii_form() -> None:
    ran = roundsman("bücher.invalid", *ALLOWED, "--format", "json")
    assert ran.returncode == 3
    assert "xn--bcher-kva.invalid" in ran.stdout


def test_a_name_that_leads_to_loopback_is_refused_but_localhost_is_meant() -> None:
    ran = roundsman("localhost", *ALLOWED, "--ports", "T:7", "--format", "json")
    assert {target["outcome"] for target in json.loads(ran.stdout)["targets"]} == {"inspected"}


def test_a_url_implies_its_port(redis: str) -> None:
    ran = roundsman(f"http://{redis}:6379/", *ALLOWED, "--format", "json")
    [target] = json.loads(ran.stdout)["targets"]
    assert [service["port"] for service in target["services"]] == [6379]


def test_a_missing_nmap_is_named_with_what_to_do(tmp_path: Path) -> None:
    command = [ROUNDSMAN, "inspect", "127.0.0.1", *ALLOWED]
    ran = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "apt-get install nmap" in ran.stderr


def test_an_old_nmap_is_refused_with_its_version(tmp_path: Path) -> None:
    old = tmp_path / "nmap"
    old.write_text("#!/bin/sh\necho 'Nmap version 7.40 ( https://nmap.org )'\n")
    old.chmod(0o755)
    command = [ROUNDSMAN, "inspect", "127.0.0.1", *ALLOWED]
    ran = subprocess.run(
        command, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert "7.40 is too old" in ran.stderr


def test_an_interrupt_keeps_what_is_finished_and_leaves_no_process(redis: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    silent = [f"127.11.3.{number}" for number in range(1, 200)]
    command = [ROUNDSMAN, "inspect", redis, *silent, *ALLOWED, "--max-rate", "200", "--format", "json"]
    child = subprocess.Popen([*command, "--output", str(report)], stderr=subprocess.PIPE, text=True)
    try:
        this = psutil.Process(child.pid)
        assert within(20, lambda: any(scans(each) for each in below(this)))
        family = below(this)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=20)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 130, said
    assert "Traceback" not in said
    targets = json.loads(report.read_text())["targets"]
    assert len(targets) == 200
    assert any(target["outcome"] != "inspected" for target in targets)
    assert [member for member in family if lives(member)] == []


def _scanning(command: psutil.Process) -> list[psutil.Process]:
    """The forks of ``roundsman inspect`` that scan, once there are several that share its hosts."""
    own = command_line(command)
    forks = [each for each in below(command, recursive=False) if command_line(each) == own]
    return [each for each in forks if len(forks) > 1 and any(map(scans, below(each, recursive=False)))]


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core gets no helpers")
@pytest.mark.parametrize(("hit", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, 3)])
def test_many_hosts_are_shared_by_processes_and_what_one_leaves_is_not_inspected(
    redis: str, hit: signal.Signals, status: int
) -> None:
    closed = [f"127.11.3.{number}" for number in range(1, 48)]
    command = [ROUNDSMAN, "inspect", redis, *closed, *ALLOWED, "--ports", "1-7000", "--format", "json"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        this = psutil.Process(child.pid)
        assert within(60, lambda: bool(_scanning(this)))
        family = below(this)
        (this if hit is signal.SIGINT else _scanning(this)[0]).send_signal(hit)
        printed, said = child.communicate(timeout=240)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == status, said
    assert "Traceback" not in said
    assert ("A process ended before its time" in said) == (hit is signal.SIGKILL)
    targets = {each["target"]: each["outcome"] for each in json.loads(printed)["targets"]}
    assert len(targets) == 48
    assert any(outcome == "error" for outcome in targets.values())
    assert hit is signal.SIGINT or any(outcome == "inspected" for outcome in targets.values())
    assert within(5, lambda: not [member for member in family if lives(member) and not scans(member)])


def test_an_address_has_one_process_whatever_it_is_asked_by_and_a_rate_is_kept_by_one_alone() -> None:
    by_address = tuple(Target(f"192.0.2.{number}", f"192.0.2.{number}") for number in range(64))
    by_name = replace(by_address[5], label="www.example", hostname="www.example")
    plans = [Plan((*by_address, by_name)), Plan((by_name,), ports=parse_ports("8443"))]
    shares = [crew.share(plans, number, 2) for number in range(2)]
    seen = [{target.address for plan in plans for target in plan.targets} for plans in shares]
    assert (len(seen[0]), len(seen[1]), seen[0] & seen[1]) == (32, 32, set())
    assert sum(len(plan.targets) for plans in shares for plan in plans) == 66
    assert crew.helpers_for([replace(plans[0], limits=Limits(rate=50))]) == 1
    assert crew.helpers_for([Plan(by_address[:20])]) == 1


def test_inspect_never_imports_django(redis: str) -> None:
    script = (
        "import sys; sys.argv = ['roundsman', 'inspect', %r, '--authorisation', 'x', '--ports', '6379']\n"
        "from scanner.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'django'])"
    )
    ran = subprocess.run([sys.executable, "-c", script % redis], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has the capability to give away")
def test_without_raw_sockets_it_works_by_full_connections_and_says_so(redis: str) -> None:
    command = ["setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw", ROUNDSMAN, "inspect", redis]
    ran = subprocess.run(
        [*command, *ALLOWED, "--ports", "6379", "--format", "json"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "No raw sockets" in ran.stderr
    assert json.loads(ran.stdout)["targets"][0]["findings"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file a capability")
def test_an_nmap_that_may_use_raw_sockets_by_its_file_does_so_for_who_has_no_capability(
    redis: str, tmp_path: Path
) -> None:
    nmap = Path(shutil.copy(program("nmap"), tmp_path / "nmap"))
    capability = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)  # vfs_cap_data: version 2, effective; CAP_NET_RAW
    os.setxattr(nmap, "security.capability", capability)
    command = ["setpriv", "--securebits=+noroot", "--inh-caps=-all", ROUNDSMAN, "inspect", redis, *ALLOWED]
    methods = {}
    for folder in ("/none", tmp_path):
        environment = {**os.environ, "PATH": f"{folder}:/usr/bin:/bin"}
        asked = [*command, "--ports", "6379", "--format", "json"]
        ran = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        methods[folder] = json.loads(ran.stdout)["targets"][0]["coverage"]["scans"][0]["method"]
        assert ("No raw sockets" in ran.stderr) == (folder == "/none")
    assert methods == {"/none": "connect", tmp_path: "syn"}


def test_a_file_without_a_root_is_refused_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.pem").write_text("no certificate here")
    asked = ["inspect", ADDRESS, *ALLOWED, "--trust", str(tmp_path / "notes.pem")]
    monkeypatch.setattr(sys, "argv", ["roundsman", *asked])
    assert "no certificate in PEM form" in refused(capsys)


def test_a_private_root_that_is_named_is_trusted_and_a_policy_that_is_named_is_held_to(tmp_path: Path) -> None:
    root = issue("Office Root", is_ca=True)
    leaf = issue("office.test", root, addresses=[ADDRESS])
    (tmp_path / "root.pem").write_bytes(root.pem)
    (tmp_path / "leaf.pem").write_bytes(leaf.pem + leaf.key_pem)
    serve = [
        program("openssl"),
        "s_server",
        "-quiet",
        "-accept",
        f"{ADDRESS}:8443",
        "-cert",
        str(tmp_path / "leaf.pem"),
    ]
    with process(serve, folder=tmp_path, wait_for=(ADDRESS, 8443)):
        asked = (ADDRESS, *ALLOWED, "--ports", "8443", "--format", "json")
        without, trusting = roundsman(*asked), roundsman(*asked, "--trust", str(tmp_path / "root.pem"))
        stricter = roundsman(*asked, "--tls-policy", "mozilla-intermediate")
    assert "CERT-UNTRUSTED" in checks(without)
    assert "CERT-UNTRUSTED" not in checks(trusting)
    assert _finding(without, "TLS-CBC")["severity"] == "info"
    assert _finding(stricter, "TLS-CBC")["severity"] == "low"
    assert _finding(stricter, "TLS-CBC")["policy"] == (
        "Mozilla's TLS guideline (intermediate): this is insufficient (6.0 intermediate, ciphers)."
    )


def _finding(ran: subprocess.CompletedProcess[str], check: str) -> dict[str, str]:
    findings = [finding for target in json.loads(ran.stdout)["targets"] for finding in target["findings"]]
    return next(finding for finding in findings if finding["check"] == check)


def checks(ran: subprocess.CompletedProcess[str]) -> set[str]:
    return {finding["check"] for target in json.loads(ran.stdout)["targets"] for finding in target["findings"]}
