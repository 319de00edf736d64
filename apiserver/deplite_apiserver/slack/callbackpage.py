"""What a person sees when Slack has sent their browser back to us: one page without script, nothing fetched."""

import html

from starlette.responses import HTMLResponse

from deplite_apiserver.reference.page import PAGE_POLICY

HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "Referrer-Policy": "no-referrer",  # the address holds what Slack exchanges for a token
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 36rem; margin: 4rem auto; padding: 0 1rem; }
code { font-family: ui-monospace, monospace; font-size: .9em; }
"""


def connected_page(team: str) -> HTMLResponse:
    """Return the page of success.

    Args:
        team: the name of the workspace, as Slack says it.
    """
    return _page(
        200,
        f"{team} is connected",
        "<p>Next, tie your Slack user to yourself: <code>deplite slack link</code> prints a line to paste into Slack. "
        "Then <code>/deplite help</code> says what there is.</p><p>You can close this page.</p>",
    )


def refused_page(status: int, message: str, *, retry_after: int | None = None) -> HTMLResponse:
    """Return the page of a refusal.

    Args:
        status: the HTTP status.
        message: what went wrong and what to do.
        retry_after: seconds after which loading this page again may help; None where it does not.
    """
    again = "Load this page again to try once more; where it says that its link was used, ask Deplite for a new one."
    more = f"<p>{again}</p>" if retry_after is not None else ""
    answer = _page(status, "The workspace is not connected", f"<p>{html.escape(message)}</p>{more}")
    if retry_after is not None:
        answer.headers["Retry-After"] = str(retry_after)
    return answer


def _page(status: int, title: str, body: str) -> HTMLResponse:
    content = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Deplite and Slack</title><style>{_STYLE}</style></head><body>"
        f"<h1>{html.escape(title)}</h1>{body}</body></html>\n"
    )
    return HTMLResponse(content, status_code=status, headers=HEADERS)
