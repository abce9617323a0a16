"""What stays outside is what carries the message, whether it is edited in place or handed back: docs/formats.md has the table.

Fields that are inside only are deleted one by one in place, under the numbers that the mail server gives them, with its own
Received among them, which Postfix does not show to a milter."""

import pytest

from conftest import ALICE, BOB, Route
from support import messages
from support.milter import Milter
from support.places import free_endpoint
from support.postfix import Postfix
from support.sealed import Delivered, check_form, check_nothing_leaks, check_payload, unfolded
from support.sendmail import Sendmail

ADDED_TO_THE_TABLE = "X-Spam-Flag"


@pytest.fixture(scope="module", params=["auto", "reinject"])
def delivery(request):
    return request.param


@pytest.fixture(scope="module")
def listeners():
    return {"postfix": free_endpoint(), "sendmail": free_endpoint()}


@pytest.fixture(scope="module")
def servers(folder, lockbox, sink, tls, delivery, listeners):
    def milter(name):
        settings = [("delivery", delivery), ("reinject", "%s:%d" % listeners[name]), ("rule", "require"),
                    ("outer-field", ADDED_TO_THE_TABLE), ("journal", lockbox.folder / f"{name}-{delivery}.journal")]
        return Milter(folder, lockbox, settings, name=f"{name}-{delivery}")

    with milter("postfix") as first, milter("sendmail") as second, \
            Postfix(folder / f"postfix-{delivery}", sink, first.socket, tls, listener=listeners["postfix"]) as postfix, \
            Sendmail(folder / f"sendmail-{delivery}", sink, second.socket, listener=listeners["sendmail"]) as sendmail:
        yield {"postfix": postfix, "sendmail": sendmail}


@pytest.fixture(params=["postfix-smtp", "postfix-sendmail", "sendmail-smtp", "sendmail-sendmail"])
def route(request, servers):
    return Route(request.param, servers[request.param.split("-")[0]])


def with_copies_of_the_subject(message, blank=b""):
    """Between the fields of `message` others that repeat its marker, some of them twice and in another case."""
    marker = message.marker.encode()
    own = message.fields
    for name in (b"Subject", b"Thread-Topic", b"X-Spam-Report", b"Comments"):
        own = [(field + blank if field == name else field, value) for field, value in own]
    message.fields = [
        (b"Received", b" from app.example.org by relay.example.org; Mon, 05 Jan 2026 10:11:11 +0100"),
        (b"X-Spam-Report" + blank, b" Content preview:\r\n Dear Bob, " + marker),
        (b"Authentication-Results", b" relay.example.org; none"),
        *own[:2],
        (b"Thread-Topic" + blank, b" " + marker),
        (b"X-Loop", b" app@example.org"),
        *own[2:4],
        (b"thread-topic", b" again " + marker),
        (b"Comments" + blank, b" " + marker),
        (b"X-Spam-Flag", b" NO"),
        (b"List-Id", b" The list <list.example.org>"),
        (b"THREAD-TOPIC", b"\t" + marker + b"\r\n\tfolded"),
        (b"X-Spam-Prev-Subject", b" " + marker),
        *own[4:],
        (b"Keywords", b" " + marker),
        (b"X-MS-Exchange-Organization-SCL", b" -1"),
    ]
    return message


INSIDE_ONLY = ["X-Spam-Report", "Thread-Topic", "Comments", "X-Spam-Prev-Subject", "Keywords", "X-MS-Exchange-Organization-SCL"]
OUTSIDE = ["authentication-results", "from", "to", "x-loop", "subject", "date", "x-spam-flag", "list-id", "message-id",
           "mime-version", "content-type"]


def deliver(route, sink, message, sender):
    route.send(message, sender, [BOB])
    return sink.wait_for(sender, diagnosis=route.server.tail)


@pytest.mark.parametrize("blank", [b"", b" ", b"\t "], ids=["plain", "space-before-colon", "tab-before-colon"])
def test_only_what_carries_the_message(route, sink, home, sender, blank):
    """RFC 5322 §4.5: old software writes white space before the colon. No mail server may find the field by another name."""
    message = with_copies_of_the_subject(messages.plain(ALICE, [BOB]), blank)
    delivery = deliver(route, sink, message, sender)
    check_nothing_leaks(delivery.wire, message)
    delivered = Delivered(delivery.content)
    assert [name for name in delivered.names() if name not in ("received", "return-path")] == OUTSIDE
    assert delivered.names().count("received") >= 2, "the one that was there, and the server's own"
    for name in ("Authentication-Results", "X-Loop", "X-Spam-Flag", "List-Id"):
        assert list(map(unfolded, delivered.values(name))) == list(map(unfolded, message.values(name)))

    payload = home.decrypt(check_form(delivered, message))
    inside = Delivered(payload)
    for name in INSIDE_ONLY:
        written = [unfolded(value) for field, value in message.fields if field.strip().lower() == name.lower().encode()]
        assert written and list(map(unfolded, inside.values(name))) == written
        # RFC 9788 §2.2.2: inside and in no HP-Outer: confidential by removal.
        assert not [value for value in inside.values("HP-Outer") if value.strip().lower().startswith(name.lower().encode())]
    assert inside.body == message.delivered_body


def test_a_signed_message_too(route, sink, home, sender):
    message = with_copies_of_the_subject(messages.signed(ALICE, [BOB], home))
    subject = [(name, b" what was signed" if name == b"Subject" else value) for name, value in message.fields]
    message.fields = subject
    delivery = deliver(route, sink, message, sender)
    check_nothing_leaks(delivery.wire, message)
    delivered = Delivered(delivery.content)
    assert sorted(name for name in delivered.names() if name not in ("received", "return-path")) == sorted(OUTSIDE)
    payload = home.decrypt(check_form(delivered, message))
    check_payload(payload, message, delivered)
    inside = Delivered(payload)
    assert not inside.values("HP-Outer") and b"hp=" not in inside.values("Content-Type")[0]
    for name in INSIDE_ONLY:
        assert list(map(unfolded, inside.values(name))) == list(map(unfolded, message.values(name)))


def test_five_hundred_fields(route, sink, home, sender):
    """Sendmail takes no more than 32 KB of them (MaxHeadersLength)."""
    message = messages.plain(ALICE, [BOB])
    message.fields += [(b"X-%d" % (number % 250), b" " + message.marker.encode()) for number in range(500)]
    delivery = deliver(route, sink, message, sender)
    check_nothing_leaks(delivery.wire, message)
    inside = Delivered(home.decrypt(check_form(Delivered(delivery.content), message)))
    assert sum(name.startswith("x-") for name in inside.names()) == 500
