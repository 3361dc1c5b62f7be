"""Writes cases.json beside this file: bodies, field rules, and the bodies that must come out, told by Python.

Run it after a change of the cases and review the difference: `python3 tests/golden/rewrite/generate.py`.
Nothing here is taken from Serin's own output, and it works another way: a body is cut into tokens, built into a tree
that keeps every byte between them, changed by one rule after another, and joined again.

What a rule does to one object of a body:
- rename: the last member of that key gets the new key, other members of the old key go; where the new key is there
  already, all members of the old one go
- drop: all members of that key go
- set: the last member of that key gets the value, other members of that key go; without one it is added at the end
- max: every member of that key whose value is a larger number gets the largest, compared as doubles
- a path walks through every member of a key whose value is an object; `set` adds an object where the key is missing
- with a member goes the comma before it and the space around that; with a first member, the comma behind it
"""

import json
import pathlib
import random
import re

HERE = pathlib.Path(__file__).parent
TOKEN = re.compile(r'(?P<space>[ \t\r\n]+)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<mark>[{}\[\]:,])|(?P<plain>[^\s{}\[\]:,"]+)')


class Object:
    """`{` lead, member, separator, member, ..., tail `}`."""

    def __init__(self):
        self.lead, self.members, self.separators, self.tail = "", [], [], ""

    def remove(self, index):
        if self.separators:
            del self.separators[max(index - 1, 0)]
        del self.members[index]

    def add(self, key, value):
        if self.members:
            self.separators.append(",")
        self.members.append(Member(quote(key), ":", value))

    def all(self, key):
        return [index for index, member in enumerate(self.members) if json.loads(member.key) == key]

    def keep_last(self, key):
        *others, last = self.all(key)
        for index in reversed(others):
            self.remove(index)
        return self.members[last - len(others)]

    def text(self):
        out = ["{", self.lead]
        for index, member in enumerate(self.members):
            out.append(self.separators[index - 1] if index else "")
            out += [member.key, member.colon, text_of(member.value)]
        return "".join(out + [self.tail, "}"])


class Member:
    def __init__(self, key, colon, value):
        self.key, self.colon, self.value = key, colon, value


def text_of(value):
    return value.text() if isinstance(value, Object) else value


def quote(text):
    return json.dumps(text, ensure_ascii=False)


# === Text to tree: objects are opened up, lists and everything else stay text


def tokens(text):
    at, found = 0, []
    while at < len(text):
        match = TOKEN.match(text, at)
        found.append((match.lastgroup, match.group()))
        at = match.end()
    return found


class Reader:
    def __init__(self, text):
        self.tokens, self.at = tokens(text), 0

    def take(self):
        self.at += 1
        return self.tokens[self.at - 1][1]

    def space(self):
        return self.take() if self.tokens[self.at][0] == "space" else ""

    def value(self):
        first = self.take()
        if first == "{":
            return self.object()
        if first != "[":
            return first
        depth, out = 1, [first]
        while depth:
            token = self.take()
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token, 0)
            out.append(token)
        return "".join(out)

    def object(self):
        found = Object()
        space = self.space()
        if self.tokens[self.at][1] == "}":
            self.take()
            found.tail = space
            return found
        found.lead = space
        while True:
            key = self.take()
            colon = self.space() + self.take() + self.space()
            found.members.append(Member(key, colon, self.value()))
            space = self.space()
            if self.take() == "}":
                found.tail = space
                return found
            found.separators.append(space + "," + self.space())


# === The rules, one by one


def within(value, path, change):
    """Calls `change` with every object that the path leads to."""
    if not isinstance(value, Object):
        return
    if not path:
        change(value)
        return
    for index in value.all(path[0]):
        within(value.members[index].value, path[1:], change)


def rename(root, path, new):
    def change(found):
        old = path[-1]
        if new == old or not found.all(old):
            return
        if found.all(new):
            for index in reversed(found.all(old)):
                found.remove(index)
        else:
            found.keep_last(old).key = quote(new)

    within(root, path[:-1], change)


def drop(root, path):
    def change(found):
        for index in reversed(found.all(path[-1])):
            found.remove(index)

    within(root, path[:-1], change)


def put(value, path, text):
    if not isinstance(value, Object):
        return
    key, *rest = path
    if not rest:
        if value.all(key):
            value.keep_last(key).value = Reader(text).value()
        else:
            value.add(key, Reader(text).value())
        return
    if not value.all(key):
        value.add(key, Object())
    for index in value.all(key):
        put(value.members[index].value, rest, text)


def cap(root, path, most):
    def change(found):
        for index in found.all(path[-1]):
            member = found.members[index]
            if isinstance(member.value, str) and member.value[0] in "-0123456789":
                if float(member.value) > most:
                    member.value = str(int(most)) if most == int(most) else repr(most)

    within(root, path[:-1], change)


