"""Every address of the site. A page of ours is a :class:`~scanner.console.guard.Route`, with the right it needs."""

from __future__ import annotations

from allauth.account import views as account
from django.urls import URLPattern, URLResolver, include, path

from scanner.accounts.roles import Right
from scanner.console import assets
from scanner.console.guard import Route
from scanner.console.views import (
    authorisations,
    contacts,
    entry,
    exclusions,
    findings,
    importing,
    organisations,
    overview,
    people,
    plans,
    reports,
    rounds,
    selected,
    switch,
    targets,
    work,
)

ROUTES = (
    Route("", overview.show, "overview", Right.READ),
    Route("organisations/", organisations.index, "organisations", Right.READ),
    Route("organisations/<slug:slug>/", organisations.show, "organisation", Right.READ),
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
    Route("findings/<int:number>/assign/", work.give, "assign", Right.CLAIM, acts=True, shows=False),
    Route("findings/<int:number>/comment/", work.say, "comment", Right.CLAIM, acts=True, shows=False),
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
    path("assets/<slug:digest>/console.css", assets.style, name="style"),
    path("language/", entry.language, name="language"),
    path("invitation/<slug:token>/", entry.invitation, name="invitation"),
    path("account/sign-in/", account.login, name="account_login"),
    path("account/sign-out/", account.logout, name="account_logout"),
    path("account/ended/", account.account_inactive, name="account_inactive"),
    path("account/again/", account.reauthenticate, name="account_reauthenticate"),
    path("account/password/", account.password_change, name="account_change_password"),
    path("account/second-factor/authenticate/", entry.second_factor, name="mfa_authenticate"),
    path("account/second-factor/", include("allauth.mfa.urls")),
    path("account/sessions/", include("allauth.usersessions.urls")),
]
"""Ways in, and what everybody does with their own account; each sees to its own guard. There is no sign-up."""

urlpatterns = [*_ENTRANCE, *(route.pattern() for route in ROUTES)]
