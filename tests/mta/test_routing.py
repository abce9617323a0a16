"""contrib/postfix, "Nothing leaves past Lockbox": Postfix delivers what Lockbox has let go on, and nothing else, whoever else
fails. The settings are those of the page, word for word."""

import re
import subprocess

import pytest

from conftest import ALICE, BOB, CAROL, DAVE
from support import messages
from support.milter import Milter
from support.milter_proxy import ADD_FIELD, BODY_PIECE, CHANGE_FIELD, CONTINUE, DISCARD, MilterProxy
from support.places import free_endpoint
from support.postfix import Postfix, version_of_postfix
from support.sealed import Delivered, check_form, check_nothing_leaks, check_payload
from support.smtp_client import SmtpClient
from support.smtp_sink import SmtpSink
from support.snippets import CONTRIB, blocks, postfix_services, postfix_settings, without_chroot
from support.waiting import wait_for

SECRET = "5c0ffee5c0ffee5c"
NOWHERE = "private/not-from-lockbox"


@pytest.fixture(scope="module")
def listener():
    return free_endpoint()


@pytest.fixture(scope="module")
def settings(folder, sink):
    """Only what has to do with this machine is different: the file's place, and no DNS."""
    values = postfix_settings("# routing, main.cf")
    routes, = blocks(CONTRIB / "postfix/README.md", "# lockbox_route")
    path = folder / "lockbox_route"
    path.write_text(routes.replace("WORD", SECRET))
    path.chmod(0o600)
    assert values["milter_header_checks"] == "regexp:/etc/postfix/lockbox_route"
    values["milter_header_checks"] = f"regexp:{path}"
    # Where `FILTER smtp:` finds the recipient's domain.
    values["default_filter_nexthop"] = f"[{sink.host}]:{sink.port}"
    return values


@pytest.fixture(scope="module")
def services():
    return without_chroot(postfix_services("# routing, master.cf")) + "lmtp unix - - n - - lmtp\n"


@pytest.fixture(scope="module")
def routed(folder, lockbox, listener):
    settings = [("rule", "prefer"), ("reinject", "%s:%d" % listener), ("route-secret", SECRET)]
    with Milter(folder, lockbox, settings, name="routed") as milter:
        yield milter


@pytest.fixture(scope="module")
def postfix(folder, sink, routed, tls, settings, services, listener):
    with Postfix(folder / "routing", sink, routed.socket, tls, settings, services, "may", listener) as postfix:
        yield postfix


def check_clean(delivery):
    """Neither the field nor its word is on the wire."""
    assert b"lockbox-route" not in delivery.wire.lower()
    assert SECRET.encode() not in delivery.wire


def way_of(postfix, sender):
    """The service that delivered the message: "smtp" or "smtp-tls"."""
    def look():
        return re.findall(r"postfix/([a-z-]+)\S*\[\d+\]: \S+: to=<.*status=sent", postfix.story_of(sender))
    return set(wait_for(look, lambda: f"a delivery in the log: {postfix.tail()}"))


@pytest.fixture(params=["smtp", "sendmail"])
def submit(request, postfix):
    """Submits a message over SMTP or with sendmail(1)."""
    def over_smtp(sender, recipients, octets):
        reply = postfix.submit(sender, recipients, octets)
        assert reply.code == 250, f"{reply}\n{postfix.tail()}"

    def with_sendmail(sender, recipients, octets):
        done = postfix.sendmail(sender, recipients, octets.replace(b"\r\n", b"\n"))
        assert done.returncode == 0, done.stderr
    return over_smtp if request.param == "smtp" else with_sendmail


def test_sealed(submit, postfix, sink, home, sender):
    message = messages.plain(ALICE, [BOB])
    submit(sender, [BOB], message.octets)
    delivery = sink.wait_for(sender, diagnosis=postfix.tail)
    home.decrypt(check_form(Delivered(delivery.content), message))
    check_clean(delivery)
    assert way_of(postfix, sender) == {"smtp"}


def test_in_clear(submit, postfix, sink, sender):
    message = messages.plain(ALICE, [DAVE])
    submit(sender, [DAVE], message.octets)
    delivery = sink.wait_for(sender, diagnosis=postfix.tail)
    assert Delivered(delivery.content).body == message.delivered_body
    check_clean(delivery)
    assert delivery.tls
    assert way_of(postfix, sender) == {"smtp-tls"}


