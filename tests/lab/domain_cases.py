"""Domains, well kept and neglected, at a BIND that plays the whole DNS above them."""

from __future__ import annotations

from scanner.engine.catalogue.load import catalogue
from tests.lab.case import LabCase
from tests.lab.dns_servers import Zone, dns_world

EVERY = frozenset(check for check in catalogue() if check.startswith("DOM-"))
_MAIL = frozenset({"DOM-MX", "DOM-MTA-STS", "DOM-TLSRPT", "DOM-DANE"})
_SPF = frozenset({"DOM-SPF-NONE", "DOM-SPF-BROKEN", "DOM-SPF-OPEN", "DOM-SPF-WEAK"})
_DMARC = frozenset({"DOM-DMARC-NONE", "DOM-DMARC-BROKEN", "DOM-DMARC-WEAK", "DOM-DMARC-REPORTS"})

_WEB = "@ IN A 203.0.113.10\nwww IN A 203.0.113.10\n"
_MX = "@ IN MX 10 mx\nmx IN A 203.0.113.25\n"
_CAA = '@ IN CAA 0 issue "ca.example"\n'
_REJECT = '_dmarc IN TXT "v=DMARC1; p=reject; rua=mailto:dmarc@nic.test"\n'
_TRANSPORT = (
    '_mta-sts IN TXT "v=STSv1; id=20260101"\nmta-sts IN A 203.0.113.10\n'
    '_smtp._tls IN TXT "v=TLSRPTv1; rua=mailto:tls@nic.test"\n'
)
_TLSA = f"_25._tcp.mx IN TLSA {{usage}} 1 1 {'ab' * 32}\n"
_KEPT = _WEB + _MX + _CAA + _REJECT + '@ IN TXT "v=spf1 mx -all"\n' + _TRANSPORT

_NEGLECTED = f"""
{_MX}
@ IN AAAA 2001:db8::10
www IN CNAME city-portal.cloud.test.
intranet IN A 10.1.2.3
* IN A 203.0.113.9
"""

_LOOSE = f"""
{_WEB}
@ IN NS ns1
@ IN NS ns2
ns1 IN A 192.0.2.1
ns2 IN A 192.0.2.2
@ IN MX 10 post
post IN CNAME www
@ IN TXT "google-site-verification=abc"
@ IN TXT "v=spf1 include:senders.loose.test -all"
senders IN TXT "v=spf1 +all"
_dmarc IN TXT "v=DMARC1; p=none"
@ IN CAA 0 iodef "mailto:pki@loose.test"
@ IN CAA 0 issuewild "ca.example"
"""

_TWICE = f"""
{_WEB}{_MX}{_CAA}
@ IN NS nic.test.
@ IN TXT "v=spf1 mx -all"
@ IN TXT "v=spf1 ip4:203.0.113.0/24 " "-all"
_dmarc IN TXT "v=DMARC1; p=reject; rua=mailto:a@nic.test"
_dmarc IN TXT "v=DMARC1; p=none; rua=mailto:b@nic.test"
_mta-sts IN TXT "v=STSv1; id=1"
_mta-sts IN TXT "v=STSv1; id=2"
_smtp._tls IN TXT "v=TLSRPTv1; rua="
"""


_OTHER_WAYS = f"""
{_WEB}{_TRANSPORT}
@ IN MX 10 mx
@ IN MX 20 mx.backup.test.
mx IN A 203.0.113.25
mx IN AAAA 2001:db8:25::25
@ IN TXT "v=spf1 a:mail.%{{d}} include:_spf.%{{d}} mx:" "backup.test/28//64 exists:%{{ir}}.%{{v}}._spf.%{{d2}} ~all"
mail IN A 203.0.113.26
_spf IN CNAME senders.backup.test.
_dmarc IN CNAME policy.backup.test.
@ IN CAA 128 issue "ca.example; validationmethods=dns-01"
"""

_BACKUP = f"""
{_MX}
senders IN TXT ( "v=spf1 ip4:198.51.100.0/25"
                 " ip6:2001:db8:99::/48 -all" )
policy IN TXT "v=DMARC1 ;p=quarantine ; sp=reject;np=reject; rua=mailto:dmarc@backup.test!10m; fo=1 ;"
"""

_MISTAKEN = f"""
{_WEB}{_CAA}{_TRANSPORT}
@ IN MX 10 mx
mx IN A 192.168.4.25
@ IN TXT "v=spf1 a:203.0.113.26 ip4:198.51.100.0/255.255.255.0 -all"
_dmarc IN TXT "v=DMARC1; p=reject; sp=quarantine; t=y; rua=dmarc@mistaken.test"
* IN CNAME pages.cloud.test.
"""


def _sender_policies(count: int) -> str:
    """A policy with ``count`` terms that ask the DNS: its own, and all the others in the policy it includes."""
    terms = " ".join(f"include:s{number}" + ".mail.test" for number in range(count - 1))
    others = "".join(f's{number} IN TXT "v=spf1 ip4:203.0.113.{number} -all"\n' for number in range(count - 1))
    return f'@ IN TXT "v=spf1 include:all.mail.test ~all"\nall IN TXT "v=spf1 {terms} ?all"\n{others}'


