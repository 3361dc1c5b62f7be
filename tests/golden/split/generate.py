"""Writes buckets.json and cases.json beside this file: what the split must do, told by Python.

Run it after a change of the cases and review the difference: `python3 tests/golden/split/generate.py`.
Nothing here is taken from Serin's own output. A case that is decided by a bucket names the text that must have been
hashed; the bucket is computed here, and the test asks for stable at exactly that share and canary one hundredth above.
Long texts are written as lists of [text, times].
"""

import hashlib
import json
import pathlib
import random

HERE = pathlib.Path(__file__).parent


def bucket(salt, user):
    data = user if isinstance(user, bytes) else user.encode()
    return int(hashlib.md5(salt.encode() + data).hexdigest(), 16) % 10000


# === buckets.json


def buckets():
    rng = random.Random(20)
    vectors = []

    def add(salt, *parts):
        text = "".join(text * times for text, times in parts)
        vectors.append({"salt": salt, "user": [list(part) for part in parts], "bucket": bucket(salt, text)})

    for salt in ["", "chat-2026", "sälz", " "]:
        for user in ["user-123", "", " ", "a", "0", "anonymous", "Jürgen", "用户-42", "😀", "é", "e\u0301", "\ufeffbom",
                     "a\nb", "a\tb", "\u0000", "x@example.com", "9f86d081-884c-4d65-9a2f-eaa0c55ad015"]:
            add(salt, (user, 1))
        for size in [55, 56, 63, 64, 65, 119, 120, 128, 10_000, 10_240]:
            add(salt, ("x", size))
        add(salt, ("ü€😀", 1_000), ("end", 1))
    for _ in range(200):
        alphabet = rng.choice(["0123456789abcdef-", "abcdefghijklmnopqrstuvwxyz0123456789_.@", "äöüßéèñçøåæ用户标识符😀🚀 "])
        user = "".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 60)))
        add(rng.choice(["", "s1", "rollout/é"]), (user, 1))

    crowds = []
    for salt in ["", "chat-2026"]:
        found = [bucket(salt, f"user-{n}") for n in range(100_000)]
        crowds.append({
            "salt": salt,
            "checksum": sum((n + 1) * b for n, b in enumerate(found)) % 2**64,
            "canary": {str(p): sum(b < p for b in found) for p in [0, 1, 750, 1000, 3333, 9999, 10000]},
        })
    return {"vectors": vectors, "crowds": crowds}


# === cases.json

# What a case or a rollout leaves out has the usual value, which split_golden.rs knows.

CHAT = "/chat/completions"
cases = []


def rollout(**unusual):
    return unusual


def case(name, request, rollouts=(), **outcome):
    request = dict(request)
    if isinstance(request.get("body"), dict):
        request["body"] = json.dumps(request["body"], ensure_ascii=False)
    if isinstance(request.get("body"), str):
        request["body"] = [[request["body"], 1]]
    if "hashed" in outcome:
        salt = rollouts[0].get("salt", "") if rollouts else ""
        outcome["bucket"] = bucket(salt, outcome.pop("hashed"))
    cases.append({"name": name, "rollouts": list(rollouts), "request": request} | outcome)


def header(value, name="x-user-id"):
    return [[name, value]]


def body(**fields):
    return {"body": {"model": "gpt-4"} | fields}


def stable(reason, **more):
    return {"expect": {"rollout": "chat", "arm": "stable", "provider": "old", "reason": reason, "counted": False,
                       "anonymous": True} | more}


def canary(reason, **more):
    return {"expect": stable(reason)["expect"] | {"arm": "canary", "provider": "new"} | more}


