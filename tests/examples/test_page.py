"""examples/README.md: its table names what there is, and its commands are few and name files that are there."""

import re

from stage import ROOT

NO_EXAMPLES = {"README.md", "apps", "compose"}


def test_the_table_names_every_example(stage):
    page = (ROOT / "examples/README.md").read_text()
    rows = "".join(row.split("|")[1] for row in page.splitlines() if row.startswith("|"))
    named = set(re.findall(r"`([^`]+)`", rows))
    there = {path.name for path in (stage.checkout / "examples").iterdir()} - NO_EXAMPLES
    there |= {f"apps/{path.name}" for path in (stage.checkout / "examples/apps").iterdir()}
    assert named == there, (named - there, there - named)


def test_an_example_has_at_most_three_commands(stage):
    page = (ROOT / "examples/README.md").read_text()
    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
    links = set(re.findall(r"\]\(#([^)]+)\)", page))
    assert {heading.lower().replace(" ", "-") for heading in headings} == links, (headings, links)
    for heading in headings:
        commands = stage.commands(heading)
        assert 1 <= len(commands) <= 3, (heading, commands)
        for install in commands[:-1]:
            if found := re.match(r"(?:pip install -r|npm install --prefix) (\S+)$", install):
                assert (stage.checkout / found[1]).exists(), install
