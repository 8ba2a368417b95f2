"""Static files by WhiteNoise, in whole responses."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile


class StaticFiles(WhiteNoiseMiddleware):
    """WhiteNoise for ASGI, where streaming costs a warning and a thread a chunk; our files are small."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        """The file, or the answer that WhiteNoise found for the request's conditions."""
        answer = static_file.get_response(request.method, request.META)
        content = b""
        if answer.file is not None:
            with answer.file as file:
                content = file.read()
        return HttpResponse(content, status=int(answer.status), headers=dict(answer.headers))
