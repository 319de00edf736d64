"""HTTP clients of tests whose server is a process with the waits of production: 503 says that this machine is busy.

What only reads is asked again then, as every client should; a test that wants to see the 503 takes another client.
"""

import asyncio
import time

import httpx

TRIES = 60
PAUSE_SECONDS = 1.0


class Patient(httpx.HTTPTransport):
    """Repeats what reads."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer, tries = super().handle_request(request), 1
        while _again(request, answer, tries):
            answer.close()
            time.sleep(PAUSE_SECONDS)
            answer, tries = super().handle_request(request), tries + 1
        return answer


class AsyncPatient(httpx.AsyncHTTPTransport):
    """The same for tests that await."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer, tries = await super().handle_async_request(request), 1
        while _again(request, answer, tries):
            await answer.aclose()
            await asyncio.sleep(PAUSE_SECONDS)
            answer, tries = await super().handle_async_request(request), tries + 1
        return answer


def _again(request: httpx.Request, answer: httpx.Response, tries: int) -> bool:
    return request.method == "GET" and answer.status_code == 503 and tries < TRIES
