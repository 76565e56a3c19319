"""Every address of the site. A page of ours is a :class:`~scanner.console.guard.Route`, with the right it needs."""

from __future__ import annotations

from allauth.account import views as account
from allauth.mfa.webauthn import views as webauthn
from django.urls import URLPattern, URLResolver, include, path

from scanner.accounts.roles import Right
from scanner.console import assets
from scanner.console.guard import Route
from scanner.console.keys import scripted
from scanner.console.views import (
    authorisations,
    contacts,
    entry,
    exclusions,
    findings,
    importing,
    mail_server,
    organisation_forms,
    organisations,
    overview,
    people,
    plans,
    reports,
    rounds,
    selected,
    sign_on,
    switch,
    targets,
    zones,
)

ROUTES = (
    Route("", overview.show, "overview", Right.READ),
    Route("first-steps/", overview.hide_steps, "first-steps", Right.OPERATE, acts=True, shows=False),
    Route("organisations/", organisations.index, "organisations", Right.READ),
    Route("organisations/<slug:slug>/", organisations.show, "organisation", Right.READ),
    Route("add-organisation/", organisation_forms.add, "add-organisation", Right.OPERATE, acts=True),
    Route(
        "organisations/<slug:slug>/change/", organisation_forms.change, "change-organisation", Right.OPERATE, acts=True
    ),
    Route(
        "organisations/<slug:slug>/retire/", organisation_forms.retire, "retire-organisation", Right.OPERATE, acts=True
    ),
    Route(
        "organisations/<slug:slug>/bring-back/",
        organisation_forms.bring_back,
        "bring-back-organisation",
        Right.OPERATE,
        acts=True,
    ),
    Route("zones/", zones.index, "zones", Right.WATCH),
    Route("zones/add/", zones.add, "add-zone", Right.OPERATE, acts=True),
    Route("zones/<int:number>/change/", zones.change, "change-zone", Right.OPERATE, acts=True),
    Route("targets/", targets.index, "targets", Right.READ),
    Route("targets/<int:number>/", targets.show, "target", Right.READ),
    Route("targets/<int:number>/change/", targets.change, "change-target", Right.OPERATE, acts=True),
    Route("targets/add/", targets.add, "add-targets", Right.OPERATE, acts=True),
    Route("targets/change/", selected.change, "change-targets", Right.OPERATE, acts=True),
    Route("targets/retire/", selected.retire, "retire-targets", Right.OPERATE, acts=True),
    Route("targets/check/", selected.check, "check-targets", Right.OPERATE, acts=True),
    Route("import/", importing.upload, "import", Right.OPERATE, acts=True),
    Route("import/<int:number>/", importing.show, "import-draft", Right.OPERATE, acts=True),
    Route("authorisations/", authorisations.index, "authorisations", Right.READ),
    Route("authorisations/<int:number>/", authorisations.show, "authorisation", Right.READ, acts=True),
    Route("authorisations/<int:number>/end/", authorisations.end, "end-authorisation", Right.OPERATE, acts=True),
    Route("authorisations/add/", authorisations.add, "add-authorisation", Right.OPERATE, acts=True),
    Route("authorisations/files/<int:number>/", authorisations.download, "authorisation-file", Right.READ),
    Route("exclusions/", exclusions.index, "exclusions", Right.READ),
    Route("exclusions/add/", exclusions.add, "add-exclusion", Right.OPERATE, acts=True),
    Route("exclusions/<int:number>/end/", exclusions.end, "end-exclusion", Right.OPERATE, acts=True),
    Route("organisations/<slug:slug>/contacts/add/", contacts.add, "add-contact", Right.OPERATE, acts=True),
    Route("contacts/<int:number>/change/", contacts.change, "change-contact", Right.OPERATE, acts=True),
    Route("contacts/<int:number>/remove/", contacts.remove, "remove-contact", Right.OPERATE, acts=True),
    Route("findings/", findings.index, "findings", Right.READ),
    Route("findings/<int:number>/", findings.show, "finding", Right.READ),
    Route("findings/<int:number>/claim/", findings.claim, "claim", Right.CLAIM, acts=True, shows=False),
    Route("findings/<int:number>/ask/", findings.ask, "ask", Right.ASK, acts=True),
    Route("findings/<int:number>/decide/", findings.decide, "decide", Right.OPERATE, acts=True, shows=False),
    Route("findings/<int:number>/reopen/", findings.reopen, "reopen", Right.OPERATE, acts=True, shows=False),
    Route("reports/<int:number>/<slug:form>/", reports.download, "report", Right.READ),
    Route("plans/", plans.index, "plans", Right.WATCH),
    Route("plans/add/", plans.add, "add-plan", Right.OPERATE, acts=True),
    Route("plans/<int:number>/", plans.show, "plan", Right.WATCH),
    Route("plans/<int:number>/change/", plans.change, "change-plan", Right.OPERATE, acts=True),
    Route("plans/<int:number>/pause/", plans.pause, "pause-plan", Right.OPERATE, acts=True, shows=False),
    Route("plans/<int:number>/resume/", plans.resume, "resume-plan", Right.OPERATE, acts=True, shows=False),
    Route("plans/<int:number>/run/", plans.run, "run-plan", Right.OPERATE, acts=True, shows=False),
    Route("plans/<int:number>/remove/", plans.remove, "remove-plan", Right.OPERATE, acts=True),
    Route("rounds/", rounds.index, "rounds", Right.WATCH),
    Route("rounds/new/", rounds.begin, "new-round", Right.OPERATE, acts=True),
    Route("rounds/<int:number>/", rounds.show, "round", Right.WATCH),
    Route("rounds/<int:number>/pause/", rounds.pause, "pause-round", Right.OPERATE, acts=True, shows=False),
    Route("rounds/<int:number>/resume/", rounds.resume, "resume-round", Right.OPERATE, acts=True, shows=False),
    Route("rounds/<int:number>/cancel/", rounds.cancel, "cancel-round", Right.OPERATE, acts=True),
    Route("account/", entry.account, "account", None),
    Route("stop/", switch.switch, "stop", Right.OPERATE, acts=True),
    Route("settings/mail/", mail_server.show, "mail-server", Right.ADMINISTER, acts=True),
    Route("settings/mail/test/", mail_server.test, "test-mail", Right.ADMINISTER, acts=True, shows=False),
    Route("settings/mail/none/", mail_server.give_up, "no-mail-server", Right.ADMINISTER, acts=True),
    Route("people/", people.index, "people", Right.ADMINISTER),
    Route("people/invite/", people.invite, "invite", Right.ADMINISTER, acts=True),
    Route("people/<int:number>/", people.show, "account-of", Right.ADMINISTER, acts=True),
    Route(
        "people/<int:number>/roles/<int:held>/take/",
        people.take_role,
        "take-role",
        Right.ADMINISTER,
        acts=True,
        shows=False,
    ),
    Route(
        "people/<int:number>/<slug:act>/",
        people.change_access,
        "change-access",
        Right.ADMINISTER,
        acts=True,
        shows=False,
    ),
)