def test_sealed_by_the_sender_counts_as_sealed(postfix, sink, home, sender):
    message = messages.openpgp_mime(ALICE, [BOB], home)
    assert postfix.submit(sender, [DAVE], message.octets).code == 250
    check_clean(sink.wait_for(sender, diagnosis=postfix.tail))
    assert way_of(postfix, sender) == {"smtp"}


def test_copies_of_their_own(submit, postfix, sink, home, sender):
    message = messages.plain(ALICE, [BOB, DAVE])
    submit(sender, [BOB, DAVE, CAROL], message.octets)
    def came():
        deliveries = {delivery.addresses()[0]: delivery for delivery in sink.from_sender(sender)}
        return deliveries if len(deliveries) == 3 else None
    deliveries = wait_for(came, postfix.tail)
    for recipient in (BOB, CAROL):
        check_nothing_leaks(deliveries[recipient].wire, message)
        home.decrypt(check_form(Delivered(deliveries[recipient].content), message))
    assert deliveries[DAVE].tls and Delivered(deliveries[DAVE].content).body == message.delivered_body
    for delivery in deliveries.values():
        check_clean(delivery)
    assert way_of(postfix, sender) == {"smtp", "smtp-tls"}


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("recipients", [[BOB], [DAVE], [BOB, DAVE]], ids=["sealed", "clear", "copies"])
def test_a_forged_field_is_gone_and_decides_nothing(postfix, sink, home, sender, recipients, count):
    """With the right word, and with the wrong claim."""
    message = messages.plain(ALICE, recipients)
    forged = b"".join(b"Lockbox-Route: %s sealed\r\nLOCKBOX-route:\r\n %s clear\r\n" % (SECRET.encode(), SECRET.encode())
                      for _ in range(count))
    assert postfix.submit(sender, recipients, forged + message.octets).code == 250
    deliveries = wait_for(lambda: len(sink.from_sender(sender)) == len(recipients) and sink.from_sender(sender), postfix.tail)
    for delivery in deliveries:
        check_clean(delivery)
        if delivery.addresses() == [BOB]:
            delivered = Delivered(delivery.content)
            payload = home.decrypt(check_form(delivered, message))
            check_payload(payload, message, delivered)
            assert b"lockbox-route" not in payload.lower()
    assert way_of(postfix, sender) == {{BOB: "smtp", DAVE: "smtp-tls"}[recipient] for recipient in recipients}


def test_a_bounce_leaves_too_and_does_not_tell_the_word(postfix, sink, sender):
    """Postfix's own mail passes Lockbox, and quotes the message as it was when it left."""
    sink.fault = lambda stage, line: "550 5.1.1 nobody of that name" if stage == "rcpt" and "nobody@" in line else None
    try:
        message = messages.plain(ALICE, ["nobody@remote.test"])
        assert postfix.submit(sender, ["nobody@remote.test"], message.octets).code == 250
        bounce = sink.wait_for("", diagnosis=postfix.tail)
        assert bounce.addresses() == [sender]
        assert b"nobody of that name" in bounce.wire and message.values("Message-ID")[0].strip() in bounce.wire
        check_clean(bounce)
    finally:
        sink.fault = None


def test_the_word_is_in_no_log_of_lockbox(routed, postfix, sink, sender):
    assert postfix.submit(sender, [BOB], messages.plain(ALICE, [BOB]).octets).code == 250
    sink.wait_for(sender, diagnosis=postfix.tail)
    assert SECRET not in routed.text()


