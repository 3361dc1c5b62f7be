"""A chat endpoint in FastAPI behind Serin.

Nothing in it is specific to Serin but the user's id: OPENAI_BASE_URL points at Serin, or at the provider itself. The
provider in the answer comes from a response header, and shows the split in an experiment.
"""

import os
from contextlib import asynccontextmanager

import openai
from fastapi import FastAPI, Header
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

MODEL = os.environ.get("MODEL", "gpt-4o")


@asynccontextmanager
async def lifespan(app: FastAPI):
    # One client for the process: it keeps its connections to Serin open. It reads OPENAI_BASE_URL and OPENAI_API_KEY.
    async with openai.AsyncOpenAI() as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


class Question(BaseModel):
    message: str


# In production the user's id comes from your session or token, and not from a header that a caller can choose.
UserId = Header(alias="x-user-id", min_length=1)


def ask(question: Question, user_id: str, **options):
    return app.state.client.chat.completions.with_raw_response.create(
        model=MODEL,
        messages=[{"role": "user", "content": question.message}],
        # The field by which Serin knows the user. Without it Serin splits by conversation.
        safety_identifier=user_id,
        **options,
    )


@app.post("/chat")
async def chat(question: Question, user_id: str = UserId):
    response = await ask(question, user_id)
    answer = response.parse().choices[0].message.content
    return {"answer": answer, "provider": response.headers.get("x-serin-provider")}


@app.post("/chat/stream")
async def chat_stream(question: Question, user_id: str = UserId):
    # An error before the first output is raised here, so that the client gets a status and no broken stream.
    response = await ask(question, user_id, stream=True)

    async def pieces():
        # When the client leaves, this is closed, and so is the request to the provider.
        async with response.parse() as stream:
            async for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content:
                    yield chunk.choices[0].delta.content

    headers = {"x-provider": response.headers.get("x-serin-provider", "")}
    return StreamingResponse(pieces(), media_type="text/plain; charset=utf-8", headers=headers)


@app.get("/healthz")
async def healthz():
    return {"status": "ok"}


@app.exception_handler(openai.APIError)
async def upstream_failed(request, error: openai.APIError):
    """An error of the provider or of Serin, and a Serin that is not reachable."""
    status = error.status_code if isinstance(error, openai.APIStatusError) else 502
    return JSONResponse({"error": error.message}, status_code=status if status in (400, 429) else 502)
