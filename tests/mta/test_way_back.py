"""The way back is the mail server's alone: nobody else gets a copy to see, nobody brings anything else under its name.

The message is for Bob (To, with a certificate) and Carol (hidden, with a certificate): two copies.
"""

import concurrent.futures
import pathlib
import socket
import sys
import threading

import pytest

from conftest import ALICE, BOB, CAROL, DAVE
from support import messages
from support.background import Background
from support.milter import GROUP, USER, Milter
from support.places import free_endpoint
from support.postfix import REINJECTION, Postfix
from support.sealed import Delivered
from support.sendmail import Sendmail
from support.smtp_client import SmtpClient
from support.smtp_proxy import SmtpProxy
from support.waiting import wait_for

# As text: another user may not be able to read the file.
STRANGER = (pathlib.Path(__file__).resolve().parents[1] / "support" / "stranger.py").read_text("utf-8")
SOMEBODY = "games"  # a user of every Debian who is neither root, nor the milter's, nor the mail server's


@pytest.fixture(scope="module")
def sockets(folder):
    return {name: folder.make_for_socket(USER, GROUP) / "socket" for name in ("postfix", "sendmail")}


@pytest.fixture(scope="module")
def servers(folder, sink, tls, sockets):
    with Postfix(folder / "postfix", sink, sockets["postfix"], tls, listener=free_endpoint()) as postfix, \
            Sendmail(folder / "sendmail", sink, sockets["sendmail"], listener=free_endpoint()) as sendmail:
        yield {"postfix": postfix, "sendmail": sendmail}


@pytest.fixture(params=["postfix", "sendmail"])
def server(request, servers):
    return servers[request.param]


@pytest.fixture
def proxy(server):
    with SmtpProxy(server.listener) as proxy:
        yield proxy


def milter_at(folder, lockbox, socket_path, listener, name, *rules):
    milter = Milter(folder, lockbox, name=name)
    milter.socket = socket_path
    milter.configure([("socket", f"unix:{socket_path}"), ("reinject", listener), ("journal", lockbox.folder / f"{name}.journal"),
                      *(rules or [("rule", "to=@remote.test require")])])
    return milter


def text_of(endpoint):
    return "[%s]:%d" % endpoint if ":" in endpoint[0] else "%s:%d" % endpoint


@pytest.fixture
def milter(folder, lockbox, server, servers, sockets, proxy, request):
    name = next(key for key, value in servers.items() if value is server)
    with milter_at(folder, lockbox, sockets[name], text_of(proxy.endpoint), f"{name}-{request.node.name[:20]}") as milter:
        yield milter


def diagnosis(milter, server):
    return f"{milter.text()}\n{server.tail()}"


# ── who listens ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def free_ipv6_endpoint():
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return "::1", probe.getsockname()[1]


@pytest.fixture(params=["127.0.0.0/8", "::1", "unix"])
def place(request, folder):
    """Where the stranger listens, as the configuration and as the stranger's program want it."""
    if request.param == "unix":
        path = folder.make("theirs", SOMEBODY, mode=0o755) / "reinject"
        return f"unix:{path}", [path]
    try:
        endpoint = free_endpoint() if request.param == "127.0.0.0/8" else free_ipv6_endpoint()
    except OSError:
        pytest.skip("this machine has no IPv6")
    return text_of(endpoint), list(endpoint)


def test_another_user_who_listens_hears_nothing(folder, lockbox, servers, sockets, sink, sender, place):
    configured, arguments = place
    server = servers["postfix"]
    stranger = Background([sys.executable, "-c", STRANGER, *arguments], user=SOMEBODY)
    try:
        stranger.wait_for_line("listening")
        with milter_at(folder, lockbox, sockets["postfix"], configured, "stranger", ("rule", "prefer")) as milter:
            reply = server.submit(sender, [BOB, DAVE], messages.plain(ALICE, [BOB, DAVE]).octets)
            assert reply.code == 451, diagnosis(milter, server)
            stranger.wait_for_line("heard 0 octets")
            assert not [line for line in stranger.lines if line.startswith("heard:")]
            milter.wait_for_line("answers there, who is not the mail server's")
    finally:
        stranger.stop()
    assert not sink.from_sender(sender)


def test_a_mail_server_of_another_user_can_be_named(folder, lockbox, servers, sockets, sink, sender):
    """With the key mta-user, the stranger is none: everything is said, as far as the conversation goes."""
    endpoint = free_endpoint()
    server = servers["postfix"]
    stranger = Background([sys.executable, "-c", STRANGER, *endpoint], user=SOMEBODY)
    try:
        stranger.wait_for_line("listening")
        with milter_at(folder, lockbox, sockets["postfix"], text_of(endpoint), "named", ("mta-user", "postfix"),
                       ("mta-user", SOMEBODY), ("rule", "prefer")) as milter:
            reply = server.submit(sender, [BOB, DAVE], messages.plain(ALICE, [BOB, DAVE]).octets)
            assert reply.code == 451, diagnosis(milter, server)
            stranger.wait_for_line("heard: RCPT TO:")
            milter.wait_for_line("does not have this milter attached")
    finally:
        stranger.stop()
    assert not [line for line in stranger.lines if line.startswith("heard: DATA")]


