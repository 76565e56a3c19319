"""A provider of a single sign-on: a real one, made for tests, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from django.test import Client
from pydantic import SecretStr

from tests.console.test_production import free_port
from tests.delivery.office import installed

START = "/account/single-sign-on/"


@dataclass(frozen=True)
class Provider:
    """Where it is."""

    issuer: str

    @contextmanager
    def used(self, **more: object) -> Iterator[None]:
        """Run with it in the settings."""
        set_up = {"oidc_client_id": "roundsman", "oidc_client_secret": SecretStr("a secret"), "oidc_name": "City Login"}
        with installed(oidc_issuer=self.issuer, **{**set_up, **more}):
            yield

    def knows(self, subject: str, **claims: object) -> None:
        """Have it know somebody, or say something else of them."""
        httpx.put(f"{self.issuer}/users/{subject}", json=claims).raise_for_status()

    def lead_back(self, browser: Client, subject: str | None, start: str = START, **sent: str) -> str:
        """Press the button, be led to the provider, sign in there (None: decline), and return the way back."""
        page = browser.post(start, sent).content.decode()
        address = page.partition('content="0; url=')[2].partition('"')[0].replace("&amp;", "&")
        chosen = {"sub": subject} if subject else {"action": "deny"}
        back = str(httpx.post(address, data=chosen).headers["Location"]).partition("testserver")[2]
        state = address.partition("state=")[2].partition("&")[0]
        return back if "state=" in back else f"{back}&state={state}"  # which RFC 6749, 4.1.2.1, wants


@contextmanager
def provider() -> Iterator[Provider]:
    """Run one until the block ends."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    issuer = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{issuer}/jwks")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield Provider(issuer)
    finally:
        process.kill()
        process.wait()
