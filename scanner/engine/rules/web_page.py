"""What stands in the first page, or is missing there: signs of an intruder's links, the registration number."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner.engine.facts.http import TEXT_OF_A_PAGE, HttpFacts, Page
from scanner.engine.model import Confidence, Finding, Service
from scanner.engine.rules.base import Context, rule
from scanner.engine.rules.web_site import listed, pages, quote_first_page

# Trades for which intruders plant links (暗链): gambling, pornography, forged papers. Words that an office would use
# itself, to warn of them or to run a lottery, are left out.
_DARK = re.compile(
    r"(?i)百家乐|时时彩|六合彩|老虎机|葡京|真人娱乐|真人视讯|真人荷官|网上赌场|澳门赌场|博彩公司|博彩网|彩票平台|北京赛车|"
    r"皇冠体育|皇冠足球|开云体育|乐鱼体育|亚博体育|必威体育|万博体育|永利娱乐|金沙娱乐|银河娱乐|太阳城娱乐|威尼斯人娱乐|"
    r"娱乐城|博天堂|bet365|棋牌娱乐|捕鱼游戏|色情|裸聊|成人视频|成人电影|黄色视频|约炮|一夜情|迷药|代开发票|刻章办证|"
    r"传奇私服|(?<![a-z])(?:casino|slot gacor|togel|judi online|viagra|cialis)(?![a-z])"
)


@rule("WEB-TAMPER")
def tampered(service: Service, context: Context) -> Iterator[Finding]:
    """Dark words where only search engines read: hidden links, the title and keywords, the crawlers' own page.

    One word may be chance, and a person has to look in any case; several are probable.
    """
    for site in pages(service):
        marks = list(dict.fromkeys(_dark_marks(site)))
        if marks:
            yield context.finding(
                "WEB-TAMPER",
                service,
                confidence=Confidence.PROBABLE if len(marks) > 1 else Confidence.POSSIBLE,
                exchanges=quote_first_page(site),
                site=site.url,
                marks=listed(marks),
            )


def _dark_marks(site: HttpFacts) -> Iterator[str]:
    shown: tuple[tuple[str, Page | None], ...] = (("", site.page), ("Baiduspider: ", site.for_crawlers))
    for audience, page in shown:
        if page is None:
            continue
        for text in (page.title, page.keywords, *page.hidden_links):
            if _DARK.search(text):
                yield f"{audience}{text[:80]}"


@rule("WEB-ICP")
def registration(service: Service, context: Context) -> Iterator[Finding]:
    """Sites under .cn show their record's number on the first page (MIIT order No. 33, article 13)."""
    for site in pages(service):
        name = site.host.partition(":")[0].lower()
        page = site.page
        looked = page is not None and page.registration == "" and page.text_length >= TEXT_OF_A_PAGE
        if looked and site.by_name and name.endswith(".cn"):
            yield context.finding("WEB-ICP", service, exchanges=quote_first_page(site), site=site.url)


RULES = (tampered, registration)