# ── a copy's name elsewhere ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_name_of_a_copy_opens_no_other_entrance(server, milter, proxy, sink, sender):
    """Whoever has learned the name brings clear text under it to the ordinary port: it is judged like any message."""
    own = f"mallory+{sender}"
    replies = []

    def change(copy, what, octets):
        if copy == 0 and what == "ehlo":
            name = octets.split()[1].decode()
            with SmtpClient(server.host, server.port, name=name) as client:
                replies.append(client.submit(own, [DAVE], messages.plain(ALICE, [DAVE]).octets))
        return octets
    proxy.reset(change=change)
    reply = server.submit(sender, [BOB, CAROL], messages.plain(ALICE, [BOB]).octets)
    assert [taken.code for taken in replies] == [550], f"{replies}\n{diagnosis(milter, server)}"
    assert not sink.from_sender(own)
    assert reply.code == 250, diagnosis(milter, server)
    wait_for(lambda: len(sink.from_sender(sender)) == 2, lambda: diagnosis(milter, server))


# ── somebody in the middle ────────────────────────────────────────────────────────────────────────────────────────────────


def replaced(part, old, new):
    def change(copy, what, octets):
        del copy
        if what != part:
            return octets
        assert old in octets, octets
        return octets.replace(old, new)
    return change


def another_body(copy, what, octets):
    del copy
    return octets.split(b"\r\n\r\n", 1)[0] + b"\r\n\r\nWire the money to me.\r\n" if what == "content" else octets


def another_type(copy, what, octets):
    del copy
    return b"Content-Type: text/html\r\n" + octets if what == "content" else octets


def one_recipient_more(copy, what, octets):
    del copy
    return b"RCPT TO:<mallory@remote.test>\r\n" + octets if what == "data" else octets


