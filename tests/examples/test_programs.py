"""LangChain, the Vercel AI SDK and curl: programs that ask for several users and end."""

import re
import subprocess

from stage import USERS, answer, provider_of


def ran(stage, heading, message, users=USERS, wrong_exit=False):
    """What the last command of this section prints, with other users and this message."""
    command = stage.commands(heading)[-1]
    command, count = re.subn(r'"Hello"( user-\d+)+$', f"{message} {' '.join(users)}", command)
    assert count == 1, command
    result = subprocess.run(
        ["bash", "-c", command], cwd=stage.checkout, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=60,
    )
    assert (result.returncode != 0) == wrong_exit, f"{command}: {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout + (result.stderr if wrong_exit else "")


def check_answers(stage, heading):
    """Every user gets the answer of the own provider, in two runs of the program."""
    for _ in range(2):
        lines = ran(stage, heading, '"who are you?"').splitlines()
        assert len(lines) == len(USERS), lines
        for user, line in zip(USERS, lines):
            assert line.startswith(f"{user} ({provider_of(user)}): {answer(provider_of(user), 'who are you?')}"), line


def check_failure(stage, heading):
    """Where Serin is not reachable the program fails, and shows no answer."""
    origin, stage.origin = stage.origin, "http://127.0.0.1:1"
    try:
        printed = ran(stage, heading, '"who are you?"', USERS[:1], wrong_exit=True)
    finally:
        stage.origin = origin
    assert "answering" not in printed, printed


def test_langchain_answers_each_user_from_one_provider(stage):
    check_answers(stage, "LangChain")


def test_langchain_fails_without_serin(stage):
    check_failure(stage, "LangChain")


def test_vercel_ai_sdk_answers_each_user_from_one_provider(stage):
    check_answers(stage, "Vercel AI SDK")


def test_vercel_ai_sdk_fails_without_serin(stage):
    check_failure(stage, "Vercel AI SDK")


def test_curl_shows_headers_and_stream(stage):
    for _ in range(2):
        printed = ran(stage, "curl", r"""'say "hi" \ twice'""")
        parts = dict(re.findall(r"^== (\S+)\n(.*?)(?=^== |\Z)", printed, re.MULTILINE | re.DOTALL))
        assert list(parts) == USERS, printed
        for user, part in parts.items():
            provider = provider_of(user)
            model = "deepseek-chat" if provider == "holysheep" else "gpt-4o"
            assert f"x-serin-provider: {provider}" in part and f'"model":"{model}"' in part, part
            pieces = re.findall(r'"delta":\{"content":"((?:[^"\\]|\\.)*)"', part)
            assert "".join(pieces).startswith(answer(provider, r"say \"hi\" \\ twice")), pieces
            assert part.rstrip().endswith("data: [DONE]"), part


def test_curl_fails_without_serin(stage):
    check_failure(stage, "curl")
