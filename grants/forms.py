"""What people fill in about grants."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone

from twins.models import Twin

MOST_DAYS = 366
PERIODS = [(30, "30 days"), (90, "90 days"), (366, "1 year")]
DECLINE_REASONS = ["not needed", "purpose unclear", "scope too wide", "owner's choice"]
REVOKE_REASONS = ["owner's choice", "contract ended", "breach suspected", "data withdrawn"]


def _choices(reasons: list[str]) -> list[tuple[str, str]]:
    return [("", "Choose a reason"), *((reason, reason.capitalize()) for reason in reasons)]


class AskForm(forms.Form):
    """Which of my twins asks for which slice, why, and for how long."""

    reader = forms.ModelChoiceField(Twin.objects.none(), label="For which of your twins", empty_label=None)
    slice = forms.ChoiceField(label="Slice")
    purpose = forms.CharField(max_length=300, label="Purpose", widget=forms.Textarea(attrs={"rows": 3}))
    days = forms.TypedChoiceField(choices=PERIODS, coerce=int, initial=90, label="For how long")
    contact = forms.CharField(max_length=120, required=False, label="Whom to ask")

    def __init__(self, *args: Any, twins: Any, slices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        reader, chosen = self.fields["reader"], self.fields["slice"]
        assert isinstance(reader, forms.ModelChoiceField)
        assert isinstance(chosen, forms.ChoiceField)
        reader.queryset = twins
        chosen.choices = slices


class DecideForm(forms.Form):
    """The owner's decision: an end date to approve, a reason to decline."""

    decision = forms.ChoiceField(choices=[("approve", "Approve"), ("decline", "Decline")])
    expires_at = forms.DateTimeField(
        required=False,
        label="Until (UTC)",
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M:%S", attrs={"type": "datetime-local", "step": "1"}),
    )
    reason = forms.ChoiceField(
        choices=_choices(DECLINE_REASONS), required=False, label="Reason, when you decline"
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("decision") == "decline" and not data.get("reason"):
            self.add_error("reason", "Choose a reason: the reader sees it.")
        if data.get("decision") == "approve" and "expires_at" not in self.errors:
            self._check_end(data.get("expires_at"))
        return data

    def _check_end(self, end: Any) -> None:
        now = timezone.now()
        if end is None:
            self.add_error("expires_at", "Choose an end: no grant is open-ended.")
        elif not now < end <= now + timedelta(days=MOST_DAYS):
            self.add_error("expires_at", f"Expected an instant from now on, at most {MOST_DAYS} days ahead.")


class RevokeForm(forms.Form):
    reason = forms.ChoiceField(choices=_choices(REVOKE_REASONS), label="Reason")
