"""All settings. Every outside service is an address in the environment; unset means the embedded default.

Each variable that is read here is documented in docs/configuration.md; a test compares the two.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from portal import environment as env
from portal.kept import kept
from portal.logs import is_worth_a_line

BASE_DIR = Path(__file__).resolve().parent.parent
MYCELIUM_HOME = env.private_folder(Path(env.text("MYCELIUM_HOME", str(BASE_DIR / "var"))))
PORT = env.number("PORT", 8000, 1, 65535)
PUBLIC_URL = env.web_address("PUBLIC_URL", f"http://localhost:{PORT}")
ROUTER_URL = env.web_address("ROUTER_URL", f"http://127.0.0.1:{PORT}")
DATABASE_URL = env.secret("DATABASE_URL")
REDIS_URL = env.secret("REDIS_URL")
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))

DEBUG = False
SECRET_KEY = env.secret("SECRET_KEY") or kept(MYCELIUM_HOME / "secret.key", lambda: secrets.token_urlsafe(48))
KEYRING_SCRYPT_N = 2**16  # 64 MiB and about 0.2 s for each guess at a password

_public = urlsplit(PUBLIC_URL)
_LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = [_public.hostname or "", *env.words("ALLOWED_HOSTS")]
if _public.hostname in _LOOPBACK:
    ALLOWED_HOSTS += _LOOPBACK
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

# Outbound fetches refuse private addresses; only the embedded demo's feed is on this machine.
EMBEDDED = not DATABASE_URL and not REDIS_URL and _public.hostname in _LOOPBACK
OUTBOUND_ALLOW = env.networks("MYCELIUM_OUTBOUND_ALLOW", ("127.0.0.0/8",) if EMBEDDED else ())
OUTBOUND_PORTS = env.ports("MYCELIUM_OUTBOUND_PORTS")

# TLS ends at the edge, which says so in X-Forwarded-Proto and drops the caller's own.
BEHIND_EDGE = _https = _public.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = _https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _https else None
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_REFERRER_POLICY = "same-origin"
CSRF_COOKIE_HTTPONLY = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 2**20

INSTALLED_APPS = [
    "daphne",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "channels",
    "django_htmx",
    "portal",
    "twins",
    "grants",
    "ledger",
]
MIDDLEWARE = [
    "portal.logs.request_id",
    "portal.csp.security_headers",
    "django.middleware.security.SecurityMiddleware",
    "portal.assets.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.errors.ProblemPages",
]
ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.frame",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

AUTH_USER_MODEL = "portal.User"
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "/"
# The password also opens the sealed key: its hash must not be the cheaper one to guess against.
PASSWORD_HASHERS = ["portal.hashers.Scrypt"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.database(
        DATABASE_URL or f"sqlite://{MYCELIUM_HOME}/portal.sqlite3",
        pool=env.number("DATABASE_POOL", 8, 1, 100),
        test_file=MYCELIUM_HOME / "test.sqlite3",
    )
}
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = MYCELIUM_HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}
WHITENOISE_ALLOW_ALL_ORIGINS = False

CELERY_BROKER_URL = "memory://localhost/"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"  # tasks may come twice or late, so no file is kept
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "twins.tasks.sweep", "schedule": 2.0, "options": {"expires": 4}},
    "check-proofs": {"task": "twins.tasks.check_proofs", "schedule": 30.0, "options": {"expires": 30}},
    "settle-grants": {"task": "grants.tasks.settle", "schedule": 5.0, "options": {"expires": 5}},
}
if REDIS_URL:
    CELERY_BROKER_URL = env.celery_broker(REDIS_URL)
    CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [REDIS_URL]},
        }
    }
    CACHES: dict[str, dict[str, Any]] = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    }
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {"polling_interval": 0.05}  # one second by default
    CHANNEL_LAYERS = {"default": {"BACKEND": "portal.layers.LocalChannelLayer"}}
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": "mycelium",
            # rate limits are counted here: at the default 300 a flood of keys would push the counters out
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        }
    }

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "portal.logs.JsonLines"}},
    "filters": {"probes": {"()": "django.utils.log.CallbackFilter", "callback": is_worth_a_line}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "json", "filters": ["probes"]},
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        "django.channels.server": {"level": "WARNING"},
        "daphne": {"level": "WARNING"},
        "celery": {"level": "WARNING"},
        "aiohttp.access": {"level": "WARNING"},
    },
}
