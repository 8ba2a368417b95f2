"""Addresses of the directory, claims, the desk, consoles and operations."""

from __future__ import annotations

from django.urls import include, path

from twins.views import audit, claims, console, desk, explorer, memory, ops, people, senses, twin

twin_urls = [
    path("", twin.page, name="twin"),
    path("claim/", claims.start, name="claim-start"),
]

claim_urls = [
    path("", claims.page, name="claim"),
    path("check/", claims.check, name="claim-check"),
    path("withdraw/", claims.withdraw, name="claim-withdraw"),
    path("answer/", claims.answer, name="claim-answer"),
]

desk_urls = [
    path("", desk.queue, name="desk"),
    path("claims/<uuid:pk>/", desk.case, name="desk-case"),
    path("log/", desk.log, name="desk-log"),
]

console_urls = [
    path("", console.overview, name="console"),
    path("memory/", memory.slices, name="memory"),
    path("memory/<slug:name>/", memory.one_slice, name="memory-slice"),
    path("memory/<slug:name>/remove/", memory.remove, name="object-remove"),
    path("senses/", senses.page, name="senses"),
    path("senses/<slug:name>/run/", senses.run, name="sense-run"),
    path("senses/<slug:name>/remove/", senses.remove, name="sense-remove"),
    path("people/", people.page, name="people"),
    path("people/remove/", people.remove, name="person-remove"),
    path("audit/", audit.page, name="audit"),
    path("audit/export.<slug:form>", audit.export, name="audit-export"),
]

urlpatterns = [
    path("", explorer.index, name="explorer"),
    path("explore/<slug:slug>/", explorer.index, name="branch"),
    path("t/<slug:slug>/", include(twin_urls)),
    path("claims/<uuid:pk>/", include(claim_urls)),
    path("desk/", include(desk_urls)),
    path("console/", console.mine, name="mine"),
    path("console/<slug:slug>/", include(console_urls)),
    path("ops/", ops.index, name="ops"),
    path("ops/operations/<uuid:pk>/retry/", ops.retry, name="operation-retry"),
]
