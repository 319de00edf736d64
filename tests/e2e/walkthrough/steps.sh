# 변수 정의
ORG_ID="org-abc"
JWT="<your-jwt>"
# [1] Enrollment token 발급 → Agent 머신에서 사용
curl -s -X POST https://app.deplite.io/api/orgs/$ORG_ID/agents/enroll-tokens \
-H "Authorization: Bearer $JWT" \
-H "Content-Type: application/json" \
-d '{"label": "prod-server-01"}' | jq
# → { "token": "enr_..." }
# [2] (Agent 머신에서) 등록
export DEPLITE_TOKEN="enr_..."
./deplite-agent
# → "Enrolled as agent ag-abc1234"
# [3] Agent ID 확인
AGENT_ID=$(curl -s https://app.deplite.io/api/orgs/$ORG_ID/agents \
-H "Authorization: Bearer $JWT" | jq -r '.[0].id')
echo "Agent: $AGENT_ID"
# [4] Workflow가 보고됐는지 확인
curl -s https://app.deplite.io/api/agents/$AGENT_ID/workflows \
-H "Authorization: Bearer $JWT" | jq
# → [{"name":"deploy-prod","secretsKeys":["DATABASE_URL"]}]
# [5] Trigger 생성
TRIGGER=$(curl -s -X POST https://app.deplite.io/api/orgs/$ORG_ID/triggers \
-H "Authorization: Bearer $JWT" \
-H "Content-Type: application/json" \
-d "{
\"agentId\": \"$AGENT_ID\",
\"name\": \"Deploy Prod\",
\"workflowName\": \"deploy-prod\",
\"scopeType\": \"workflow\",
\"type\": \"webhook\",
\"responseMode\": \"async\",
\"allowedRefs\": [\"main\", \"release/*\"]
}" | jq -r '.id')
echo "Trigger: $TRIGGER"
# [6] API Token 발급 (trigger scope, 분당 10회 제한)
TOKEN=$(curl -s -X POST https://app.deplite.io/api/orgs/$ORG_ID/api-tokens \
-H "Authorization: Bearer $JWT" \
-H "Content-Type: application/json" \
-d "{
\"name\": \"CI Pipeline\",
\"scopeType\": \"trigger\",
\"triggerIds\": [\"$TRIGGER\"],
\"rateLimitPerMinute\": 10
}" | jq -r '.plainToken')
echo "Token: $TOKEN (이 시점 외엔 복원 불가)"
# [7] Webhook으로 실행
JOB=$(curl -s -X POST https://api.deplite.io/triggers/$TRIGGER/run \
-H "Authorization: Bearer $TOKEN" \
-H "Idempotency-Key: $(uuidgen)" \
-H "Content-Type: application/json" \
-d '{"ref": "main", "params": {"replicas": "3"}}' | jq -r '.jobId')
echo "Job: $JOB"
# [8] Job 상태 폴링
while true; do
STATUS=$(curl -s https://app.deplite.io/api/jobs/$JOB \
-H "Authorization: Bearer $TOKEN" | jq -r '.status')
echo " status: $STATUS"
[ "$STATUS" = "success" ] || [ "$STATUS" = "failed" ] && break
sleep 2
done
# [9] 로그 확인
curl -s https://app.deplite.io/api/jobs/$JOB/logs \
-H "Authorization: Bearer $TOKEN" | jq '.items[:5]'
