"""One example of every body and answer, by the name of its model; a test reads each with that model."""

from collections.abc import Mapping
from typing import Any

_AGENT, _TRIGGER, _JOB = "ag-k7q2m5xw4tnd6abc", "tr-k7q2m5xw4tnd6abc", "j-k7q2m5xw4tnd6abcl3zrv2yhpe"
_AT, _LATER = "2026-05-31T13:42:18Z", "2026-05-31T13:44:53Z"
_PUBLIC_KEY = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
    "-----END PUBLIC KEY-----\n"
)
_PARAM = {"name": "replicas", "type": "number", "required": False, "default": 3, "min": 1, "max": 10}
_LIMIT = {"perMinute": 10, "perHour": 100, "perDay": None}
_SCOPES = [{"type": "trigger", "triggerIds": [_TRIGGER]}]
_OUTPUT = {"deployedRef": "main-7f3a9b", "url": "https://app.example.com"}

_CODE = {
    "id": "enr-k7q2m5xw4tnd6abc",
    "label": "prod-server-01",
    "agentId": None,
    "prefix": "enr_Jx3k",
    "uses": 1,
    "used": 0,
    "expiresAt": _LATER,
    "createdAt": _AT,
}
_TOKEN = {
    "id": "tok-k7q2m5xw4tnd6abc",
    "name": "CI Pipeline",
    "prefix": "tk_Qm7e",
    "scopes": _SCOPES,
    "rateLimitPerMinute": 10,
    "rateLimitPerHour": 100,
    "rateLimitPerDay": None,
    "expiresAt": "2027-01-01T00:00:00Z",
    "allowedCIDRs": ["203.0.113.0/24"],
    "previous": None,
    "lastUsedAt": None,
    "createdAt": _AT,
}
_FILE = {
    "id": "f-k7q2m5xw4tnd6abc",
    "bindingId": "release-notes",
    "jobId": None,
    "filename": "notes.pdf",
    "contentType": "application/pdf",
    "size": 48_213,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "status": "stored",
    "cleanupRule": "ttl",
    "expiresAt": "2026-06-07T13:42:18Z",
    "createdAt": _AT,
}
_JOB_FILE = {
    "id": "f-m5xw4tnd6abck7q2",
    "filename": "dist/app.tar.gz",
    "size": 7_340_032,
    "contentType": "application/gzip",
    "status": "stored",
}
_ROW = {
    "id": _JOB,
    "agentId": _AGENT,
    "triggerId": _TRIGGER,
    "workflowName": "deploy-prod",
    "status": "success",
    "ref": "main",
    "exitCode": 0,
    "reason": None,
    "queuedAt": _AT,
    "startedAt": "2026-05-31T13:42:19Z",
    "finishedAt": _LATER,
}
_LINE = {"seq": 0, "stream": "summary", "stepName": "build", "level": "info", "content": "Build started"}

