"""Signing up and in."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.password_validation import validate_password

from portal.models import User


class SignIn(AuthenticationForm):
    """E-mail and password. Every refusal reads the same, whatever was wrong."""

    error_messages = {
        "invalid_login": "E-mail or password is wrong.",
        "inactive": "E-mail or password is wrong.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "E-mail"
        self.fields["username"].widget = forms.EmailInput(
            attrs={"autocomplete": "username", "autofocus": True}
        )

    def clean_username(self) -> str:
        return str(self.cleaned_data["username"]).strip().lower()


class SignUp(forms.Form):
    """A new person. The password seals the person's key, so it must be a good one."""

    name = forms.CharField(
        max_length=80, label="Your name", widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    email = forms.EmailField(label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "email"}))
    password = forms.CharField(
        label="Password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="It also seals your signing key: nobody can reset it for you.",
    )

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if "mycelium" in name.casefold():
            raise forms.ValidationError("This is the portal's own name in timelines: choose another.")
        return name

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"]).lower()
        if User.objects.filter(email=email).exists():
            raise forms.ValidationError("This e-mail is already in use. Sign in instead.")
        return email

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        validate_password(
            password, User(name=self.cleaned_data.get("name", ""), email=self.cleaned_data.get("email", ""))
        )
        return password
