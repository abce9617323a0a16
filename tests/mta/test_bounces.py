"""What comes back: mail that was not sealed and cannot be delivered leaves in a bounce, to an address that anybody chose.
The settings are those of the pages, word for word; only the queue's patience is shorter."""

import re

import pytest

from conftest import ALICE, BOB
from support import messages
from support.milter import Milter
from support.places import free_endpoint
from support.postfix import Postfix
from support.sendmail import Sendmail
from support.smtp_client import SmtpClient
from support.snippets import CONTRIB, blocks, postfix_services, postfix_settings, sendmail_macros, without_chroot
from support.waiting import wait_for

SECRET = "5c0ffee5c0ffee5c"
UNREACHABLE = "dave@unreachable.test"


def bounce_for(sink, address, diagnosis):
    """The one bounce that came for the address."""
    def look():
        return [delivery for delivery in sink.from_sender("") if delivery.addresses() == [address]]
    return wait_for(look, lambda: f"a bounce for {address}:\n{diagnosis()}", 60)[0]


def check_header_alone(bounce, message):
    """No line of the body; the header section, with its Subject, is there: the pages say so."""
    for line in message.body.splitlines():
        assert not line.strip() or line not in bounce.wire
    assert message.values("Message-ID")[0].strip() in bounce.wire
    assert message.values("Subject")[0].strip() in bounce.wire
    assert re.search(rb"text/rfc822-headers", bounce.wire, re.IGNORECASE)


@pytest.fixture
def unreachable(sink):
    """The other side cannot take mail for one address now."""
    sink.fault = lambda stage, line: "450 4.2.0 not now" if stage == "rcpt" and UNREACHABLE in line else None
    yield
    sink.fault = None


# ── Postfix ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def postfix(folder, sink, milter, tls):
    settings = {name: value for name, value in postfix_settings().items() if name == "bounce_size_limit"}
    settings.update({"maximal_queue_lifetime": "1s", "bounce_queue_lifetime": "1d"})
    with Postfix(folder / "postfix", sink, milter.socket, tls, settings) as postfix:
        yield postfix


@pytest.mark.parametrize("parameters", ["", " RET=FULL"])
@pytest.mark.parametrize("octets", [0, 200_000])
def test_postfix_returns_the_header_alone(postfix, sink, unreachable, sender, parameters, octets):
    message = messages.attachment(ALICE, [UNREACHABLE], octets) if octets else messages.plain(ALICE, [UNREACHABLE])
    assert postfix.submit(sender, [UNREACHABLE], message.octets, parameters).code == 250
    check_header_alone(bounce_for(sink, sender, postfix.tail), message)


@pytest.fixture(scope="module")
def routed(folder, sink, lockbox, tls):
    """As contrib/postfix has it in "Nothing leaves past Lockbox", with a service that passes the milter by."""
    settings = postfix_settings("# routing, main.cf")
    settings.update({name: value for name, value in postfix_settings().items() if name == "bounce_size_limit"})
    routes, = blocks(CONTRIB / "postfix/README.md", "# lockbox_route")
    path = folder / "bounce_route"
    path.write_text(routes.replace("WORD", SECRET))
    settings.update({"milter_header_checks": f"regexp:{path}", "default_filter_nexthop": f"[{sink.host}]:{sink.port}",
                     "maximal_queue_lifetime": "1s", "bounce_queue_lifetime": "1d"})
    endpoint = free_endpoint()
    services = without_chroot(postfix_services("# routing, master.cf")) + "lmtp unix - - n - - lmtp\n"
    services += "%s:%d inet n - n - - smtpd\n  -o receive_override_options=no_milters\n" % endpoint
    listener = free_endpoint()
    rules = [("rule", "from=<> to=sealed@remote.test require"), ("rule", "from=<> to=bob@remote.test require"),
             ("rule", "prefer"), ("route-secret", SECRET), ("reinject", "%s:%d" % listener)]
    with Milter(folder, lockbox, rules, name="bounces") as milter:
        with Postfix(folder / "routed", sink, milter.socket, tls, settings, services, "may", listener) as postfix:
            postfix.unfiltered = endpoint
            yield postfix


def submit_past_the_milter(postfix, sender, message):
    with SmtpClient(*postfix.unfiltered) as client:
        assert client.submit(sender, [BOB], message.octets).code == 250


def test_what_is_stuck_leaves_without_its_body(routed, sink, sender):
    """Nothing but the bounce, to a sender whom anybody may have written there."""
    message = messages.plain(ALICE, [BOB])
    submit_past_the_milter(routed, sender, message)
    check_header_alone(bounce_for(sink, sender, routed.tail), message)
    assert not sink.from_sender(sender)


def test_a_bounce_is_sealed_where_its_recipient_has_a_certificate(routed, sink, home):
    message = messages.plain(ALICE, [BOB])
    submit_past_the_milter(routed, BOB, message)
    bounce = bounce_for(sink, BOB, routed.tail)
    assert message.marker.encode() not in bounce.wire and b"BEGIN PGP MESSAGE" in bounce.wire


def test_a_bounce_that_must_be_sealed_and_cannot_does_not_leave(routed, sink):
    """The rule says `require`, and nobody has a certificate: the page says what becomes of the message."""
    message = messages.plain(ALICE, [BOB])
    submit_past_the_milter(routed, "sealed@remote.test", message)
    routed.wait_for_line(r"milter-reject: .*<sealed@remote\.test>: no certificate; from=<>")
    routed.wait_for_line(r"status=deferred \(bounce failed\)")
    wait_for(lambda: routed.queued("sealed@remote.test"), routed.tail)
    assert message.marker.encode() not in sink.everything()
    # It stays for good, and tries again.
    tries = len(routed.lines("milter-reject"))
    routed.flush()
    wait_for(lambda: len(routed.lines("milter-reject")) > tries, routed.tail)
    assert routed.queued("sealed@remote.test")


# ── Sendmail ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def sendmail(folder, sink, milter):
    macros = "".join(sendmail_macros()).replace("/run/lockbox/milter.sock", str(milter.socket))
    macros = re.sub(r"FEATURE\(`access_db'.*|DAEMON_OPTIONS.*", "", macros)
    with Sendmail(folder / "sendmail", sink, extra=macros + "define(`confTO_QUEUERETURN', `2s')\n") as sendmail:
        yield sendmail


@pytest.mark.parametrize("parameters", ["", " RET=FULL"])
def test_sendmail_returns_the_header_alone(sendmail, sink, unreachable, sender, parameters):
    message = messages.plain(ALICE, [UNREACHABLE])
    assert sendmail.submit(sender, [UNREACHABLE], message.octets, parameters).code == 250
    check_header_alone(bounce_for(sink, sender, sendmail.tail), message)
