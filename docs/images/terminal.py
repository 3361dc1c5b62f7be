"""Runs a program in a terminal of 80 by 24 and writes the screen as an HTML page, once a text is on it.

    terminal.py PAGE.html TEXT COMMAND...

The program is asked to end then. The page has the screen as it was, with its colours, below the line of the command.
"""

import fcntl
import html
import os
import pathlib
import pty
import select
import signal
import struct
import sys
import termios
import time

import pyte

PATIENCE = 300
COLUMNS, LINES = 80, 24
COLOURS = {
    "default": "#e6e2d8", "black": "#1d1c1a", "red": "#ea6f60", "green": "#6cc084", "brown": "#f0c040",
    "blue": "#67aee6", "magenta": "#b59be6", "cyan": "#62c4c3", "white": "#ffffff",
}
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #fff; }}
main {{ display: inline-block; background: #171614; color: {default}; padding: 18px 24px; }}
pre {{ margin: 0; font: 16px/1.35 "DejaVu Sans Mono", monospace; }}
b {{ color: #fff; }} i {{ color: #a39d92; font-style: normal; }}
</style><main><pre><i>$</i> {command}
{screen}</pre></main>
"""


def run(text, command):
    """The screen with the text on it."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm-256color"
        os.environ.pop("NO_COLOR", None)
        # Only when the size of the terminal is set.
        os.read(0, 1)
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    os.write(terminal, b"\n")
    deadline = time.monotonic() + PATIENCE
    try:
        while not any(text in line for line in screen.display):
            if time.monotonic() > deadline or not select.select([terminal], [], [], PATIENCE)[0]:
                sys.exit(f"no `{text}` on the screen within {PATIENCE} s:\n" + "\n".join(screen.display))
            try:
                stream.feed(os.read(terminal, 65536))
            except OSError:
                sys.exit(f"{command[0]} ended before `{text}` was on the screen:\n" + "\n".join(screen.display))
        return screen
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def rendered(screen):
    lines = []
    for row in range(LINES):
        line = ""
        for column in range(COLUMNS):
            cell = screen.buffer[row][column]
            character = html.escape(cell.data)
            if cell.fg != "default":
                character = f'<span style="color:{COLOURS[cell.fg]}">{character}</span>'
            line += f"<b>{character}</b>" if cell.bold else character
        lines.append(line.rstrip())
    while lines and not lines[-1]:
        lines.pop()
    # The newline that let the program begin.
    return "\n".join(lines).lstrip("\n")


page, text, *command = sys.argv[1:]
screen = run(text, command)
shown = " ".join([pathlib.Path(command[0]).name, *command[1:]])
pathlib.Path(page).write_text(PAGE.format(command=shown, screen=rendered(screen), **COLOURS))