_ENTRANCE: list[URLPattern | URLResolver] = [
    path("assets/<slug:digest>/<str:name>", assets.asset, name="asset"),
    path("language/", entry.language, name="language"),
    path("invitation/<slug:token>/", entry.invitation, name="invitation"),
    path("account/sign-in/", account.login, name="account_login"),
    path("account/sign-out/", account.logout, name="account_logout"),
    path("account/ended/", account.account_inactive, name="account_inactive"),
    path("account/again/", account.reauthenticate, name="account_reauthenticate"),
    path("account/password/", account.password_change, name="account_change_password"),
    path("account/second-factor/authenticate/", scripted(entry.second_factor), name="mfa_authenticate"),
    path("account/second-factor/", include("allauth.mfa.base.urls")),
    path("account/second-factor/totp/", include("allauth.mfa.totp.urls")),
    path("account/second-factor/recovery-codes/", include("allauth.mfa.recovery_codes.urls")),
    path("account/second-factor/keys/", entry.keys, name="mfa_list_webauthn"),
    path("account/second-factor/keys/add/", scripted(webauthn.add_webauthn), name="mfa_add_webauthn"),
    path(
        "account/second-factor/keys/again/",
        scripted(webauthn.reauthenticate_webauthn),
        name="mfa_reauthenticate_webauthn",
    ),
    path("account/second-factor/keys/<int:pk>/rename/", webauthn.edit_webauthn, name="mfa_edit_webauthn"),
    path("account/second-factor/keys/<int:pk>/remove/", webauthn.remove_webauthn, name="mfa_remove_webauthn"),
    path("account/single-sign-on/", sign_on.start, name="sign-on"),
    path("account/single-sign-on/back/", sign_on.back, name="sign-on-back"),
    path("account/single-sign-on/again/", sign_on.again, name="sign-on-again"),
    path("account/single-sign-on/link/", sign_on.link, name="sign-on-link"),
    path("account/single-sign-on/unlink/", sign_on.unlink, name="sign-on-unlink"),
    path("account/single-sign-on/cancelled/", sign_on.cancelled, name="socialaccount_login_cancelled"),
    path("account/sessions/", include("allauth.usersessions.urls")),
]
"""Ways in, and what everybody does with their own account; each sees to its own guard. There is no sign-up."""

urlpatterns = [*_ENTRANCE, *(route.pattern() for route in ROUTES)]