def rewritten(body, model, rules):
    lead = body[: len(body) - len(body.lstrip(" \t\r\n"))]
    tail = body[len(body.rstrip(" \t\r\n")) :]
    root = Reader(body.strip(" \t\r\n")).value()
    if model is not None:
        for index in root.all("model"):
            member = root.members[index]
            if member.value[0] == '"' and json.loads(member.value) != model:
                member.value = quote(model)
    for path, new in rules.get("rename", []):
        rename(root, path, new)
    for path in rules.get("drop", []):
        drop(root, path)
    for path, text in rules.get("set", []):
        put(root, path, text)
    for path, most in rules.get("max", []):
        cap(root, path, most)
    return lead + root.text() + tail


# === Cases


CASES = []


def add(body, model=None, **rules):
    rules = {
        "rename": [[path.split("."), new] for path, new in rules.get("rename", {}).items()],
        "drop": [path.split(".") for path in rules.get("drop", [])],
        "set": [[path.split("."), text] for path, text in rules.get("set", {}).items()],
        "max": [[path.split("."), most] for path, most in rules.get("max", {}).items()],
    }
    rules = {kind: list_ for kind, list_ in rules.items() if list_}
    CASES.append({"body": body, "model": model, "rules": rules, "expect": rewritten(body, model, rules)})


def by_hand():
    chat = '{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi, \\"model\\": \\u00fc"}], "stream": true,' \
           ' "stream_options": {"include_usage": true}, "max_completion_tokens": 16384, "temperature": 1.70}'
    add(chat)
    add(chat, model="deepseek-chat")
    add(chat, model="gpt-4o")
    add(chat, model="a \"quoted\" \\ n\u00e4me\n\u0001\u007f")
    add(chat, drop=["stream_options"])
    add(chat, drop=["stream_options.include_usage"])
    add(chat, rename={"max_completion_tokens": "max_tokens"}, max={"max_tokens": 8192.0}, model="deepseek-chat")
    add(chat, max={"temperature": 1.0, "max_completion_tokens": 16384.0})
    add(chat, set={"stream_options.include_usage": "false", "provider.order": '["a"]', "provider.sort": '"price"'})
    add(chat, drop=["model"], model="x")
    add(chat, rename={"model": "deployment"}, model="x")
    add(chat, set={"model": '"forced"'}, model="x")
    add(chat, drop=["messages", "model", "stream", "stream_options", "max_completion_tokens", "temperature"])
    add(chat, drop=["nothing", "here.either", "messages.role", "model.name", "temperature.x"])
    add(chat, rename={"nothing": "messages", "messages.x": "y"}, max={"model": 1.0, "messages": 1.0, "stream": 0.0})

    for body in ["{}", "{ }", " {\n\t} \n", '{"a":1}', '{ "a" : 1 }', '\n{\n  "a": 1,\n  "b": 2\n}\n', '{"a":1,"b":2,"c":3}',
                 '{ "a" : 1 , "b" : 2\t,\r\n"c" : 3 }', '{"c":[1,{"a":2}],"a":{"a":{"a":3}},"b":"}"}']:
        for drops in (["a"], ["b"], ["c"], ["a", "b"], ["b", "c"], ["a", "c"], ["c", "b", "a"]):
            add(body, drop=drops)
        add(body, set={"d": "4"})
        add(body, drop=["a"], set={"a": "null"})
        add(body, drop=["a", "b", "c"], set={"x.y.z": '"deep"', "x.y.w": "[ ]", "k\u00e9y \"q\"": "{}"})
        add(body, rename={"a": "z", "b": "a"})
        add(body, rename={"a": "b"})

    twice = '{"a":1, "x":0, "a" : 2,"b":{"n":9}, "b":{"n":10},"b":7, "n":1e3,"n":5}'
    add(twice, drop=["a"])
    add(twice, rename={"a": "c"})
    add(twice, rename={"a": "x"})
    add(twice, rename={"c": "a", "x": "a"})
    add(twice, set={"a": "3"})
    add(twice, set={"b.n": "0"})
    add(twice, set={"b": "0"}, drop=["b.n"])
    add(twice, max={"n": 4.0, "b.n": 9.0, "b": 6.5})
    add(twice, drop=["b.n"])
    add(twice, rename={"b.n": "m", "b": "c", "c.m": "o"}, set={"c.p": "1"}, max={"c.o": 3.0})
    add(twice, drop=["a", "x", "b", "n"])

    escaped = '{"us\\u0065r":"J\\u00fcr\\/gen","\\u0061":1,"a\\\\":2,"\\ud83d\\ude00":3,"\\ud800":4,"\\"":5,"a\\u0000":6,"\u00e9":7,"":8}'
    add(escaped, drop=["user"])
    add(escaped, drop=["a", "a\\", "\U0001f600"])
    add(escaped, rename={"user": "safety_identifier", "\"": "'", "\u00e9": "e\u0301"})
    add(escaped, set={"a\u0000": '"\\u0000"', "user": '"\u7528\u6237"', "\U0001f600": "-0"})
    add(escaped, max={"": 7.5, "\u00e9": 6.0, "a": 0.0})
    add('{"\\u006dodel":"\\u0067pt","m":{"\\u006dodel":"x"}}', model="gpt")
    add('{"\\u006dodel":"\\u0067pt","m":{"\\u006dodel":"x"}}', model="gpt-5", set={"m.model": '"y"'})

    numbers = ["0", "-0", "1", "-5", "4095", "4096", "4097", "4096.0", "4096.00001", "1e3", "1E+4", "5e-1", "1e400", "-1e400",
               "12345678901234567890123", "0.1", "999999999999.5", "40960e-1", "40961e-1", "1e-400"]
    body = "{" + ",".join(f'"n{i}" : {number}' for i, number in enumerate(numbers)) + ',"t":"9999","l":[9999],"z":null}'
    for most in (4096.0, 0.0, -5.0, 0.25, -0.5, 1e15, 4096.5):
        add(body, max={f"n{i}": most for i in range(len(numbers))} | {"t": most, "l": most, "z": most})
    add(body, set={"n3": "5000"}, max={"n3": 4096.0})
    add('{"thinking":{"budget_tokens":32000,"type":"enabled"}}', max={"thinking.budget_tokens": 8000.0})
    add("{}", set={"thinking": '{"budget_tokens":32000, "type":"enabled"}', "thinking.level": '"x"'}, max={"thinking.budget_tokens": 8000.0})

    for stands in ["null", '"text"', "7", "[]", '[{"b":1}]', "{}", '{"b":0}', '{"c":{"b":1}}', '{ "b" : {"b":{"b":1}} }']:
        body = '{"x":[], "a":' + stands + ' , "y":{}}'
        add(body, set={"a.b": "2"})
        add(body, set={"a.b.c": "2", "a.d": "true"})
        add(body, drop=["a.b"])
        add(body, rename={"a.b": "q", "a.c": "b"}, max={"a.q": 0.5})
    deep = '{"a":' * 90 + "1" + "}" * 90
    add(deep, drop=[".".join("a" * 90)])
    add(deep, set={".".join("a" * 89) + ".b": "2"})
    add('{"l":' + "[" * 150 + "]" * 150 + ',"a":1}', drop=["l"])