def sources():
    case("a header names the user", {"headers": header("user-123")}, hashed="user-123")
    case("header names have no case", {"headers": header("user-123", "X-User-ID")}, hashed="user-123")
    case("a header wins over the body", {"headers": header("u1")} | body(user="u2"), hashed="u1")
    case("safety_identifier wins over user", body(user="u2", safety_identifier="u1"), hashed="u1")
    case("user wins over metadata.user_id", body(metadata={"user_id": "u2"}, user="u1"), hashed="u1")
    case("metadata.user_id wins over prompt_cache_key", body(prompt_cache_key="u2", metadata={"user_id": "u1"}), hashed="u1")
    case("prompt_cache_key is the last resort", body(prompt_cache_key="u1"), hashed="u1")
    case("the salt is put before the id", {"headers": header("u1")}, [rollout(salt="s-é-")], hashed="u1")
    case("an id is not trimmed inside a body", body(user=" u1 "), hashed=" u1 ")
    case("an id keeps its case", body(user="U1"), hashed="U1")
    case("an id of 10 kB in a body", {"body": [['{"user":"', 1], ["0123456789", 1024], ['"}', 1]]}, hashed="0123456789" * 1024)
    case("an id of 10 kB in a header", {"headers": [["x-user-id", [["x", 10240]]]]}, hashed="x" * 10240)
    case("a header that is no UTF-8 is hashed as its bytes", {"headers": [["x-user-id", {"hex": "fffe41"}]]}, hashed=b"\xff\xfeA")
    case("a UTF-8 header is hashed as its bytes", {"headers": header("Jürgen")}, hashed="Jürgen")
    case("the first of two headers that names somebody", {"headers": [["x-user-id", ""], ["x-user-id", "u1"], ["x-user-id", "u2"]]}, hashed="u1")

    cookie = [rollout(user=["cookie:uid", "header:x-user-id"])]
    case("a cookie", {"headers": header("a=b; uid=u1; c=d", "cookie")}, cookie, hashed="u1")
    case("a quoted cookie", {"headers": header('uid="u 1"', "cookie")}, cookie, hashed="u 1")
    case("a cookie is not percent-decoded", {"headers": header("uid=a%20b", "cookie")}, cookie, hashed="a%20b")
    case("cookies over several headers", {"headers": [["cookie", "a=b"], ["cookie", "uid=u1"]]}, cookie, hashed="u1")
    case("cookie names have a case", {"headers": [["cookie", "UID=u2; xuid=u3"], ["x-user-id", "u1"]]}, cookie, hashed="u1")
    case("an empty cookie is passed over", {"headers": [["cookie", 'uid=""'], ["x-user-id", "u1"]]}, cookie, hashed="u1")

    query = [rollout(user=["query:user"])]
    case("a query parameter", {"query": "a=b&user=u1&c=d"}, query, hashed="u1")
    case("a query parameter is decoded", {"query": "us%65r=J%C3%BCrgen+A%2BB"}, query, hashed="Jürgen A+B")
    case("a query parameter of other bytes", {"query": "user=%ff%FE"}, query, hashed=b"\xff\xfe")
    case("the first query parameter that names somebody", {"query": "user=&user&user=u1"}, query, hashed="u1")
    case("no query", {}, query, **stable("anonymous"))

    deep = [rollout(user=["body:meta.account.id"])]
    case("a path of three keys", {"body": '{"meta":{"id":"x","account":{"other":1,"id":"u1"}}}'}, deep, hashed="u1")
    case("a path that ends in an object", {"body": '{"meta":{"account":"u1"}}'}, deep, **stable("anonymous"))


