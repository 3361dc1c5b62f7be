"""LangChain behind Serin: one question for each user, the answer as a stream.

    python chat.py MESSAGE USER...

OPENAI_BASE_URL points at Serin, or at the provider itself.
"""

import os
import sys

from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

if len(sys.argv) < 3:
    sys.exit("usage: python chat.py MESSAGE USER...")
message, *users = sys.argv[1:]

prompt = ChatPromptTemplate.from_messages([("system", "You answer in one sentence."), ("user", "{message}")])
model = ChatOpenAI(
    model=os.environ.get("MODEL", "gpt-4o"),
    base_url=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:7171/v1"),
    # To see the provider in this experiment.
    include_response_headers=True,
)
for user in users:
    # One model serves all users: the id is bound for each call. Serin forwards this header to no provider.
    chain = prompt | model.bind(extra_headers={"x-user-id": user})
    provider, text = None, ""
    for chunk in chain.stream({"message": message}):
        provider = provider or chunk.response_metadata.get("headers", {}).get("x-serin-provider")
        text += chunk.text
    print(f"{user} ({provider}): {text}", flush=True)
