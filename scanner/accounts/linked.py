"""The link between an account here and one at the single sign-on, by which somebody is known."""

from __future__ import annotations

from allauth.socialaccount.models import SocialAccount

from scanner.accounts.models import User

SIGN_ON = "sign-on"
"""What allauth calls the provider."""


def is_linked(user: User) -> bool:
    """Tell whether an account is linked."""
    return bool(SocialAccount.objects.filter(user=user, provider=SIGN_ON).exists())


def linked() -> set[int]:
    """Return the keys of all accounts that are linked."""
    return set(SocialAccount.objects.filter(provider=SIGN_ON).values_list("user", flat=True))


def unlink_all() -> None:
    """Take all links away."""
    SocialAccount.objects.filter(provider=SIGN_ON).delete()


def unlink(user: User) -> bool:
    """Take the link away; return whether there was one."""
    removed, _ = SocialAccount.objects.filter(user=user, provider=SIGN_ON).delete()
    return bool(removed)