def bodies():
    case("the id is the last key", {"body": '{"messages":[{"role":"user","content":"{\\"user\\":\\"no\\"}"}],"stream":true,"user":"u1"}'}, hashed="u1")
    case("a key written with escapes", {"body": r'{"\u0075s\u0065r":"u1"}'}, hashed="u1")
    case("a value written with escapes", {"body": r'{"user":"J\u00fcr\/gen \ud83d\ude00"}'}, hashed="Jür/gen 😀")
    case("keys of nested objects are not top-level keys", {"body": '{"x":{"user":"no"},"y":[{"user":"no"}],"user":"u1"}'}, hashed="u1")
    case("a number is an id by its text", {"body": '{"user": 42 }'}, hashed="42")
    case("a number is not normalised", {"body": '{"user":1.50e1}'}, hashed="1.50e1")
    for value in ["true", "false", "null", "[1]", '{"id":"u2"}', '""', '" \\t"', '"\\ud800"', "0", "-1"]:
        case(f"{value} is no id", {"body": '{"user":%s,"prompt_cache_key":"u1"}' % value}, hashed="u1")
    case("whitespace anywhere", {"body": ' \n{ "user"\t:\r\n"u1" , "x" : [ ] } \n'}, hashed="u1")
    case("100,000 levels before the id", {"body": [['{"x":', 1], ["[", 100_000], ["]", 100_000], [',"user":"u1"}', 1]]}, hashed="u1")
    case("100,000 levels as the id", {"body": [['{"user":', 1], ['{"user":', 100_000], ["1", 1], ["}", 100_000], [',"prompt_cache_key":"u1"}', 1]]}, hashed="u1")
    twice = ("the request body has the key `%s` more than once; send it once, since Serin and the provider might each "
             "read a different one")
    for key, text in [("user", '{"user":"a","user":"a"}'), ("user", r'{"user":"a","us\u0065r":"b"}'),
                      ("model", r'{"\u006dodel":"a","messages":[],"model":"b"}'),
                      ("safety_identifier", '{"safety_identifier":1,"safety_identifier":2}'),
                      ("metadata", '{"metadata":{"user_id":"a"},"metadata":{"user_id":"b"}}'),
                      ("metadata.user_id", '{"metadata":{"user_id":"a","user_id":"b"}}')]:
        case(f"a second {key}: {text}", {"body": text}, refused=twice % key)
    case("a second user where only headers name users", {"headers": header("u1"), "body": '{"user":1,"user":2}'},
         [rollout(user=["header:x-user-id"])], refused=twice % "user")
    case("a body that is no JSON is not read", {"body": "user=u1"}, unread="expected value at line 1 column 1")
    case("a body that is a list is not read", {"body": "[]"}, unread="invalid type: sequence, expected a JSON object at line 1 column 0")
    case("a body cut short is not read", {"body": '{"user":"u1"'}, unread="EOF while parsing an object at line 1 column 12")


def junk():
    for word in ["", " ", "\u00a0", "anonymous", "Anonymous", "ANON", "default", "0", "-1", "null", "undefined", "None",
                 "<nil>", "guest", "unknown", "[object Object]", " null ", "00000000-0000-0000-0000-000000000000"]:
        case(f"{word!r} is nobody", body(user=word, prompt_cache_key="u1"), hashed="u1")
    for word in ["user", "test", "admin", "00", "anonymous1", "nobody@example.com", "nan", "na"]:
        case(f"{word!r} is somebody", body(user=word, prompt_cache_key="u1"), hashed=word)
    case("a junk header gives way to the body", {"headers": header("anonymous")} | body(user="u1"), hashed="u1")