EXAMPLES: Mapping[str, Any] = {
    "TriggerCreate": {
        "agentId": _AGENT,
        "name": "Deploy Prod",
        "workflowName": "deploy-prod",
        "scopeType": "workflow",
        "type": "webhook",
        "responseMode": "async",
        "allowedRefs": ["main", "release/*"],
        "notify": {"slack": {"channel": "C024BE91L"}},
    },
    "TriggerPatch": {"name": "Deploy Production", "suspended": True},
    "TriggerShape": {
        "id": _TRIGGER,
        "name": "Deploy Prod",
        "agentId": _AGENT,
        "workflowName": "deploy-prod",
        "scopeType": "workflow",
        "type": "webhook",
        "responseMode": "async",
        "allowedRefs": ["main", "release/*"],
        "params": {},
        "schedule": None,
        "scheduleStatus": None,
        "concurrency": {"policy": "allow", "group": None},
        "timeouts": {"queueSeconds": 900, "jobSeconds": 3600},
        "suspended": False,
        "notify": {"slack": {"channel": "C024BE91L", "teamId": None, "when": "always"}},
        "url": f"https://deplite.example.com/triggers/{_TRIGGER}/run",
        "ready": True,
        "reason": "Accepted",
        "lastJobId": None,
        "lastJobAt": None,
        "createdAt": _AT,
    },
    "RunRequest": {"ref": "main", "params": {"replicas": "3"}},
    "NothingAsked": {},
    "RunShape": {
        "jobId": _JOB,
        "status": "queued",
        "idempotent": False,
        "timedOut": False,
        "statusUrl": f"/api/jobs/{_JOB}",
    },
    "ForetoldShape": {
        "dryRun": True,
        "accepted": False,
        "code": "rate_limited",
        "message": "Rate limit exceeded",
        "retryAfter": 42,
        "passesAt": _LATER,
    },
    "AcknowledgementShape": {"jobId": _JOB, "status": "running", "statusUrl": f"/api/jobs/{_JOB}"},
    "JobRowShape": _ROW,
    "JobShape": _ROW
    | {
        "debug": False,
        "output": _OUTPUT,
        "errorMessage": None,
        "waitingFor": None,
        "rejection": None,
        "files": [_JOB_FILE],
    },
    "UploadRequest": {
        "filename": "notes.pdf",
        "contentType": "application/pdf",
        "ttlSeconds": 604_800,
        "bindingId": "release-notes",
        "size": 48_213,
        "sha256": _FILE["sha256"],
    },
    "AgentUploadRequest": {
        "filename": "dist/app.tar.gz",
        "contentType": "application/gzip",
        "cleanupRule": "persistent",
        "size": 7_340_032,
    },
    "UploadShape": {
        "fileId": _FILE["id"],
        "uploadUrl": "https://s3.example.com/deplite/files/org-acme/f-k7q2m5xw4tnd6abc-0b6a4c1d?X-Amz-Signature=…",
        "uploadHeaders": {"Content-Type": "application/pdf", "If-None-Match": "*"},
        "expiresInSeconds": 900,
    },
    "FileShape": _FILE,
    "DownloadShape": {
        "downloadUrl": "https://s3.example.com/deplite/files/org-acme/f-k7q2m5xw4tnd6abc-0b6a4c1d?X-Amz-Signature=…",
        "expiresInSeconds": 900,
    },
    "LogPageShape": {"items": [_LINE], "nextSeq": 1},
    "TokenCreate": {
        "name": "CI Pipeline",
        "scopeType": "trigger",
        "triggerIds": [_TRIGGER],
        "rateLimitPerMinute": 10,
        "rateLimitPerHour": 100,
        "expiresAt": "2027-01-01T00:00:00Z",
    },
    "TokenRotate": {"overlapSeconds": 3600},
    "TokenShape": _TOKEN,
    "MintedTokenShape": _TOKEN | {"plainToken": "tk_…"},
    "TokenSelfShape": {
        "organizationId": "org-acme",
        "name": "CI Pipeline",
        "scopes": _SCOPES,
        "rateLimit": _LIMIT,
        "expiresAt": "2027-01-01T00:00:00Z",
    },
    "CodeCreate": {"label": "prod-server-01"},
    "CodeShape": _CODE,
    "MintedCodeShape": _CODE | {"token": "enr_…"},
    "EnrollRequest": {"name": "prod-server-01", "publicKey": _PUBLIC_KEY, "hostname": "prod-01", "os": "linux"},
    "EnrollShape": {"agentId": _AGENT, "organizationId": "org-acme", "serverPublicKey": _PUBLIC_KEY},
    "AgentPatch": {"name": "prod-server-01", "suspended": False},
    "AgentShape": {
        "id": _AGENT,
        "name": "prod-server-01",
        "hostname": "prod-01",
        "os": "linux",
        "agentVersion": "0.1.0",
        "status": "connected",
        "suspended": False,
        "lastSeenAt": _LATER,
        "enrolledAt": _AT,
        "createdAt": _AT,
    },
    "InstallUrlShape": {
        "url": "https://slack.com/oauth/v2/authorize?client_id=100.200&scope=commands&redirect_uri=…&state=…",
        "expiresAt": _LATER,
    },
    "InstalledShape": {"organizationId": "org-acme", "teamId": "T024BE7LD", "teamName": "Acme"},
    "InstallationShape": {
        "teamId": "T024BE7LD",
        "teamName": "Acme",
        "scopes": ["app_mentions:read", "chat:write", "chat:write.public", "commands"],
        "connected": True,
        "connectedAt": _AT,
        "installedBy": "https://issuer.example.com#olga",
        "linkedUsers": 7,
    },
    "LinkCodeShape": {
        "code": "lnk_Jx3kQm7eJx3kQm7eJx3kQm7eJx3kQm7eJx3k",
        "command": "/deplite link lnk_Jx3kQm7eJx3kQm7eJx3kQm7eJx3kQm7eJx3k",
        "expiresAt": _LATER,
    },
    "CommandForm": {
        "team_id": "T024BE7LD",
        "user_id": "U024BE7LH",
        "user_name": "mika",
        "channel_id": "C024BE91L",
        "command": "/deplite",
        "text": "run deploy-prod main replicas=3",
        "response_url": "https://hooks.slack.com/commands/…",
        "trigger_id": "13345224609.738474920.8088930838d88f008e0",
    },
    "EventEnvelope": {
        "type": "event_callback",
        "team_id": "T024BE7LD",
        "event_id": "Ev08MFMKH6",
        "event": {"type": "app_home_opened", "user": "U024BE7LH", "tab": "home"},
    },
    "EventAnswer": {},
    "Identity": {"hostname": "prod-01", "os": "linux", "agentVersion": "0.1.0"},
    "Inventory": {"workflows": [{"name": "deploy-prod", "secretsKeys": ["DATABASE_URL"], "params": [_PARAM]}]},
    "Counted": {"count": 1},
    "WorkflowShape": {
        "id": "wf-k7q2m5xw4tnd6abc",
        "agentId": _AGENT,
        "name": "deploy-prod",
        "description": None,
        "version": None,
        "secretsKeys": ["DATABASE_URL"],
        "paramsSchema": [_PARAM],
        "rateLimit": _LIMIT,
    },
    "RateLimitPatch": {"perMinute": 10, "perDay": None},
    "RateLimitShape": {"workflowName": "deploy-prod"} | _LIMIT,
    "RefreshShape": {"requested": True},
    "LogBatch": {"items": [_LINE, {"seq": 1, "stream": "raw", "stepName": "build", "content": "Step 1/5\n"}]},
    "AcceptedShape": {"accepted": 2},
    "ResultReport": {"status": "success", "exitCode": 0, "output": _OUTPUT},
    "HealthShape": {"status": "ok"},
}

ANSWERS: Mapping[tuple[str, str, str], Any] = {
    ("GET", "/readyz", "503"): {"status": "starting"},
}
"""By method, path and status: answers for which the example of their model would be a lie."""