CHANGES = {
    "body": (another_body, "the body"),
    "a letter of the body": (replaced("content", b"-----END PGP MESSAGE-----", b"-----END PGP MESSAGE----"), "the body"),
    "another field": (another_type, "the header field Content-Type"),
    "a field": (replaced("content", b"Subject: [...]", b"Subject: Urgent"), "the header field Subject"),
    "a field gone": (replaced("content", b"Subject: [...]\r\n", b""), "the header field Subject"),
    "recipient": (replaced("rcpt", b"remote.test", b"elsewhere.test"), "the recipients"),
    "one recipient more": (one_recipient_more, "the recipients"),
    "sender": (replaced("mail", b"alice+", b"mallory+"), "the sender"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_not_the_copy_is_not_let_through(server, milter, proxy, sink, sender, name):
    change, difference = CHANGES[name]
    proxy.reset(change=change)
    message = messages.plain(ALICE, [BOB])
    reply = server.submit(sender, [BOB, CAROL], message.octets)
    assert reply.code == 451, f"{reply}\n{diagnosis(milter, server)}"
    line = milter.wait_for_line("a copy came back changed")
    assert f'reason="a copy came back changed: {difference}"' in line, line
    assert message.marker not in milter.text()
    # The next try, with nobody in between, gets everybody theirs: nothing of the first counts as taken.
    proxy.reset()
    assert server.submit(sender, [BOB, CAROL], message.octets).code == 250, diagnosis(milter, server)
    wait_for(lambda: len(sink.from_sender(sender)) >= 2, lambda: diagnosis(milter, server))
    came = sink.from_sender(sender)
    assert sorted(address for delivery in came for address in delivery.addresses()) == [BOB, CAROL]
    assert not [delivery for delivery in sink.deliveries if "mallory" in repr(delivery.mail)]


def test_a_listener_that_takes_what_was_not_let_through_has_not_taken_it(server, milter, proxy, sink, sender):
    """Somebody in the middle who swallows the copy and says 250."""
    proxy.reset(lambda copy, moment: "250 2.0.0 Ok: queued as 4STOLEN" if moment == "dot" else None)
    message = messages.plain(ALICE, [BOB])
    assert server.submit(sender, [BOB, CAROL], message.octets).code == 451, diagnosis(milter, server)
    milter.wait_for_line("which this milter has not let through")
    proxy.reset()
    assert server.submit(sender, [BOB, CAROL], message.octets).code == 250, diagnosis(milter, server)
    wait_for(lambda: len(sink.from_sender(sender)) >= 2, lambda: diagnosis(milter, server))
    assert len(sink.from_sender(sender)) == 2


# ── a listener that hangs ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_listener_that_hangs_keeps_nobody_from_sealing(server, milter, proxy, sink, sender):
    """With one place to seal: messages whose copies wait for the listener hold none."""
    reached, go_on = threading.Semaphore(0), threading.Event()

    def hang(copy, moment):
        del copy
        if moment == "connect":
            reached.release()
            go_on.wait(300)
        return None
    proxy.reset(hang)
    milter.stop()
    milter.configure([("socket", f"unix:{milter.socket}"), ("reinject", text_of(proxy.endpoint)), ("concurrency", 1),
                      ("journal", milter.keyring.folder / "hanging.journal"), ("rule", "prefer")])
    milter.start()
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        try:
            waiting = [threads.submit(server.submit, f"{number}+{sender}", [BOB, CAROL],
                                      messages.plain(ALICE, [BOB]).octets) for number in range(3)]
            for _ in waiting:
                assert reached.acquire(timeout=60), diagnosis(milter, server)
            for recipient in (DAVE, BOB):  # nothing to seal; sealed in place
                reply = server.submit(sender, [recipient], messages.plain(ALICE, [recipient]).octets)
                assert reply.code == 250, f"{reply}\n{diagnosis(milter, server)}"
            assert not [one for one in waiting if one.done()]
        finally:
            go_on.set()
        assert [one.result().code for one in waiting] == [250] * 3, diagnosis(milter, server)
    wait_for(lambda: len(sink.from_sender(sender)) == 2, lambda: diagnosis(milter, server))


# ── what a mail server does to a copy ─────────────────────────────────────────────────────────────────────────────────────


def with_fields(*fields):
    message = messages.plain(ALICE, [BOB, DAVE])
    message.fields += fields
    return message


def with_body(body):
    message = messages.plain(ALICE, [BOB, DAVE])
    message.body = body
    return message


SHAPES = {
    "a field of 20,000 octets": lambda: with_fields((b"X-Long", b" " + b"\r\n ".join([b"x" * 70] * 280))),
    "a line of 8,000 octets": lambda: with_body(b"x" * 8000 + b"\r\n"),
    "carriage returns": lambda: with_body(b"one\rtwo\r\r\nthree\r\r\r\n\rfour\r\n"),
    "bare line feeds": lambda: with_body(b"one\ntwo\n\nthree\r\n"),
    "an octet 0": lambda: with_body(b"one\0two\0\r\n\0\r\n"),
    "every octet": lambda: with_body(bytes(octet for octet in range(256) if octet not in (10, 13)) + b"\r\n"),
    "empty lines at the end": lambda: with_body(b"one\r\n\r\n\r\n\r\n"),
    "nothing but empty lines": lambda: with_body(b"\r\n\r\n"),
    "dots": lambda: with_body(b".\r\n..\r\n.x\r\nFrom here\r\n"),
    "white space at the end of lines": lambda: with_body(b"one \t\r\n \r\ntwo\r\n"),
    "macros of Sendmail": lambda: with_fields((b"X-Macro", b" $j ${client_addr} $&j $| \x81\x9f\xff")),
    "empty fields": lambda: with_fields((b"X-Empty", b""), (b"X-Blank", b"   "), (b"Comments", b"")),
    "fields folded oddly": lambda: with_fields((b"X-Fold", b"\r\n one\r\n\t two  \t three \r\n four")),
    "a field twice": lambda: with_fields((b"X-Twice", b" a"), (b"X-Twice", b" a"), (b"x-twice", b" b")),
    "white space before the colon": lambda: with_fields((b"X-Space ", b" a")),
    "fields that mail servers drop": lambda: with_fields(
        (b"Return-Path", b" <x@y.test>"), (b"Bcc", b" dave@remote.test"), (b"Content-Length", b" 12"),
        (b"Errors-To", b" x"), (b"Resent-From", b" Alice  <alice@example.org>"), (b"Full-Name", b" A"),
        (b"Apparently-To", b" x@y.test"), (b"Return-Receipt-To", b" x@y.test"), (b"Status", b" RO"),
        (b"X-Status", b" F"), (b"Delivered-To", b" x@y.test"), (b"Resent-Date", b" Mon, 05 Jan 2026 10:11:12 +0100")),
    "text of other languages": lambda: with_fields((b"X-Latin", b" Gr\xfc\xdfe"), (b"X-Utf", " Grüße 雪".encode())),
    "many fields": lambda: with_fields(*((b"X-%d" % number, b" x") for number in range(300))),
}


@pytest.fixture(scope="module", params=["postfix", "sendmail"])
def as_it_is(request, folder, lockbox, servers, sockets):
    """A mail server that takes its copies back without anybody in between."""
    server = servers[request.param]
    with milter_at(folder, lockbox, sockets[request.param], text_of(server.listener), f"{request.param}-plain",
                   ("rule", "prefer")) as milter:
        yield server, milter


@pytest.mark.parametrize("shape", SHAPES)
def test_what_a_mail_server_does_to_a_copy_makes_no_difference(as_it_is, sink, sender, shape):
    server, milter = as_it_is
    before = len(milter.lines("came back changed"))
    reply = server.submit(sender, [BOB, DAVE], SHAPES[shape]().octets)
    if shape in ("bare line feeds", "carriage returns", "every octet", "an octet 0") and "not allowed" in reply.text:
        pytest.skip(f"this mail server refuses it: {reply}")
    assert reply.code == 250, f"{reply}\n{diagnosis(milter, server)}"
    assert len(milter.lines("came back changed")) == before, milter.text()
    wait_for(lambda: sorted(address for delivery in sink.from_sender(sender) for address in delivery.addresses()) ==
             [BOB, DAVE], lambda: diagnosis(milter, server), 60)


def test_a_field_that_postfix_cuts(servers, folder, lockbox, sockets, sink, sender):
    """More than 60,000 octets with a milter: Postfix cuts it when the message comes, and the copy is that."""
    server = servers["postfix"]
    with milter_at(folder, lockbox, sockets["postfix"], text_of(server.listener), "cut", ("rule", "prefer")) as milter:
        message = with_fields((b"X-Long", b" " + b"\r\n ".join([b"x" * 90] * 900)))
        assert server.submit(sender, [BOB, DAVE], message.octets).code == 250, diagnosis(milter, server)
        wait_for(lambda: len(sink.from_sender(sender)) == 2, lambda: diagnosis(milter, server), 60)
        clear = next(delivery for delivery in sink.from_sender(sender) if delivery.addresses() == [DAVE])
        assert 50_000 < len(Delivered(clear.content).values("X-Long")[0]) < 61_000


@pytest.mark.parametrize("address", ['"a b"@remote.test', "Dave@Remote.Test", "dave+x@remote.test", '"dave"@remote.test',
                                     "a'b#c@remote.test", "dave@remote.test"])
def test_an_address_comes_back_as_it_was_said(as_it_is, sink, sender, address):
    server, milter = as_it_is
    reply = server.submit(sender, [BOB, address], messages.plain(ALICE, [BOB]).octets)
    assert reply.code == 250, f"{reply}\n{diagnosis(milter, server)}"
    wait_for(lambda: len([0 for delivery in sink.from_sender(sender) for _ in delivery.addresses()]) == 2,
             lambda: diagnosis(milter, server), 60)


# ── Unix sockets ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_postfix_takes_copies_back_on_a_unix_socket(folder, lockbox, sink, tls, sender):
    """smtpd(8) as a service of the type unix, which takes such a client for 127.0.0.1."""
    path = folder.make_for_socket(USER, GROUP) / "socket"
    service = REINJECTION.replace("{listener_host}:{listener_port} inet n", "reinject unix n").replace(
        "{listener_milters}", f"unix:{path}")
    with Postfix(folder / "on-unix", sink, path, tls, services=service) as server:
        listener = server.base / "queue" / "public" / "reinject"
        listener.parent.chmod(0o711)  # or the milter's user belongs to the group postdrop
        with milter_at(folder, lockbox, path, f"unix:{listener}", "on-unix", ("rule", "prefer")) as milter:
            reply = server.submit(sender, [BOB, DAVE], messages.plain(ALICE, [BOB, DAVE]).octets)
            assert reply.code == 250, f"{reply}\n{diagnosis(milter, server)}"
            wait_for(lambda: len(sink.from_sender(sender)) == 2, lambda: diagnosis(milter, server), 60)


def test_sendmail_takes_copies_back_on_a_unix_socket(folder, lockbox, sink, sender):
    path = folder.make_for_socket(USER, GROUP) / "socket"
    place = folder.make_for_socket("root", "root")  # Sendmail trusts no folder of another user
    place.chmod(0o755)
    listener = place / "reinject"
    extra = f"DAEMON_OPTIONS(`Name=lockbox-reinject, Addr={listener}, Family=local, InputMailFilters=lockbox')\n"
    with Sendmail(folder / "sendmail-on-unix", sink, path, extra=extra) as server:
        listener.chmod(0o666)  # Sendmail makes it root's alone
        with milter_at(folder, lockbox, path, f"unix:{listener}", "sendmail-on-unix", ("rule", "prefer")) as milter:
            reply = server.submit(sender, [BOB, DAVE], messages.plain(ALICE, [BOB, DAVE]).octets)
            assert reply.code == 250, f"{reply}\n{diagnosis(milter, server)}"
            wait_for(lambda: len(sink.from_sender(sender)) == 2, lambda: diagnosis(milter, server), 60)
