"""Receivers that are down, sidecars that are killed, files that change in between."""

import threading

from stage import OTHER_SECRET, Receiver, Sidecar, closed_port, standard, until
from formats import verified


def ids(receiver):
    return [request["headers"]["webhook-id"] for request in receiver.requests]


def test_what_happened_while_a_receiver_was_down_arrives_in_order_after_two_kills():
    hole = closed_port()
    port = hole.getsockname()[1]
    alive = Receiver()
    with Sidecar([standard("down", port), standard("alive", alive.port)]) as sidecar:
        sidecar.back_and_on()
        until("the other one is not held up", lambda: len(alive.requests) == 2)
        until("it was tried", lambda: sidecar.target("down")["last_error"])
        sidecar.kill()
        sidecar.start()
        assert sidecar.target("down")["queued"] == 2, sidecar.target("down")
        sidecar.back_and_on()
        until("the other one is not held up", lambda: len(alive.requests) == 4)
        sidecar.kill()
        hole.close()
        late = Receiver(port=port)
        sidecar.start()
        until("all of it arrived", lambda: len(late.requests) >= 4)
        first = list(dict.fromkeys(ids(late)))
        assert first == list(dict.fromkeys(ids(alive))), (ids(late), ids(alive))
        types = [verified(request)["type"] for request in late.requests]
        assert types == ["rollout.rolled_back", "rollout.resumed"] * 2, types
        until("nothing is left", lambda: sidecar.target("down")["queued"] == 0)
        late.close()
    alive.close()


def test_a_sidecar_that_is_killed_before_the_answer_sends_it_again_with_the_same_id():
    held = threading.Event()
    receiver = Receiver(lambda request: held.wait(20) and None)
    with Sidecar([standard("ops", receiver.port)]) as sidecar:
        sidecar.serin("rollback", "chat")
        until("it is being sent", lambda: receiver.requests)
        sidecar.kill()
        receiver.answer = lambda request: 204
        held.set()
        sidecar.start()
        until("it came again", lambda: len(receiver.requests) == 2)
        assert len(set(ids(receiver))) == 1, ids(receiver)
        until("it is done", lambda: sidecar.target("ops")["queued"] == 0)
        sidecar.kill()
        sidecar.start()
        sidecar.serin("resume", "chat")
        until("the next one came", lambda: len(receiver.requests) >= 3)
        assert receiver.types() == ["rollout.rolled_back"] * 2 + ["rollout.resumed"], receiver.types()
    receiver.close()


def test_a_secret_that_is_rotated_signs_what_waits():
    receiver = Receiver(lambda request: 503)
    with Sidecar([standard("ops", receiver.port)]) as sidecar:
        sidecar.serin("rollback", "chat")
        until("it was tried", lambda: receiver.requests)
        verified(receiver.requests[0])
        receiver.answer = lambda request: 204
        sidecar.reload([{**standard("ops", receiver.port), "secret": "${OTHER}"}])
        until("it came again", lambda: len(receiver.requests) == 2)
        verified(receiver.requests[1], OTHER_SECRET)
        assert len(set(ids(receiver))) == 1
    receiver.close()


def test_what_waits_for_a_target_that_leaves_the_file_is_dropped_and_counted():
    receiver, other = Receiver(lambda request: 503), Receiver()
    with Sidecar([standard("ops", receiver.port), standard("other", other.port)]) as sidecar:
        sidecar.back_and_on()
        until("it waits", lambda: sidecar.target("ops")["queued"] == 2)
        sidecar.reload([standard("other", other.port)])
        assert sidecar.target("ops") is None
        assert sidecar.metric('serin_notifications_total{target="ops",result="dropped"}') == 2
        tries = len(receiver.requests)
        sidecar.back_and_on()
        until("the other one goes on", lambda: len(other.requests) == 4)
        assert len(receiver.requests) == tries
    receiver.close(), other.close()


def test_a_burst_arrives_whole_and_in_order():
    receiver = Receiver()
    with Sidecar([standard("ops", receiver.port)]) as sidecar:
        for rollout in ("chat", "search"):
            sidecar.back_and_on(rollout, 10)
        until("all arrived", lambda: len(receiver.requests) == 40)
        for rollout in ("chat", "search"):
            types = [body["type"] for body in receiver.bodies() if body["data"]["rollout"] == rollout]
            assert types == ["rollout.rolled_back", "rollout.resumed"] * 10, types
        assert len(set(ids(receiver))) == 40
    receiver.close()
