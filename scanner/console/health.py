"""``python -m scanner.console.health``: asks the pages of this machine whether they answer, as containers want it.

Exit status: 0 they do, 1 they don't, 2 a setting is wrong.
"""

from __future__ import annotations

import sys
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from scanner.engine.errors import RoundsmanError
from scanner.installation import load

SECONDS = 3.0
"""How long an answer may take."""


def main() -> int:
    """Ask; return the exit status."""
    try:
        installation = load()
    except RoundsmanError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    bind = installation.web_bind
    here = str(bind) if not bind.is_unspecified else "::1" if bind.version == 6 else "127.0.0.1"
    asked = HTTPConnection(here, installation.web_port, timeout=SECONDS)
    try:
        # Asked past the proxy, but by the name that browsers use, as no other is answered.
        asked.request("GET", "/healthz", headers={"Host": urlsplit(installation.site).netloc})
        return int(asked.getresponse().status != 200)
    except (OSError, HTTPException) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        asked.close()


if __name__ == "__main__":
    sys.exit(main())
