"""Writing a message."""

from __future__ import annotations

from typing import Any

from django import forms

from twins.models import Twin


class MessageForm(forms.Form):
    """From one of my twins to another participant."""

    sender = forms.ModelChoiceField(Twin.objects.none(), label="From", empty_label=None, to_field_name="slug")
    recipient = forms.ModelChoiceField(Twin.objects.none(), label="To", to_field_name="slug")
    subject = forms.CharField(max_length=120)
    text = forms.CharField(max_length=4000, widget=forms.Textarea(attrs={"rows": 5}))

    once = forms.RegexField(r"^[0-9a-f]{16}$", widget=forms.HiddenInput)

    def __init__(self, *args: Any, mine: Any, others: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sender, recipient = self.fields["sender"], self.fields["recipient"]
        assert isinstance(sender, forms.ModelChoiceField)
        assert isinstance(recipient, forms.ModelChoiceField)
        sender.queryset, recipient.queryset = mine, others