def anonymous():
    system, user = '{"role": "system","content":"be brief"}', '{"content":"hi","role":"user"}'
    later = '{"role":"assistant","content":"hello"},{"role":"user","content":"more"}'
    case("a conversation is known by how it begins", {"body": f'{{"messages":[{system} , {user},{later}]}}'}, hashed=system + user, reason="conversation")
    case("a later turn is the same conversation", {"body": f'{{"messages":[{system},{user}]}}'}, hashed=system + user, reason="conversation")
    case("a conversation is salted", {"body": f'{{"messages":[{user}]}}'}, [rollout(salt="s")], hashed=user, reason="conversation")
    developer = system.replace("system", "developer")
    case("a developer message is a system message", {"body": f'{{"messages":[{developer},{user}]}}'}, hashed=developer + user, reason="conversation")
    escaped = r'{"\u0072ole":"us\u0065r","content":"hi"}'
    case("a role written with escapes", {"body": f'{{"messages":[{system},{escaped}]}}'}, hashed=system + escaped, reason="conversation")
    case("Anthropic's system prompt", {"path": "/messages", "body": f'{{"messages":[{user}],"system":"be brief"}}'}, hashed='"be brief"' + user, reason="conversation")
    case("responses with a text", {"path": "/responses", "body": '{"input":"hi \\u00e9","instructions":"be brief"}'}, hashed='"be brief""hi \\u00e9"', reason="conversation")
    case("responses with a list", {"path": "/responses", "body": f'{{"input":[{developer},{user}]}}'}, hashed=developer + user, reason="conversation")
    case("a system prompt alone is no conversation", {"body": f'{{"messages":[{system}]}}'}, **stable("anonymous"))
    case("a prompt is no conversation", {"path": "/completions", "body": '{"prompt":"hi"}'}, **stable("anonymous"))
    case("no body, no conversation", {}, **stable("anonymous"))
    messages = {"body": f'{{"messages":[{user}]}}'}
    chance = [rollout(anonymous="random", percent=5000)]
    case("chance below the share", messages, chance, draw=4999, told_by=user, **canary("drawn", counted=True))
    case("chance at the share", messages, chance, draw=5000, told_by=user, **stable("drawn", counted=True))
    case("chance without a body", {}, chance, draw=0, **canary("drawn", counted=True))
    case("chance is not asked where there is an id", {"headers": header("u1")}, chance, draw=0, hashed="u1")
    case("anonymous: stable", messages, [rollout(anonymous="stable", percent=9999)], **stable("anonymous"))
    everybody = lambda **unusual: [rollout(percent=10000, **unusual)]
    for way in ["conversation", "random", "stable"]:
        case(f"everybody needs no id: {way}", messages, everybody(anonymous=way), told_by=user, **canary("everybody", counted=True))
    case("everybody is counted", {"headers": header("u1")}, everybody(), told_by="u1", **canary("everybody", counted=True, anonymous=False))
    case("everybody's slot is salted", messages, everybody(salt="s"), told_by="s" + user, **canary("everybody", counted=True))
    case("everybody, locked", messages, everybody(closed=True), told_by=user, **canary("everybody", counted=True))
    case("everybody's conversation begins as it began", {"body": f'{{"messages":[{system},{user},{later}]}}'}, everybody(), told_by=system + user,
         **canary("everybody", counted=True))
    case("everybody's conversation in responses", {"path": "/responses", "body": '{"input":"hi"}'}, everybody(), told_by='"hi"', **canary("everybody", counted=True))
    case("everybody's body that is no conversation", {"path": "/completions", "body": '{"prompt":"hi"}'}, everybody(), told_by='{"prompt":"hi"}',
         **canary("everybody", counted=True))
    case("everybody's body that goes on and on", {"path": "/completions", "body": [['{"prompt":"', 1], ["x", 100_000], ['"}', 1]]}, everybody(),
         told_by='{"prompt":"' + "x" * (65536 - 11), **canary("everybody", counted=True))
    case("everybody without a body", {}, everybody(), **canary("everybody", counted=True))
    case("everybody's state belongs to nobody", {"path": "/responses", "body": '{"input":"hi","previous_response_id":"resp_1"}'}, everybody(),
         **stable("state"))
    case("nobody needs no id", messages, [rollout(percent=0)], **stable("closed"))
    case("nobody is on the canary at 0", {"headers": header("u1")}, [rollout(percent=0)], **stable("closed", anonymous=False))


