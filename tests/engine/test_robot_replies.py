"""What replies to good and bad padding tell of ROBOT, where a server that breaks off is seen to do so in two ways."""

from __future__ import annotations

import pytest
from sslyze.plugins.robot._robot_tester import RobotPmsPaddingPayloadEnum as Padding
from sslyze.plugins.robot._robot_tester import RobotScanResultEnum

from scanner.engine.probes.tls_deep_robot import Replies

ALERT, CLOSED, RESET = "TLS Alert 20 2", "No data", "socket.error [Errno 104] Connection reset by peer"
BAD = (Padding.WRONG_FIRST_TWO_BYTES, Padding.WRONG_POSITION_00, Padding.NO_00_IN_THE_MIDDLE)
UNKNOWN = RobotScanResultEnum.UNKNOWN_INCONSISTENT_RESULTS


def told(good: list[str], *bad: list[str]) -> RobotScanResultEnum:
    """What is told where well-formed padding got the replies ``good``, and each sort of bad padding its own."""
    replies = dict.fromkeys((Padding.VALID, Padding.WRONG_VERSION_NUMBER), good) | dict(zip(BAD, bad, strict=True))
    return Replies(replies, 3).compute_result_enum()


@pytest.mark.parametrize("bad", [[CLOSED] * 3, [RESET] * 3, [CLOSED, RESET, CLOSED]])
def test_a_server_that_breaks_off_at_bad_padding_in_whatever_way_is_an_oracle(bad: list[str]) -> None:
    assert told([ALERT] * 3, bad, [CLOSED] * 3, [RESET] * 3) is not UNKNOWN
    assert told([ALERT] * 3, bad, bad, bad) is RobotScanResultEnum.VULNERABLE_WEAK_ORACLE


def test_an_oracle_that_tells_sorts_of_bad_padding_apart_is_strong() -> None:
    assert told([ALERT] * 3, [CLOSED, RESET, CLOSED], ["Ok"] * 3, ["Ok"] * 3) is (
        RobotScanResultEnum.VULNERABLE_STRONG_ORACLE
    )


def test_a_server_that_always_breaks_off_is_not_judged_by_how() -> None:
    assert told([CLOSED, RESET, CLOSED], [RESET] * 3, [CLOSED] * 3, [RESET, RESET, CLOSED]) is UNKNOWN


def test_replies_that_differ_by_more_than_how_the_server_broke_off_tell_nothing() -> None:
    assert told([ALERT, CLOSED, ALERT], [CLOSED] * 3, [CLOSED] * 3, [CLOSED] * 3) is UNKNOWN


def test_a_server_that_answers_every_padding_the_same_is_no_oracle() -> None:
    assert told([ALERT] * 3, [ALERT] * 3, [ALERT] * 3, [ALERT] * 3) is RobotScanResultEnum.NOT_VULNERABLE_NO_ORACLE
