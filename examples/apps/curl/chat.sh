#!/usr/bin/env bash
# curl behind Serin: one question for each user, the head of the response and its stream of events.
#
#   ./chat.sh MESSAGE USER...
#
# OPENAI_BASE_URL points at Serin, or at the provider itself. The headers x-serin-* show what Serin did.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 MESSAGE USER..." >&2; exit 2; }
base="${OPENAI_BASE_URL:-http://127.0.0.1:7171/v1}"
# The message as a JSON string, in one line.
message="$(tr '\n\t' '  ' <<<"$1" | sed -e 's/ *$//' -e 's/\\/\\\\/g' -e 's/"/\\"/g')"
shift
for user in "$@"; do
    echo "== $user"
    body="{\"model\": \"${MODEL:-gpt-4o}\", \"stream\": true, \"messages\": [{\"role\": \"user\", \"content\": \"$message\"}]}"
    # Serin forwards x-user-id to no provider.
    curl --silent --show-error --fail-with-body --include --no-buffer "$base/chat/completions" \
        -H "content-type: application/json" -H "authorization: Bearer ${OPENAI_API_KEY:-any}" -H "x-user-id: $user" \
        -d "$body"
done