def hands():
    force = {"header": "x-canary", "token": "s3cret"}
    forced = [rollout(force=force, percent=1)]
    for value in ["s3cret", "s3cret:canary"]:
        case(f"force by {value}", {"headers": header(value, "x-canary")}, forced, **canary("forced"))
    case("force to stable", {"headers": header("s3cret:stable", "x-canary")}, [rollout(force=force, percent=10000)], **stable("forced"))
    for value in ["S3cret", "s3cret2", "s3cret:", "s3cret:both", ":canary", "", "s3cre"]:
        case(f"no force by {value!r}", {"headers": [["x-canary", value], ["x-user-id", "u1"]]}, forced, hashed="u1")
    case("an empty token forces nothing", {"headers": [["x-canary", ""], ["x-user-id", "u1"]]}, [rollout(force={"header": "x-canary", "token": ""})], hashed="u1")
    case("force wins over a pin", {"headers": [["x-canary", "s3cret:stable"], ["x-user-id", "u1"]]}, [rollout(force=force, pins={"u1": "canary"})], **stable("forced", anonymous=False))

    pins = {"vip": "stable", "tester": "canary", "Jürgen": "canary"}
    case("a pinned user", {"headers": header("tester")}, [rollout(pins=pins, percent=1)], **canary("pinned", anonymous=False))
    case("a pinned user with an umlaut", {"headers": header("Jürgen")}, [rollout(pins=pins, percent=1)], **canary("pinned", anonymous=False))
    case("an excluded user at 100", {"headers": header("vip")}, [rollout(pins=pins, percent=10000)], **stable("pinned", anonymous=False))
    case("another user is not pinned", {"headers": header("Vip")}, [rollout(pins=pins)], hashed="Vip")
    case("a pin is by the whole id", {"headers": [["x-user-id", {"hex": "766970ff"}]]}, [rollout(pins=pins)], hashed=b"vip\xff")

    both = {"headers": [["x-canary", "s3cret"], ["x-user-id", "tester"]]}
    case("at 0 neither force nor pins reach the canary", both, [rollout(force=force, pins=pins, percent=0)], **stable("closed", anonymous=False))
    case("locked at 0", both, [rollout(force=force, pins=pins, percent=0, closed=True)], **stable("closed", anonymous=False))
    case("locked above 0, force and pins yield to the bucket", both, [rollout(force=force, pins=pins, percent=500, closed=True)], hashed="tester")
    case("locked above 0, an excluded user stays on stable", {"headers": header("vip")}, [rollout(pins=pins, percent=9999, closed=True)], **stable("pinned", anonymous=False))

    models = {"gpt-4": "deepseek-chat"}
    named = lambda model: {"headers": header("u1"), "body": {"model": model}}
    case("a mapped model is split", named("gpt-4"), models=models, unmapped="stable", hashed="u1")
    case("a mapped model written with escapes", {"headers": header("u1"), "body": r'{"model":"gpt\u002d4"}'}, models=models, unmapped="stable", hashed="u1")
    case("an unmapped model stays on stable", named("gpt-4o"), [rollout(percent=10000)], models=models, unmapped="stable", **stable("unmapped", anonymous=False))
    case("an unmapped model stays on stable, forced or not", named("gpt-4o") | {"headers": header("s3cret", "x-canary")}, forced, models=models, unmapped="stable", **stable("unmapped"))
    case("no model is no mapped model", {"headers": header("u1")}, [rollout(percent=10000)], models=models, unmapped="stable", **stable("unmapped", anonymous=False))
    case("an unmapped model that may pass is split", named("gpt-4o"), models=models, unmapped="pass", hashed="u1")
    case("without a mapping nothing is unmapped", named("gpt-4o"), unmapped="stable", hashed="u1")


