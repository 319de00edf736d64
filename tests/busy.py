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
        for _ in range(TRIES):
            answer = super().handle_request(request)
            if not _again(request, answer):
                break
            answer.close()
            time.sleep(PAUSE_SECONDS)
        return answer


class AsyncPatient(httpx.AsyncHTTPTransport):
    """The same for tests that await."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(TRIES):
            answer = await super().handle_async_request(request)
            if not _again(request, answer):
                break
            await answer.aclose()
            await asyncio.sleep(PAUSE_SECONDS)
        return answer


def _again(request: httpx.Request, answer: httpx.Response) -> bool:
    return request.method == "GET" and answer.status_code == 503