KEYS = ["a", "b", "c", "d", "max_tokens", "\u00fc", "q\"\\", "stream_options"]
TEXTS = ["", "plain", "a,b:{}[]", "\"", "\\", "\n", "\u00fc\u7528\U0001f600", "\\\"", "model"]


class Draw:
    def __init__(self, seed):
        self.rng = random.Random(seed)

    def space(self):
        return self.rng.choice(["", "", "", " ", "\n", "\t ", "\r\n  "])

    def text(self, text):
        out = []
        for c in text:
            escaped = self.rng.random() < 0.15 and ord(c) < 0x10000
            out.append(f"\\u{ord(c):04x}" if escaped else quote(c)[1:-1])
        return '"' + "".join(out) + '"'

    def value(self, depth):
        kind = self.rng.choice("tnnpoool" if depth else "tnp")
        if kind == "t":
            return self.text(self.rng.choice(TEXTS))
        if kind == "n":
            return self.rng.choice(["0", "1", "-3", "2.50", "1e2", "77", "1E-2", "1234567890123456789"])
        if kind == "p":
            return self.rng.choice(["true", "false", "null"])
        if kind == "l":
            items = [self.space() + self.value(depth - 1) + self.space() for _ in range(self.rng.randrange(4))]
            return "[" + (",".join(items) or self.space()) + "]"
        return self.object(depth - 1)

    def object(self, depth, keys=KEYS):
        members = []
        for _ in range(self.rng.choice([0, 1, 1, 2, 3, 4, 6])):
            key = self.text(self.rng.choice(keys))
            members.append(self.space() + key + self.space() + ":" + self.space() + self.value(depth) + self.space())
        return "{" + (",".join(members) or self.space()) + "}"

    def path(self):
        return ".".join(self.rng.choice(KEYS) for _ in range(self.rng.choice([1, 1, 2, 2, 3])))

    def paths(self, most):
        return dict.fromkeys(self.path() for _ in range(self.rng.randrange(most + 1)))


def by_chance():
    for seed in range(140):
        draw = Draw(seed)
        body = draw.space() + draw.object(4) + draw.space()
        model = None
        if draw.rng.random() < 0.5:
            members = [draw.text("model") + ":" + draw.text("gpt-4")]
            inner = body.strip(" \t\r\n")[1:-1]
            body = "{" + (",".join(members + [inner]) if inner.strip(" \t\r\n") else members[0]) + "}"
            model = draw.rng.choice([None, "gpt-4", "new/model:1", "m\u00f6del \"x\""])
        add(
            body,
            model=model,
            rename={path: draw.rng.choice(KEYS) for path in draw.paths(3)},
            drop=list(draw.paths(3)),
            set={path: draw.rng.choice(["1", '"s"', "null", '{"a":{"b":50},"a":3}', "[ 1 ]", "{}"]) for path in draw.paths(3)},
            max={path: draw.rng.choice([0.0, 1.0, -4.0, 2.25, 76.0]) for path in draw.paths(3)},
        )


by_hand()
by_chance()
with open(HERE / "cases.json", "w", encoding="utf-8") as file:
    lines = ",\n".join(json.dumps(case, ensure_ascii=True) for case in CASES)
    file.write(f"[\n{lines}\n]\n")
