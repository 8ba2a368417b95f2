"""People. What a person may do in a twin is decided in that twin; here is only who signs in, and how."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

from portal.sealing import under_password
from twins.runtime.client import generate_key, public_x
from twins.runtime.ids import new_uuid7, ulid_of


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str, name: str, **fields: Any) -> User:
        """A person with a password and a key of their own, sealed under that password."""
        seed = generate_key()
        user = User(email=self.normalize_email(email).lower(), name=name, **fields)
        user.set_password(password)
        user.public_key, user.sealed_key = public_x(seed), under_password(password, seed, user.subject)
        user.save()
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser):
    """One who signs in. The private key lies here only sealed under the person's password."""

    id = models.UUIDField(primary_key=True, default=new_uuid7, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=80)
    is_curator = models.BooleanField(default=False)
    is_operator = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    public_key = models.CharField(max_length=64)
    sealed_key = models.CharField(max_length=200)
    created = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects: ClassVar[UserManager] = UserManager()

    def __str__(self) -> str:
        return self.name

    @property
    def subject(self) -> str:
        """The person's name in every twin's store: ``user:<ULID>``."""
        return f"user:{ulid_of(self.id)}"