def test_check_and_print_config_beside_a_running_milter(routed):
    """Neither is disturbed by the journal that it holds, and the word is not shown."""
    command = [routed.program, "--config", str(routed.config)]
    checked = subprocess.run([*command, "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    printed = subprocess.run([*command, "--print-config"], capture_output=True, text=True, check=True).stdout
    assert "# route-secret: set, and not shown" in printed and SECRET not in printed


# ── a main.cf and a message that would open the outer box ─────────────────────────────────────────────────────────────

# Name: main.cf's own level, what is in main.cf beside it, and a field of the message. Each lets a transport with
# smtp_tls_security_level=encrypt alone send in plaintext.
OPENERS = {
    "policy-none": ("may", {"smtp_tls_policy_maps": "static:none"}, b""),
    "policy-may": ("encrypt", {"smtp_tls_policy_maps": "static:may"}, b""),
    "policy-none-encrypt": ("encrypt", {"smtp_tls_policy_maps": "static:none"}, b""),
    "policy-none-secure": ("secure", {"smtp_tls_policy_maps": "static:none"}, b""),
    "site-none": ("may", {"smtp_tls_per_site": "static:NONE"}, b""),
    "site-none-secure": ("secure", {"smtp_tls_per_site": "static:NONE"}, b""),
    "field": ("may", {}, b"TLS-Required: no\r\n"),
    "field-encrypt": ("encrypt", {}, b"TLS-Required: No\r\n"),
    "field-secure": ("secure", {}, b"tls-required:NO\r\n"),
}


@pytest.fixture(scope="module", params=["auto", "reinject"])
def routed_alone(request, folder, lockbox):
    """As `routed`, with a listener that no other Postfix of this file has."""
    endpoint = free_endpoint()
    settings = [("rule", "prefer"), ("reinject", "%s:%d" % endpoint), ("route-secret", SECRET), ("delivery", request.param),
                ("journal", lockbox.folder / f"alone-{request.param}.db")]
    with Milter(folder, lockbox, settings, name=f"alone-{request.param}") as milter:
        milter.listener, milter.delivery = endpoint, request.param
        yield milter


def test_sealed_and_clear_leave_in_different_ways(folder, routed_alone, settings, services, sender):
    """The other side knows no TLS: what is sealed goes, what is clear waits."""
    with SmtpSink() as without_tls:
        settings = {**settings, "default_filter_nexthop": f"[{without_tls.host}]:{without_tls.port}"}
        with Postfix(folder / f"no-tls-{routed_alone.delivery}", without_tls, routed_alone.socket, None, settings, services, "may",
                     routed_alone.listener) as postfix:
            assert postfix.submit(sender, [DAVE], messages.plain(ALICE, [DAVE]).octets).code == 250
            assert postfix.submit(sender, [BOB], messages.plain(ALICE, [BOB]).octets).code == 250
            without_tls.wait_for(sender, diagnosis=postfix.tail)
            wait_for(lambda: "TLS is required" in str(postfix.queued(sender)), postfix.tail)
            assert [delivery.addresses() for delivery in without_tls.deliveries] == [[BOB]]


@pytest.fixture(scope="module")
def without_tls():
    """The other side knows no TLS."""
    with SmtpSink() as sink:
        yield sink


def waits_for_tls(postfix, sink, sender, message):
    """The copy in clear is in the queue, because of TLS, and nobody has been sent its text."""
    def waits():
        return [entry for entry in postfix.queued(sender) for recipient in entry["recipients"]
                if recipient["address"] == DAVE and "TLS is required" in recipient.get("delay_reason", "")]
    wait_for(waits, lambda: f"{DAVE} waits for TLS: {postfix.queued(sender)}\n{postfix.tail()}")
    assert message.marker.encode() not in sink.everything()


@pytest.mark.parametrize("opener", OPENERS)
def test_clear_mail_waits_for_tls_whatever_opens_the_outer_box(folder, without_tls, routed_alone, settings, services, sender,
                                                               opener):
    level, more, field = OPENERS[opener]
    if field and version_of_postfix() < (3, 10):
        pytest.skip("Postfix before 3.10 does not know TLS-Required: the field does nothing")
    settings = {**settings, **more, "default_filter_nexthop": f"[{without_tls.host}]:{without_tls.port}"}
    with Postfix(folder / f"{opener}-{routed_alone.delivery}", without_tls, routed_alone.socket, None, settings, services,
                 level, routed_alone.listener) as postfix:
        for recipients in ([DAVE], [BOB, DAVE]):
            message = messages.plain(ALICE, recipients)
            from_smtp, from_sendmail = f"smtp{len(recipients)}-{sender}", f"local{len(recipients)}-{sender}"
            assert postfix.submit(from_smtp, recipients, field + message.octets).code == 250
            assert postfix.sendmail(from_sendmail, recipients,
                                    (field + message.octets).replace(b"\r\n", b"\n")).returncode == 0
            waits_for_tls(postfix, without_tls, from_smtp, message)
            waits_for_tls(postfix, without_tls, from_sendmail, message)


def test_a_stricter_table_of_its_own_holds(folder, sink, routed, tls, settings, services, sender):
    """The page: a table on the transport, with nothing in it below `encrypt`. This one wants a certificate that the other
    side does not have; without it, the mail would leave."""
    stricter = services.replace("-o smtp_tls_policy_maps=\n", "-o smtp_tls_policy_maps=static:secure\n")
    assert stricter != services
    settings = {**settings, "smtp_tls_policy_maps": "static:none"}
    with Postfix(folder / "stricter", sink, routed.socket, tls, settings, stricter, "may") as postfix:
        message = messages.plain(ALICE, [DAVE])
        assert postfix.submit(sender, [DAVE], message.octets).code == 250
        postfix.wait_for_line(rf"smtp-tls/smtp\[\d+\]: \w+: to=<{DAVE}>.*status=deferred \(Server certificate not")
        assert message.marker.encode() not in sink.everything()


# ── without Lockbox ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def unguarded(folder, sink, lockbox, tls, settings, services):
    """Postfix set up as nobody should: without the milter, mail goes on. The milter has been killed."""
    endpoint = free_endpoint()
    services += "%s:%d inet n - n - - smtpd\n  -o receive_override_options=no_milters\n" % endpoint
    with Milter(folder, lockbox, [("rule", "require"), ("route-secret", SECRET)], name="killed") as milter:
        with Postfix(folder / "unguarded", sink, milter.socket, tls, {**settings, "milter_default_action": "accept"},
                     services, "may") as postfix:
            postfix.unfiltered = endpoint
            milter.kill()
            yield postfix


def stays(postfix, sink, sender, message):
    """In the queue, also when somebody flushes it; and what the administrator sees there."""
    def tried():
        return re.findall(rf"status=deferred.*{NOWHERE}", postfix.story_of(sender))
    wait_for(tried, postfix.tail)
    before = len(tried())
    postfix.flush()
    wait_for(lambda: len(tried()) > before, postfix.tail)

    def explained():
        """Postfix logs an attempt before the queue has its reason, and shows none while it tries again."""
        entries = postfix.queued(sender)
        return len(entries) == 1 and all(NOWHERE in recipient.get("delay_reason", "") for recipient in entries[0]["recipients"])
    wait_for(explained, lambda: str(postfix.queued(sender)) + postfix.tail())
    assert not sink.from_sender(sender)
    assert message.marker.encode() not in sink.everything()


FORGED = b"Lockbox-Route: %s sealed\r\nLockbox-Route: %s clear\r\n" % (SECRET.encode(), SECRET.encode())


@pytest.mark.parametrize("forged", [b"", FORGED], ids=["plain", "forged"])
def test_without_the_milter_nothing_leaves(unguarded, sink, sender, forged):
    """milter_default_action = accept, the milter is dead, and the sender knows the word."""
    message = messages.plain(ALICE, [BOB])
    assert unguarded.submit(sender, [BOB, DAVE], forged + message.octets).code == 250
    stays(unguarded, sink, sender, message)


@pytest.mark.parametrize("forged", [b"", FORGED], ids=["plain", "forged"])
def test_from_sendmail_neither(unguarded, sink, sender, forged):
    message = messages.plain(ALICE, [BOB])
    assert unguarded.sendmail(sender, [BOB], (forged + message.octets).replace(b"\r\n", b"\n")).returncode == 0
    stays(unguarded, sink, sender, message)


@pytest.mark.parametrize("forged", [b"", FORGED], ids=["plain", "forged"])
def test_past_the_milter_neither(unguarded, sink, sender, forged):
    """A service with no_milters."""
    message = messages.plain(ALICE, [BOB])
    with SmtpClient(*unguarded.unfiltered) as client:
        assert client.submit(sender, [BOB], forged + message.octets).code == 250
    stays(unguarded, sink, sender, message)


def test_what_is_stuck_can_be_given_to_lockbox_again(unguarded, postfix, sink, home, sender):
    """The page's command, postcat and sendmail; here the second one is that of a server that has the milter."""
    message = messages.plain(ALICE, [BOB])
    assert unguarded.submit(sender, [BOB], FORGED + message.octets).code == 250
    stays(unguarded, sink, sender, message)
    entry, = unguarded.queued(sender)
    assert postfix.sendmail(sender, [BOB], unguarded.postcat(entry["queue_id"])).returncode == 0
    delivery = sink.wait_for(sender, diagnosis=postfix.tail)
    check_clean(delivery)
    home.decrypt(check_form(Delivered(delivery.content), message))


# ── killed in the middle of it ────────────────────────────────────────────────────────────────────────────────────────

# Before which packet of the milter's it dies, as a question about its code and those of all packets before.
MOMENTS = {
    "first-field": lambda code, sent: code == CHANGE_FIELD,
    "first-piece": lambda code, sent: code == BODY_PIECE,
    "second-piece": lambda code, sent: code == BODY_PIECE and sent.count(code) == 1,
    "third-piece": lambda code, sent: code == BODY_PIECE and sent.count(code) == 2,
    "mark": lambda code, sent: code == ADD_FIELD and BODY_PIECE in sent,
    "removal-of-the-mark": lambda code, sent: code == CHANGE_FIELD and BODY_PIECE in sent,
    "go-on": lambda code, sent: code == CONTINUE and BODY_PIECE in sent,
    "discard": lambda code, sent: code == DISCARD,
    "never": lambda code, sent: False,
}


def long_text(recipients):
    """Several pieces of a body, each line marked."""
    message = messages.plain(ALICE, recipients)
    message.body = b"".join(b"%s line %d\r\n" % (message.marker.encode(), number) for number in range(10_000))
    return message


@pytest.fixture(scope="module", params=["auto", "in-place"])
def killable(request, folder, lockbox, sink, tls, settings, services):
    """As somebody sets it up who wants mail to go on whatever happens, with Lockbox's own listener as the page has it."""
    endpoint = free_endpoint()
    pairs = [("rule", "prefer"), ("reinject", "%s:%d" % endpoint), ("route-secret", SECRET), ("delivery", request.param),
             ("journal", lockbox.folder / f"killable-{request.param}.db")]
    with Milter(folder, lockbox, pairs, name=f"killable-{request.param}") as milter:
        with MilterProxy(milter.socket.with_name("proxy"), milter.socket) as proxy:
            at_proxy = f"unix:{milter.socket.with_name('proxy')}"
            careless = {**settings, "milter_default_action": "accept", "smtpd_milters": at_proxy, "non_smtpd_milters": at_proxy}
            with Postfix(folder / f"killable-{request.param}", sink, milter.socket, tls, careless, services, "may",
                         endpoint) as postfix:
                postfix.milter, postfix.proxy, postfix.delivery = milter, proxy, request.param
                yield postfix


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_milter_that_is_killed_lets_no_line_out_as_sealed(killable, sink, home, sender, moment):
    """milter_default_action = accept: the message goes on as far as it was edited. It has its route only when it is sealed."""
    sent = []

    def fault(code):
        hit = MOMENTS[moment](code, sent)
        sent.append(code)
        if hit:
            killable.milter.kill()
        return hit

    killable.proxy.fault = fault
    message = long_text([BOB])
    try:
        reply = killable.submit(sender, [BOB], message.octets)
        assert reply.code == 250, f"{reply}\n{killable.tail()}"
        killed = not killable.milter.running()
        # It has left, or it stays because it has no mark. Postfix cannot read a file to its end whose last edit did not
        # come to its end; by then it may have sent the beginning.
        wait_for(lambda: sink.from_sender(sender) or NOWHERE in killable.story_of(sender)
                 or "unreadable mail queue entry" in killable.story_of(sender), killable.tail)
    finally:
        killable.proxy.fault = None
        if not killable.milter.running():
            killable.milter.start()
    assert message.marker.encode() not in sink.everything()
    for delivery in sink.from_sender(sender):
        home.decrypt(check_form(Delivered(delivery.content), message))
        if moment != "removal-of-the-mark":
            check_clean(delivery)
    # The moment was one that this way of delivery has.
    in_place = BODY_PIECE in sent or CHANGE_FIELD in sent
    assert in_place == (killable.delivery == "in-place")
    assert killed == (moment != "never" and (moment == "discard") != in_place)
    assert moment != "never" or len(sink.from_sender(sender)) == 1 and way_of(killable, sender) == {"smtp"}
