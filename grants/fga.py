"""A twin's own store, read with the OpenFGA client as any OpenFGA server would be."""

from __future__ import annotations

from typing import TypedDict

from django.conf import settings
from openfga_sdk import ReadRequestTupleKey
from openfga_sdk.client import ClientConfiguration
from openfga_sdk.client.models import ClientCheckRequest
from openfga_sdk.credentials import CredentialConfiguration, Credentials
from openfga_sdk.exceptions import OpenApiException
from openfga_sdk.sync import OpenFgaClient
from urllib3.exceptions import HTTPError

from grants.models import Grant
from twins.models import Twin
from twins.runtime.client.signer import Signer


class Tuple(TypedDict):
    """A stored tuple as a page shows it."""

    user: str
    relation: str
    object: str
    condition: str


def store_of(twin: Twin, signer: Signer) -> OpenFgaClient:
    """A client for the twin's store, through the router; close it after use."""
    token = CredentialConfiguration(api_token=signer.token(twin.ulid))
    configuration = ClientConfiguration(
        api_url=f"{settings.ROUTER_URL}/api/{twin.slug}",
        store_id=twin.ulid,
        credentials=Credentials(method="api_token", configuration=token),
        timeout_millisec=5000,
    )
    return OpenFgaClient(configuration)


def evidence(grant: Grant, signer: Signer) -> tuple[Tuple | None, bool | None]:
    """The grant's one tuple and what a check says now; None for what the store does not tell."""
    user, relation, place = grant.reader.subject, "federation_reader", f"slice:{grant.slice}"
    try:
        with store_of(grant.target, signer) as store:
            asked = ReadRequestTupleKey(user=user, relation=relation, object=place)  # type: ignore[no-untyped-call]
            found = store.read(asked).tuples
            allowed = store.check(ClientCheckRequest(user=user, relation=relation, object=place)).allowed
    except (OpenApiException, HTTPError):
        return None, None
    return (_shown(found[0].key) if found else None), allowed


def _shown(key: object) -> Tuple:
    condition = getattr(key, "condition", None)
    bounds = condition.context if condition else {}
    window = f"{bounds.get('not_before')} to {bounds.get('expires_at')}" if condition else ""
    return Tuple(
        user=str(getattr(key, "user", "")),
        relation=str(getattr(key, "relation", "")),
        object=str(getattr(key, "object", "")),
        condition=f"{condition.name}: {window}" if condition else "",
    )