def matching():
    unmatched = {"expect": {"rollout": None, "arm": None, "provider": "old", "reason": "unmatched", "counted": False, "anonymous": False}}
    rejected = {"rejected": "no rollout takes this request, and flags.yaml has `unmatched: reject`; add a rollout that matches its path, model and headers, or name a provider in `unmatched`"}
    user = {"headers": header("u1")}
    for path in ["/chat/completions", "/completions", "/responses", "/messages", "/chat/completions/", "//chat/completions", "/chat//completions",
                 "/chat/completions//", "///messages", "/%63hat/completion%73"]:
        case(f"{path} is split", user | {"path": path}, hashed="u1")
    for path in ["/embeddings", "/models", "/files", "/responses/resp_1", "/messages/batches", "/chat/completions/x", "/chat",
                 "/Chat/Completions", "/", "", "//", "/chat%2Fcompletions", "/responses//resp_1"]:
        case(f"{path!r} is not split", user | {"path": path}, **unmatched)
    case("unmatched goes where the file says", user | {"path": "/models"}, unmatched="third", **{"expect": unmatched["expect"] | {"provider": "third"}})
    case("unmatched is rejected where the file says so", user | {"path": "/models"}, unmatched="reject", **rejected)
    case("no rollouts at all", user, [rollout(endpoints=[])], **unmatched)

    index = [rollout(endpoints=["embeddings"], user=["body:index"])]
    case("another endpoint by name", {"path": "/embeddings"} | body(index="docs"), index, hashed="docs")
    case("named endpoints replace the default", {"path": CHAT} | body(index="docs"), index, **unmatched)
    globbed = [rollout(path="/files/*")]
    case("a path pattern", user | {"path": "/files/abc/content"}, globbed, hashed="u1")
    case("a path pattern replaces the endpoints", user, globbed, **unmatched)
    for path in ["//files/abc/content", "/files//abc", "/f%69les/abc/"]:
        case(f"a path pattern and {path}", user | {"path": path}, globbed, hashed="u1")
    case("a path pattern of a slash twice", user | {"path": "//files/abc"}, [rollout(path="//files/*")], hashed="u1")
    case("a path pattern fits whole", user | {"path": "/v2/files/abc"}, globbed, **unmatched)
    by_model = [rollout(model="gpt-4*")]
    case("a model pattern", user | body(), by_model, hashed="u1")
    case("a model pattern and a model written with escapes", user | {"body": r'{"model":"gp\u0074-4o"}'}, by_model, hashed="u1")
    case("a model that does not fit", user | {"body": {"model": "o1"}}, by_model, **unmatched)
    case("no model does not fit", user, by_model, **unmatched)
    by_header = [rollout(headers={"x-tier": "gold*", "x-region": "eu"})]
    case("every header pattern must fit", {"headers": [["x-user-id", "u1"], ["x-tier", "golden"], ["X-Region", "eu"]]}, by_header, hashed="u1")
    case("one header pattern does not fit", {"headers": [["x-user-id", "u1"], ["x-tier", "silver"], ["x-region", "eu"]]}, by_header, **unmatched)
    case("one header is absent", {"headers": [["x-user-id", "u1"], ["x-tier", "gold"]]}, by_header, **unmatched)
    case("one of several values fits", {"headers": [["x-user-id", "u1"], ["x-tier", "a"], ["x-tier", "gold"], ["x-region", "eu"]]}, by_header, hashed="u1")

    several = [rollout(name="chat", model="gpt-*"), rollout(name="rest", canary="third", percent=10000, salt="r"), rollout(name="never", percent=10000)]
    case("the first rollout that fits", user | body(), several, hashed="u1")
    case("the next rollout that fits", user | {"body": {"model": "o1"}}, several,
         told_by="ru1", **canary("everybody", rollout="rest", provider="third", counted=True, anonymous=False))
    plain = [rollout(name="claude", model="claude-*", stable="third", canary=None), rollout()]
    case("a plain route has no arm", user | {"body": {"model": "claude-5"}}, plain,
         expect={"rollout": "claude", "arm": None, "provider": "third", "reason": "plain_route", "counted": False, "anonymous": False})
    case("what a plain route does not take", user | body(), list(reversed(plain)), hashed="u1")


