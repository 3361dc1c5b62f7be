"""The examples of the README and of the book, run as they stand there but for the ports."""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs/getting-started.md", ROOT / "docs/flags-for-apps.md",
         ROOT / "docs/feedback.md"]
KEYS = {"OPENAI_API_KEY": "any", "ANTHROPIC_API_KEY": "any"}


def blocks(language, stage):
    """Every example once, in the order of the pages."""
    text = "\n".join(page.read_text() for page in PAGES)
    text = text.replace("http://127.0.0.1:7171", stage.origin).replace("http://127.0.0.1:7172", stage.admin)
    return list(dict.fromkeys(re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)))


def told(*command):
    """What the command prints; it must succeed."""
    result = subprocess.run(command, env={**os.environ, **KEYS}, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, f"{command}: exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def test_python(stage):
    examples = blocks("python", stage)
    for sdk in ("openai", "anthropic", "langchain_openai"):
        assert any(f"from {sdk} import" in example for example in examples), sdk
    for example in examples:
        text = told(sys.executable, "-c", example)
        assert "answering: Hello" in text, (example, text)
        check_verdict(example, text)


def check_verdict(example, text):
    """A verdict was taken where one was sent."""
    sends, taken = "/api/v1/feedback" in example, "'status': 'accepted'" in text or "status: 'accepted'" in text
    assert sends == taken, (example, text)


def test_node(stage):
    examples = blocks("js", stage)
    assert len(examples) == 2, examples
    for example in examples:
        # Modules are looked for beside the script.
        script = pathlib.Path(os.environ["NODE_WORK"]) / "readme.mjs"
        script.write_text(example)
        text = told("node", str(script))
        assert "answering: Hello" in text, text
        check_verdict(example, text)


def test_curl(stage):
    every = (line for block in blocks("sh", stage) for line in block.splitlines() if line.startswith("curl "))
    lines = list(dict.fromkeys(every))
    chat, flag, verdict = (told("sh", "-c", line + " --silent --show-error --fail") for line in lines)
    assert "answering: Hello" in chat and "x-serin-provider: " in chat, chat
    assert '"value":' in flag and '"key":"new-prompt"' in flag, flag
    assert '"status":"accepted"' in verdict, verdict
