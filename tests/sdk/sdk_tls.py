"""The official Python SDKs, and curl, over TLS: with the authority that issued the certificate."""

import os
import ssl
import subprocess

import anthropic
import openai
from stage import users

ASK = [{"role": "user", "content": "who are you?"}]
MESSAGE = {"model": "claude", "max_tokens": 100, "messages": ASK}


def chat(client, user, provider):
    raw = client.chat.completions.with_raw_response.create(model="m", messages=ASK, user=user)
    assert raw.headers["x-serin-provider"] == provider, (user, dict(raw.headers))
    assert f"This is {provider} answering" in raw.parse().choices[0].message.content
    chunks = client.chat.completions.create(model="m", messages=ASK, user=user, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert f"This is {provider} answering: who are you?" in text, text


def test_openai_with_an_authority_of_its_own(stage):
    trusting = openai.DefaultHttpxClient(verify=ssl.create_default_context(cafile=stage.authority))
    client = openai.OpenAI(base_url=f"{stage.secure}/v1", api_key="any", max_retries=0, timeout=10, http_client=trusting)
    for user, provider in users(2):
        chat(client, user, provider)


def test_anthropic_with_the_authority_of_the_environment(stage):
    os.environ["SSL_CERT_FILE"] = stage.authority
    try:
        client = anthropic.Anthropic(base_url=stage.secure, api_key="any", max_retries=0, timeout=10)
    finally:
        del os.environ["SSL_CERT_FILE"]
    for user, provider in users(1):
        message = client.messages.create(**MESSAGE, metadata={"user_id": user})
        assert f"This is {provider} answering" in message.content[0].text
        with client.messages.stream(**MESSAGE, metadata={"user_id": user}) as stream:
            assert f"This is {provider} answering" in "".join(stream.text_stream)


def test_openai_that_does_not_know_the_authority_says_so(stage):
    client = openai.OpenAI(base_url=f"{stage.secure}/v1", api_key="any", max_retries=0, timeout=10)
    try:
        client.models.list()
        raise AssertionError("no error was raised")
    except openai.APIConnectionError as error:
        assert "CERTIFICATE_VERIFY_FAILED" in str(error.__cause__), error.__cause__


def test_curl_in_both_protocols(stage):
    for version, number in (("--http1.1", "1.1"), ("--http2", "2")):
        command = ["curl", "--silent", "--show-error", "--fail", version, "--cacert", stage.authority,
                   "--write-out", "\n%{http_version}", f"{stage.secure}/v1/models"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert told.returncode == 0, told.stderr
        assert "demo-large" in told.stdout and told.stdout.endswith(f"\n{number}"), told.stdout