CASES = (
    LabCase(
        name="domain-well-kept",
        address="127.10.60.1",
        ports="",
        domain="kept.test",
        domain_names=("intranet.kept.test",),
        start=dns_world({"kept.test": Zone(_KEPT + _TLSA.format(usage=3))}, signed=True),
        silent=EVERY,
        needs=("named", "dnssec-signzone"),
    ),
    LabCase(
        name="domain-neglected",
        address="127.10.60.2",
        ports="",
        domain="bare.test",
        domain_names=("intranet.bare.test",),
        start=dns_world({"bare.test": Zone(_NEGLECTED, servers="@ IN NS ns1.nic.test.\n")}),
        expected=frozenset(
            {
                ("dns", "DOM-SPF-NONE"),
                ("dns", "DOM-DMARC-NONE"),
                ("dns", "DOM-NS-SINGLE"),
                ("dns", "DOM-DNSSEC-UNSIGNED"),
                ("dns", "DOM-CAA"),
                ("dns", "DOM-DANGLING"),
                ("dns", "DOM-WILDCARD"),
                ("dns", "DOM-PRIVATE-A"),
                ("dns", "DOM-IPV6"),
                ("dns", "DOM-MTA-STS"),
                ("dns", "DOM-TLSRPT"),
            }
        ),
        silent=frozenset({"DOM-DNSSEC-BOGUS", "DOM-DANE", "DOM-MX", "DOM-NS-LAME", "DOM-NS-SAME-NET"}),
        needs=("named",),
    ),
    LabCase(
        name="domain-open-to-forgers",
        address="127.10.60.3",
        ports="",
        domain="loose.test",
        start=dns_world({"loose.test": Zone(_LOOSE, servers="")}),
        expected=frozenset(
            {
                ("dns", "DOM-SPF-OPEN"),
                ("dns", "DOM-CAA"),
                ("dns", "DOM-DMARC-WEAK"),
                ("dns", "DOM-DMARC-REPORTS"),
                ("dns", "DOM-MX"),
                ("dns", "DOM-NS-SAME-NET"),
            }
        ),
        silent=frozenset({"DOM-SPF-BROKEN", "DOM-NS-SINGLE", "DOM-NS-LAME", "DOM-DANGLING", "DOM-IPV6"}),
        needs=("named",),
    ),
    LabCase(
        name="domain-with-everything-twice",
        address="127.10.60.4",
        ports="",
        domain="twice.test",
        start=dns_world({"twice.test": Zone(_TWICE)}),
        expected=frozenset(
            {
                ("dns", "DOM-SPF-BROKEN"),
                ("dns", "DOM-DMARC-BROKEN"),
                ("dns", "DOM-MTA-STS"),
                ("dns", "DOM-TLSRPT"),
                ("dns", "DOM-NS-LAME"),
            }
        ),
        silent=frozenset({"DOM-SPF-OPEN", "DOM-DMARC-NONE", "DOM-DANGLING", "DOM-NS-SINGLE"}),
        needs=("named",),
    ),
    LabCase(
        name="domain-whose-senders-take-eleven-lookups",
        address="127.10.60.5",
        ports="",
        domain="mail.test",
        start=dns_world({"mail.test": Zone(_KEPT.replace("v=spf1 mx -all", "") + _sender_policies(11))}),
        expected=frozenset({("dns", "DOM-SPF-BROKEN")}),
        silent=_DMARC,
        needs=("named",),
    ),
    LabCase(
        name="domain-with-soft-fail-alone",
        address="127.10.60.6",
        ports="",
        domain="mail.test",
        start=dns_world(
            {"mail.test": Zone(_KEPT.replace("v=spf1 mx -all", "").replace("reject", "none") + _sender_policies(10))}
        ),
        expected=frozenset({("dns", "DOM-SPF-WEAK"), ("dns", "DOM-DMARC-WEAK")}),
        silent=frozenset({"DOM-SPF-BROKEN", "DOM-SPF-NONE", "DOM-DMARC-REPORTS"}),
        needs=("named",),
    ),
    LabCase(
        name="domain-with-soft-fail-behind-dmarc",
        address="127.10.60.7",
        ports="",
        domain="city.mail.test",
        start=dns_world(
            {
                "mail.test": Zone(_WEB + _CAA + _REJECT + "city IN NS ns1.nic.test.\n"),
                "city.mail.test": Zone(_WEB + _MX + _TRANSPORT + '@ IN TXT "v=spf1 a mx ~all"\n'),
            }
        ),
        silent=_SPF | _DMARC | {"DOM-CAA"},
        needs=("named",),
    ),
    LabCase(
        name="domain-without-mail",
        address="127.10.60.8",
        ports="",
        domain="quiet.test",
        start=dns_world({"quiet.test": Zone(_WEB + _CAA + _REJECT + '@ IN MX 0 .\n@ IN TXT "v=spf1 -all"\n')}),
        silent=_SPF | _DMARC | _MAIL | {"DOM-DANGLING", "DOM-WILDCARD", "DOM-PRIVATE-A"},
        needs=("named",),
    ),
    LabCase(
        name="domain-with-a-forged-signature",
        address="127.10.60.9",
        ports="",
        domain="forged.test",
        start=dns_world(
            {"forged.test": Zone(_KEPT, broken=("hostmaster.nic.test.", "intruder.nic.test."))}, signed=True
        ),
        expected=frozenset({("dns", "DOM-DNSSEC-BOGUS")}),
        silent=EVERY - {"DOM-DNSSEC-BOGUS"},
        outcome="partial",
        needs=("named", "dnssec-signzone"),
    ),
    LabCase(
        name="domain-whose-tlsa-records-nobody-uses",
        address="127.10.60.10",
        ports="",
        domain="pinned.test",
        start=dns_world({"pinned.test": Zone(_KEPT + _TLSA.format(usage=0))}, signed=True),
        expected=frozenset({("dns", "DOM-DANE")}),
        silent=frozenset({"DOM-DNSSEC-UNSIGNED", "DOM-DNSSEC-BOGUS", "DOM-MTA-STS", "DOM-TLSRPT", "DOM-CAA"}),
        needs=("named", "dnssec-signzone"),
    ),
    LabCase(
        name="domain-that-no-server-answers-for",
        address="127.10.60.11",
        ports="",
        domain="lost.test",
        start=dns_world({"lost.test": Zone("this line is no record\n")}),
        silent=EVERY,
        outcome="unreachable",
        needs=("named",),
    ),
    LabCase(
        name="domain-that-does-not-exist",
        address="127.10.60.12",
        ports="",
        domain="never.test",
        start=dns_world({}),
        silent=EVERY,
        outcome="unreachable",
        needs=("named",),
    ),
    LabCase(
        name="domain-well-kept-in-other-ways",
        address="127.10.60.13",
        ports="",
        domain="other.test",
        start=dns_world({"other.test": Zone(_OTHER_WAYS), "backup.test": Zone(_BACKUP)}),
        silent=_SPF | _DMARC | _MAIL | {"DOM-CAA", "DOM-DANGLING", "DOM-NS-LAME", "DOM-NS-SINGLE", "DOM-PRIVATE-A"},
        needs=("named",),
    ),
    LabCase(
        name="domain-with-records-that-nobody-can-read",
        address="127.10.60.14",
        ports="",
        domain="mistaken.test",
        start=dns_world({"mistaken.test": Zone(_MISTAKEN)}),
        expected=frozenset(
            {
                ("dns", "DOM-SPF-BROKEN"),
                ("dns", "DOM-DMARC-WEAK"),
                ("dns", "DOM-DMARC-REPORTS"),
                ("dns", "DOM-PRIVATE-A"),
                ("dns", "DOM-DANGLING"),
            }
        ),
        silent=frozenset({"DOM-SPF-OPEN", "DOM-SPF-WEAK", "DOM-DMARC-BROKEN", "DOM-MTA-STS", "DOM-TLSRPT", "DOM-CAA"}),
        needs=("named",),
    ),
    LabCase(
        name="domain-that-is-an-alias-of-a-cloud-name-nobody-has",
        address="127.10.60.15",
        ports="",
        domain="shop.city.test",
        start=dns_world({"city.test": Zone(_KEPT + "shop IN CNAME city-shop.cloud.test.\n")}),
        expected=frozenset({("dns", "DOM-DANGLING")}),
        silent=_DMARC | _MAIL | {"DOM-SPF-BROKEN", "DOM-WILDCARD", "DOM-NS-SINGLE", "DOM-DNSSEC-BOGUS"},
        needs=("named",),
    ),
    LabCase(
        name="domain-of-which-one-signature-is-forged",
        address="127.10.60.16",
        ports="",
        domain="partly.test",
        start=dns_world(
            {
                "partly.test": Zone(
                    _KEPT.replace("www IN A 203.0.113.10", "www IN A 203.0.113.80"), broken=("113.80", "113.81")
                )
            },
            signed=True,
        ),
        expected=frozenset({("dns", "DOM-DNSSEC-BOGUS")}),
        silent=_SPF | _DMARC | {"DOM-MX", "DOM-MTA-STS", "DOM-TLSRPT", "DOM-CAA", "DOM-DNSSEC-UNSIGNED"},
        outcome="partial",
        needs=("named", "dnssec-signzone"),
    ),
    LabCase(
        name="domain-below-another-with-a-policy",
        address="127.10.60.17",
        ports="",
        domain="web.team.city.test",
        start=dns_world(
            {
                "city.test": Zone(
                    _KEPT
                    + 'web.team IN TXT "v=spf1 -all"\n_dmarc.team IN TXT "v=DMARC1; p=none; rua=mailto:a@nic.test"\n'
                )
            }
        ),
        silent=_SPF | _DMARC | {"DOM-CAA"},
        needs=("named",),
    ),
)
