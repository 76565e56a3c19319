"""Who is at the terminal, for the audit trail."""

from __future__ import annotations

import os
import pwd

from scanner.engine.hostile import line


def actor() -> str:
    """Return the name of the user that runs this process; behind sudo ``root (sudo by alice)``.

    The account is the system's answer, not what the environment claims. Only root is believed about ``SUDO_USER``,
    which anybody else could have made up.
    """
    user = os.getuid()
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        name = f"uid {user}"
    before = line(os.environ.get("SUDO_USER", ""), 100) if user == 0 else ""
    return f"{name} (sudo by {before})" if before and before != name else name
