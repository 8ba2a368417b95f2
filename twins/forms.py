"""What people fill in about twins."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from django import forms

from portal.models import User
from twins import proofs

HOST = re.compile(
    r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*(:\d{1,5})?"
)
SHARED_HOSTS = (
    "github.io",
    "gitlab.io",
    "pages.dev",
    "netlify.app",
    "vercel.app",
    "wordpress.com",
    "blogspot.com",
)
FREE_MAIL = (
    "gmail.com",
    "outlook.com",
    "hotmail.com",
    "yahoo.com",
    "proton.me",
    "icloud.com",
    "gmx.net",
    "web.de",
)


def _is_name(text: str) -> bool:
    """Whether the host is a name with a dot, or a local one with a port; never an address."""
    host, _, port = text.partition(":")
    if host.rpartition(".")[2].isdigit() or int(port or 1) not in range(1, 65536):
        return False
    return "." in host or bool(port)


class ClaimForm(forms.Form):
    """Who claims, for which domain, by which proof."""

    role = forms.CharField(max_length=80, label="Your role there", help_text="For example: regulatory lead.")
    domain = forms.CharField(
        max_length=255,
        label="A domain of the entity",
        help_text="The curator judges whether it belongs to the entity; the proof shows that you control it.",
    )
    proof = forms.ChoiceField(label="How you prove it")
    statement = forms.CharField(
        max_length=500,
        required=False,
        label="Anything the curator should know",
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(kind.name, f"{kind.title}. {kind.effort}") for kind in proofs.KINDS.values()]
        self.fields["proof"] = forms.ChoiceField(
            label="How you prove it", choices=choices, initial=choices[0][0], widget=forms.RadioSelect
        )

    def clean_domain(self) -> str:
        """A bare host name. Shared hosts and mail providers prove nothing about an entity."""
        text = str(self.cleaned_data["domain"]).strip().lower().rstrip(".")
        try:
            text = urlsplit(text).netloc if "://" in text else text
            name, _, port = text.partition(":")
            text = name.encode("idna").decode() + (f":{port}" if port else "")
        except ValueError:
            text = ""
        if not HOST.fullmatch(text) or not _is_name(text):
            raise forms.ValidationError("This is not a domain. Expected a name such as example.com.")
        if any(text == host or text.endswith(f".{host}") for host in (*SHARED_HOSTS, *FREE_MAIL)):
            raise forms.ValidationError("Anyone can get a name there: use a domain of the entity itself.")
        return text


class AnswerForm(forms.Form):
    text = forms.CharField(max_length=500, label="Your answer", widget=forms.Textarea(attrs={"rows": 3}))


REASONS = {
    "approve": {
        "control_proved": "Control of the entity's domain is proved",
        "known_person": "The claimant is known to act for the entity",
    },
    "decline": {
        "wrong_domain": "The domain is not the entity's",
        "not_the_entity": "The claimant does not act for the entity",
        "rival_claim": "Another claim is stronger",
    },
    "more": {"unclear": "The evidence is not clear"},
}
GROUPS = {"approve": "To approve", "decline": "To decline", "more": "To ask for more"}


class VerdictForm(forms.Form):
    """A curator's verdict; none without a reason that goes with it."""

    verdict = forms.ChoiceField(
        choices=[("approve", "Approve"), ("decline", "Decline"), ("more", "Ask for more")]
    )
    reason = forms.ChoiceField(
        choices=[
            ("", "Choose a reason"),
            *((GROUPS[verdict], [*found.items()]) for verdict, found in REASONS.items()),
        ],
        label="Reason",
    )
    note = forms.CharField(
        max_length=500, required=False, label="Note to the claimant", widget=forms.Textarea(attrs={"rows": 3})
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        verdict, reason = data.get("verdict", ""), data.get("reason")
        if verdict == "more" and not data.get("note"):
            self.add_error("note", "Say what the claimant should add.")
        if verdict and reason and reason not in REASONS[verdict]:
            self.add_error("reason", f"This is no reason {GROUPS[verdict].lower()}: choose one of those.")
        return data

    @property
    def reason_text(self) -> str:
        """The chosen reason in words."""
        return REASONS[self.cleaned_data["verdict"]][self.cleaned_data["reason"]]


class ObjectForm(forms.Form):
    """One object entered by hand: an id, and its fields as JSON."""

    id = forms.RegexField(
        r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$",
        label="Id",
        max_length=128,
        error_messages={"invalid": "Expected letters, digits and . _ : - only, a letter or digit first."},
    )
    body = forms.JSONField(
        label="Fields (JSON)", widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["body"].empty_values = [None, ""]  # {} is an object without fields, not a missing one

    def clean_body(self) -> dict[str, Any]:
        body = self.cleaned_data["body"]
        if not isinstance(body, dict):
            raise forms.ValidationError('Expected an object of fields, such as {"name": "…"}.')
        return body


class PersonForm(forms.Form):
    """Somebody with an account here, by e-mail, and the role they get."""

    email = forms.EmailField(label="E-mail", help_text="They need an account: their key comes from it.")
    role = forms.ChoiceField(choices=[("admin", "Admin"), ("owner", "Owner")])

    def clean_email(self) -> User:
        found = User.objects.filter(email=str(self.cleaned_data["email"]).lower()).first()
        if found is None:
            raise forms.ValidationError("Nobody has an account with this e-mail.")
        return found


class SenseForm(forms.Form):
    """A document feed: where it is, and which slices it fills."""

    name = forms.SlugField(
        max_length=40, label="Name", help_text="The name of an existing sense replaces it."
    )
    title = forms.CharField(max_length=80, label="Title")
    url = forms.URLField(
        max_length=500,
        label="Address of the feed",
        assume_scheme="https",
        help_text='A JSON object with a list for each slice: {"catalogue": [{"id": "a-1", "name": "…"}]}.',
    )
    slices = forms.MultipleChoiceField(label="Slices it fills", widget=forms.CheckboxSelectMultiple)
    every = forms.IntegerField(label="Look every (seconds)", min_value=5, max_value=86400, initial=3600)

    def __init__(self, *args: Any, names: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        slices = self.fields["slices"]
        assert isinstance(slices, forms.MultipleChoiceField)
        slices.choices = names