def methods():
    user = {"headers": header("u1")}
    nobodys = lambda provider, reason: {"expect": {"rollout": None, "arm": None, "provider": provider, "reason": reason, "counted": False, "anonymous": False}}
    elsewhere = {"unmatched": "third"}
    everybody = [rollout(percent=10000)]
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "post", "QUERY"]:
        for share in [1, 5000, 10000]:
            case(f"{method} at {share} generates nothing", user | {"method": method}, [rollout(percent=share)], **elsewhere, **nobodys("old", "method"))
    case("GET with a body generates nothing", user | {"method": "GET"} | body(), everybody, **elsewhere, **nobodys("old", "method"))
    case("a tester forces no GET", {"method": "GET", "headers": header("t", "x-canary")}, [rollout(force={"header": "x-canary", "token": "t"})], **nobodys("old", "method"))
    case("a pin moves no GET", user | {"method": "GET"}, [rollout(pins={"u1": "canary"})], **nobodys("old", "method"))
    case("GET where the canary is closed", user | {"method": "GET"}, [rollout(percent=0, closed=True)], **nobodys("old", "method"))
    case("GET of a path spelled oddly", user | {"method": "GET", "path": "//responses"}, everybody, **elsewhere, **nobodys("old", "method"))
    case("GET is not refused with what nobody matches", user | {"method": "GET"}, everybody, unmatched="reject", **nobodys("old", "method"))
    case("GET of what an endpoint made", user | {"method": "GET", "path": "/responses/resp_1"}, everybody, **elsewhere, **nobodys("third", "unmatched"))
    case("an upgrade is split", user | {"method": "GET", "upgrade": True, "path": "/responses"}, hashed="u1")
    case("an upgrade by POST is split", user | {"upgrade": True}, hashed="u1")
    case("OPTIONS is never split", user | {"method": "OPTIONS", "upgrade": True}, everybody, **nobodys("old", "method"))
    case("a header names no method", {"headers": [["x-user-id", "u1"], ["x-http-method-override", "POST"]], "method": "GET"}, everybody, **nobodys("old", "method"))
    case("a header takes no method away", {"headers": [["x-user-id", "u1"], ["x-http-method-override", "GET"]]}, hashed="u1")

    globbed = [rollout(path="/files/*")]
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "get"]:
        case(f"a path pattern takes {method}", user | {"method": method, "path": "/files/abc"}, globbed, hashed="u1")
    case("a path pattern takes no OPTIONS", user | {"method": "OPTIONS", "path": "/files/abc"}, globbed, **elsewhere, **nobodys("old", "method"))

    by_model = [rollout(model="gpt-*"), rollout(name="rest", stable="third", canary="new", model="o1")]
    case("OPTIONS tells no model", user | {"method": "OPTIONS"}, by_model, unmatched="reject", **nobodys("old", "method"))
    by_header = [rollout(headers={"x-tier": "gold"}), rollout(name="rest", stable="third", canary="new")]
    case("OPTIONS goes where all it has fits", user | {"method": "OPTIONS"}, by_header, **nobodys("third", "method"))
    case("GET goes where all it has fits", {"method": "GET", "headers": header("gold", "x-tier")}, by_header, **nobodys("old", "method"))
    case("GET without a model is matched by none", user | {"method": "GET"}, by_model, **elsewhere, **nobodys("third", "unmatched"))
    plain = [rollout(name="claude", stable="third", canary=None)]
    for method in ["GET", "OPTIONS"]:
        case(f"a plain route takes {method}", user | {"method": method}, plain,
             expect={"rollout": "claude", "arm": None, "provider": "third", "reason": "plain_route", "counted": False, "anonymous": False})


def flags():
    pins = {"vip": "stable", "tester": "canary"}
    missing = ("the flag follows rollout `chat`, which splits by user, and the targeting key is missing, blank or a "
               "stand-in such as \"anonymous\"; send the user id that requests carry")
    at = lambda percent, key, closed=False, **outcome: {"rollout": rollout(pins=pins, salt="s", percent=percent, closed=closed), "key": key} | outcome
    b = bucket("s", "u1")
    return [
        at(b, "u1", value=False, reason="SPLIT"),
        at(b + 1, "u1", value=True, reason="SPLIT"),
        at(1, "tester", value=True, reason="TARGETING_MATCH"),
        at(10000, "vip", value=False, reason="TARGETING_MATCH"),
        at(10000, "u1", value=True, reason="STATIC"),
        at(10000, None, value=True, reason="STATIC"),
        at(0, "tester", value=False, reason="STATIC"),
        at(0, None, value=False, reason="STATIC"),
        at(0, "tester", closed=True, value=False, reason="STATIC"),
        at(b + 1, "u1", closed=True, value=True, reason="SPLIT"),
        at(9999, "vip", closed=True, value=False, reason="TARGETING_MATCH"),
        at(bucket("s", "tester"), "tester", closed=True, value=False, reason="SPLIT"),
        at(5000, None, error=missing),
        at(5000, " ", error=missing),
        at(5000, "anonymous", error=missing),
        {"rollout": rollout(canary=None), "key": None, "value": False, "reason": "STATIC"},
        {"rollout": rollout(name="other"), "key": "u1", "error": "the flag follows `chat`, and there is no rollout of that name"},
    ]


def lines(values):
    return "[\n" + ",\n".join(json.dumps(value, ensure_ascii=False) for value in values) + "\n]"


def write(name, lists):
    text = ",\n".join(f'"{key}": {lines(values)}' for key, values in lists.items())
    (HERE / name).write_text("{\n" + text + "\n}\n")


sources()
bodies()
junk()
anonymous()
hands()
matching()
methods()
write("buckets.json", buckets())
write("cases.json", {"requests": cases, "flags": flags()})
