"""Conversations in the milter protocol: scripts for miltertest(8), and what only a client of our own can say or see."""

import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading

import pytest

from conftest import BOB, CAROL, SANITIZERS, check_sanitizers
from support import messages, places
from support.background import Background
from support.held import Held, has_open
from support.milter import Lockbox, Milter
from support.milter_client import CONTINUE, REPLY, Hangup, MilterClient
from support.sealed import Delivered, check_form, check_nothing_leaks
from support.waiting import wait_for

FOLDER = pathlib.Path(__file__).resolve().parent
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.lua") if path.name != "conversation.lua")
SETTINGS = {
    "oversized.lua": [("message-size-max", "1000000"), ("rule", "require")],
    "inbound_tls.lua": [("inbound-tls", "require"), ("scope", "all"), ("rule", "require")],
}
REQUIRE = [("rule", "require")]


@pytest.fixture
def milter(milters):
    milter = milters.with_settings(*REQUIRE)
    yield milter
    assert milter.running(), milter.text()
    check_sanitizers(milter)


@pytest.mark.parametrize("script", SCRIPTS)
def test_script(milters, script):
    milter = milters.with_settings(*SETTINGS.get(script, REQUIRE))
    relay = milters.relay_to(milter)
    done = subprocess.run(["miltertest", "-D", f"socket=unix:{relay.path}", "-D", f"folder={FOLDER}", "-s",
                           str(FOLDER / script)], capture_output=True, check=False, timeout=300)
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode == 0, f"{said}\n{milter.text()}"
    assert milter.running(), milter.text()
    check_sanitizers(milter)


def fields_of(message):
    return [(name, value.replace(b"\r\n", b"\n")) for name, value in message.fields]


def sealed_message(result, message):
    """The message as the MTA would send it on."""
    assert result.verdict == CONTINUE and result.body is not None, (result.verdict, result.reply)
    head = b"".join(name + b":" + value.replace(b"\n", b"\r\n") + b"\r\n"
                    for name, value in result.final_values(fields_of(message)))
    octets = head + b"\r\n" + result.body
    check_nothing_leaks(octets, message)
    return check_form(Delivered(octets), message)


def cut(octets, sizes):
    """The bytes in pieces of these sizes, over and over."""
    pieces, at, number = [], 0, 0
    while at < len(octets):
        size = sizes[number % len(sizes)]
        pieces.append(octets[at:at + size])
        at, number = at + size, number + 1
    return pieces


@pytest.mark.parametrize("sizes", [[1], [2, 3, 5, 7, 11], [65535], [1, 65535], [79]], ids=str)
def test_the_cuts_do_not_show(milter, home, sizes):
    message = messages.attachment("alice@example.org", [BOB], 3000 if max(sizes) < 1000 else 300_000)
    with MilterClient(milter.socket) as client:
        client.begin()
        result = client.message("<alice@example.org>", [f"<{BOB}>"], fields_of(message), cut(message.body, sizes))
    payload = home.decrypt(sealed_message(result, message))
    assert payload.endswith(b"\r\n\r\n" + message.body)


@pytest.mark.parametrize("text", [b"", b"no line end", b"\r\n", b"ends in CR\r", b"\0\0\0", b"bare LF\nand bare CR\rinside\r\n",
                                  b"x" * 100_000, bytes(range(256)) * 3], ids=range(8))
def test_the_body_is_sealed_as_the_bytes_it_is(milter, home, text):
    """Only line ends become CRLF, which RFC 3156 §4 asks for; a message is never refused for its form."""
    message = messages.plain("alice@example.org", [BOB])
    message.body = text
    with MilterClient(milter.socket) as client:
        client.begin()
        result = client.message("<alice@example.org>", [f"<{BOB}>"], fields_of(message), cut(text, [65535]))
    payload = home.decrypt(sealed_message(result, message))
    _, _, body = payload.partition(b"\r\n\r\n")
    assert body.replace(b"\r\n", b"\n").replace(b"\r", b"\n") == text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


@pytest.mark.parametrize("stage", ["connect", "mail"])
def test_an_end_without_a_message_has_no_answer(milter, stage):
    """No MTA says that. libmilter passes over it; what matters is that no verdict comes that would be taken for the next
    message's."""
    with MilterClient(milter.socket) as client:
        client.begin()
        if stage == "mail":
            assert client.mail("<alice@example.org>")[0] == CONTINUE
        client.send(b"E")
        message = messages.plain("alice@example.org", [BOB])
        result = client.message("<alice@example.org>", [f"<{BOB}>"], fields_of(message), [message.body])
        assert result.verdict == CONTINUE and result.body, (result.verdict, result.reply)


def test_an_empty_message(milter):
    with MilterClient(milter.socket) as client:
        client.begin()
        client.mail("<alice@example.org>")
        client.rcpt(f"<{BOB}>")
        result = client.end()
        assert result.verdict == CONTINUE and result.body, (result.verdict, result.reply)
    test_the_next_message_is_sealed(milter)


def test_a_second_smtp_session_on_the_connection_is_put_off(milter):
    """SMFIC_QUIT_NC, which neither Postfix nor Sendmail sends: libmilter does not say then what was negotiated."""
    with MilterClient(milter.socket) as client:
        client.begin()
        message = messages.plain("alice@example.org", [BOB])
        sealed_message(client.message("<alice@example.org>", [f"<{BOB}>"], fields_of(message), [message.body]), message)
        client.send(b"K")
        verdict, reply = client.connect()
        assert verdict == REPLY and reply.startswith(b"451 4."), (verdict, reply)
    test_the_next_message_is_sealed(milter)


def test_a_field_longer_than_a_usual_packet(milter, home):
    """Sendmail's MilterMaxDataSize goes up to 1 MiB."""
    message = messages.plain("alice@example.org", [BOB])
    message.fields[2] = (b"Subject", b" " + b"subject " * 25_000)
    with MilterClient(milter.socket) as client:
        client.begin()
        result = client.message("<alice@example.org>", [f"<{BOB}>"], fields_of(message), [message.body])
    payload = home.decrypt(sealed_message(result, message))
    assert b"\r\nSubject: " + (b"subject " * 25_000).strip() in payload.replace(b"\r\n ", b" ")


@pytest.mark.parametrize("steps", [0x1FFFFF, 0], ids=["all that Postfix offers", "none"])
@pytest.mark.parametrize("notation, family, host", [("inet", socket.AF_INET, "127.0.0.1"), ("inet6", socket.AF_INET6, "::1")])
def test_tcp(milters, home, notation, family, host, steps):
    """Every step has its reply there but the header fields, and each field, where the MTA offers nothing."""
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        port = probe.getsockname()[1]
    milters.with_settings(("socket", f"{notation}:{port}@{host}"), *REQUIRE)
    message = messages.attachment("alice@example.org", [BOB], 100_000)
    with MilterClient((host, port)) as client:
        client.negotiate(steps=steps)
        assert client.steps == (steps & 0x100080)  # SMFIP_HDR_LEADSPC, SMFIP_NR_HDR
        assert client.connect()[0] == CONTINUE
        fields = [(name, value if steps else value.removeprefix(b" ")) for name, value in fields_of(message)]
        result = client.message("<alice@example.org>", [f"<{BOB}>"], fields, cut(message.body, [65535]))
        assert result.verdict == CONTINUE and result.body, (result.verdict, result.reply)
        armor = result.body[result.body.index(b"-----BEGIN"):]
        assert home.decrypt(armor).endswith(b"\r\n\r\n" + message.body)


def test_huge_header(milter, home):
    """Fields of the size that MTAs still let through, and very many of them."""
    message = messages.plain("alice@example.org", [BOB])
    message.fields[2] = (b"Subject", b" " + b"subject " * 7000)
    message.fields += [(b"References", b" " + b"\r\n\t".join(b"<%d@example.org>" % number for number in range(2000))),
                       (b"X-Wide", b" " + b"x" * 60000), (b"X-Empty", b"")]
    message.fields += [(b"X-Field-%d" % number, b" value") for number in range(600)]
    message.fields += [(b"Content-Number", b" %d" % number) for number in range(300)]
    with MilterClient(milter.socket) as client:
        client.begin()
        result = client.message("<alice@example.org>", [f"<{BOB}>"], fields_of(message), [message.body])
    armor = sealed_message(result, message)
    payload = home.decrypt(armor)
    assert b"\r\nSubject: " + (b"subject " * 7000).strip() in payload.replace(b"\r\n ", b" ")
    assert payload.endswith(b"\r\n\r\n" + message.body)


def test_more_fields_than_an_mta_edits_in_time(milter):
    """Postfix reads its queue file from the beginning for each: 8,000 took it up to 15 s."""
    message = messages.plain("alice@example.org", [BOB])
    message.fields += [(b"X-Field-%d" % number, b" value") for number in range(3000)]
    with MilterClient(milter.socket) as client:
        client.begin()
        result = client.message("<alice@example.org>", [f"<{BOB}>"], fields_of(message), [message.body])
    assert result.verdict == REPLY and result.reply.startswith("554 5.6.0 "), (result.verdict, result.reply)
    assert not result.edits


SECRET = "5c0ffee5c0ffee5c"


@pytest.mark.parametrize("foreign", [0, 1, 3])
@pytest.mark.parametrize("recipient, form", [(BOB, b"sealed"), ("eve@remote.test", b"clear")])
def test_what_goes_on_is_shown_to_the_routing(milters, recipient, form, foreign):
    """One field is added, then all of its name go, the last first; and all of that comes last, behind the body: a milter that
    ends earlier has not shown the message its way."""
    milter = milters.with_settings(("rule", "prefer"), ("route-secret", SECRET))
    message = messages.plain("alice@example.org", [recipient])
    forged = [(b"lockbox-route", b" %s sealed" % SECRET.encode())] * foreign
    with MilterClient(milter.socket) as client:
        client.begin()
        result = client.message("<alice@example.org>", [f"<{recipient}>"], fields_of(message) + forged, [message.body])
    assert result.verdict == CONTINUE
    shown = [("add", b"Lockbox-Route", b" %s %s" % (SECRET.encode(), form))]
    shown += [("change", index, b"Lockbox-Route", b"") for index in range(foreign + 1, 0, -1)]
    assert result.edits[-len(shown):] == shown
    assert (result.body is None) == (form == b"clear")
    assert SECRET not in milter.text()


def test_close_before_connect(milter):
    for _ in range(50):
        with MilterClient(milter.socket):
            pass
    with MilterClient(milter.socket) as client:
        client.negotiate()
    test_the_next_message_is_sealed(milter)


def test_the_next_message_is_sealed(milter):
    message = messages.plain("alice@example.org", [BOB])
    with MilterClient(milter.socket) as client:
        client.begin()
        result = client.message("<alice@example.org>", [f"<{BOB}>"], fields_of(message), [message.body])
        assert result.verdict == CONTINUE and result.body


def test_edits_are_one_burst(milter):
    """Postfix takes no other request between two pieces of a body, and header edits before them."""
    message = messages.attachment("alice@example.org", [BOB], 300_000)
    order = []
    with MilterClient(milter.socket) as client:
        client.begin()
        receive = client.receive

        def watched():
            command, data = receive()
            order.append(command)
            return command, data
        client.mail("<alice@example.org>"), client.rcpt(f"<{BOB}>"), client.data()
        for name, value in fields_of(message):
            client.header(name, value)
        client.end_of_header()
        for chunk in cut(message.body, [65535]):
            client.body(chunk)
        client.receive = watched
        client.end()
    kinds = b"".join(order)
    assert kinds.rstrip(b"c").lstrip(b"mhp").strip(b"b") == b"", kinds
    assert kinds.count(b"b") > 2


def test_garbage_on_the_socket(milter):
    """Whoever may open the socket may send anything: others are served all the same."""
    randomness = random.Random(20260105)
    for number in range(60):
        with MilterClient(milter.socket, timeout=5) as client:
            try:
                if number % 2:
                    client.begin()
                length = randomness.randrange(1, 400)
                octets = randomness.randbytes(length)
                if number % 3 == 0:
                    octets = (length + 1).to_bytes(4, "big") + randomness.choice(b"ABCDEHLMNOQRTU").to_bytes(1, "big") + octets
                elif number % 3 == 1:
                    octets = b"\xff\xff\xff\xff" + octets
                client.send_raw(octets)
                client.socket.shutdown(1)
                while client.receive():
                    pass
            except (Hangup, OSError):
                pass
    test_the_next_message_is_sealed(milter)


def test_many_connections_at_once(milter, home):
    """Each message is sealed as itself, however the threads take turns."""
    problems = []

    def one(number):
        try:
            recipient = BOB if number % 2 else CAROL
            with MilterClient(milter.socket) as client:
                client.begin()
                for _ in range(4):
                    message = messages.plain("alice@example.org", [recipient])
                    result = client.message("<alice@example.org>", [f"<{recipient}>"], fields_of(message),
                                            cut(message.body, [17]))
                    armor = sealed_message(result, message)
                    assert home.decrypt(armor).endswith(message.body)
        except Exception as error:  # noqa: BLE001: whatever it was, the main thread reports it
            problems.append(repr(error))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not problems


def own_milter(folder, lockbox, bin_dir, name, *settings):
    return Milter(folder, lockbox, [*REQUIRE, *settings], bin_dir, name, {**os.environ, **SANITIZERS})


def wait_until_it_stands(milter, lockbox):
    """At the end of a message, for a keyring that somebody else holds."""
    wait_for(lambda: has_open(milter.pid, lockbox.path), "the milter has asked for the keyring")


@pytest.fixture
def own_lockbox(home, bin_dir):
    """A keyring that no other milter has open."""
    with places.Folder() as folder:
        lockbox = Lockbox(folder, bin_dir=bin_dir)
        lockbox.import_from(home, BOB)
        yield lockbox


def test_a_stop_finishes_what_has_come_whole_and_hangs_up_on_the_rest(folder, own_lockbox, bin_dir, home):
    milter = own_milter(folder, own_lockbox, bin_dir, "stopping")
    milter.start()
    message = messages.plain("alice@example.org", [BOB])
    with MilterClient(milter.socket) as client, MilterClient(milter.socket) as idle, MilterClient(milter.socket) as behind_mail:
        for each in client, idle, behind_mail:
            each.begin()
        assert behind_mail.mail("<alice@example.org>")[0] == CONTINUE
        with Held(own_lockbox.path):
            results = []
            thread = threading.Thread(target=lambda: results.append(client.message(
                "<alice@example.org>", [f"<{BOB}>"], fields_of(message), [message.body])))
            thread.start()
            wait_until_it_stands(milter, own_lockbox)
            milter.terminate()
            milter.wait_for_line("stop: finishing")
            assert idle.mail("<alice@example.org>")[0] == REPLY, "new messages are put off"
        thread.join(60)
        assert home.decrypt(sealed_message(results[0], message)).endswith(message.body)
        assert milter.ended() == 0, milter.text()
        assert behind_mail.socket.recv(1) == b"", "the rest was hung up on"
    check_sanitizers(milter)


def send_up_to_the_end(client, message):
    client.begin()
    assert client.mail("<alice@example.org>")[0] == CONTINUE
    client.rcpt(f"<{BOB}>")
    for name, value in fields_of(message):
        client.header(name, value)
    client.body(message.body)


def test_an_mta_that_does_not_wait_gets_no_late_answer(folder, own_lockbox, bin_dir):
    """Postfix's smtpd goes on with the connection when its cleanup has died: an answer to the first message would be taken for
    that to the next MAIL, and the next message would go on unsealed."""
    milter = own_milter(folder, own_lockbox, bin_dir, "late")
    with milter:
        message = messages.plain("alice@example.org", [BOB])
        with MilterClient(milter.socket) as client:
            send_up_to_the_end(client, message)
            with Held(own_lockbox.path):
                client.send(b"E")
                wait_until_it_stands(milter, own_lockbox)
                client.abort()
                client.send(b"M", b"<alice@example.org>\0")
            with pytest.raises(Hangup):
                client.receive()
        milter.wait_for_line("the MTA has left before the message could be given back")
        test_the_next_message_is_sealed(milter)
    check_sanitizers(milter)


def test_where_nobody_knows_whether_the_mta_waits_there_is_no_late_answer(folder, own_lockbox, bin_dir):
    """A connection that says nothing could be that of any other: which descriptor is whose cannot be told."""
    milter = own_milter(folder, own_lockbox, bin_dir, "unknown")
    with milter, socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(milter.socket))
        message = messages.plain("alice@example.org", [BOB])
        with MilterClient(milter.socket) as client:
            send_up_to_the_end(client, message)
            with Held(own_lockbox.path):
                client.send(b"E")
                milter.wait_for_line(": deferred, ")  # after the five seconds that a keyring is waited for
                client.abort()
                client.send(b"M", b"<alice@example.org>\0")
            verdict, _ = client.receive()
            assert verdict == CONTINUE, "the answer to MAIL, and no other"
            client.socket.settimeout(1)
            with pytest.raises(TimeoutError):
                client.socket.recv(1)
            client.socket.settimeout(60)
            client.abort()
            sealed_message(client.message("<alice@example.org>", [f"<{BOB}>"], fields_of(message), [message.body]), message)
    check_sanitizers(milter)


def test_signals_do_not_reach_libmilter(folder, lockbox, bin_dir, home):
    """SIGHUP is nothing here, SIGUSR1 reads the configuration again, however many come."""
    milter = own_milter(folder, lockbox, bin_dir, "signals")
    with milter:
        def send_signals():
            for number in range(500):
                milter.signal(signal.SIGUSR1 if number % 50 == 49 else signal.SIGHUP)
        thread = threading.Thread(target=send_signals)
        thread.start()
        with MilterClient(milter.socket) as client:
            client.begin()
            while thread.is_alive():
                message = messages.plain("alice@example.org", [BOB])
                sealed_message(client.message("<alice@example.org>", [f"<{BOB}>"], fields_of(message), [message.body]), message)
        thread.join()
        milter.wait_for_line("reload: done")
        test_the_next_message_is_sealed(milter)
    check_sanitizers(milter)


def test_of_several_starts_at_once_one_listens(folder, lockbox, bin_dir):
    """And goes on listening: no other takes its socket away."""
    for number in range(5):
        milter = own_milter(folder, lockbox, bin_dir, f"starts{number}")
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(str(milter.socket))
        shutil.chown(milter.socket, "nobody")
        rivals = [Background([milter.program, "--config", milter.config, "--foreground"],
                             environment={**os.environ, **SANITIZERS}) for _ in range(4)]
        wait_for(lambda rivals=rivals: sum(rival.running() for rival in rivals) == 1, "all but one have given up", 60)
        winner, = (rival for rival in rivals if rival.running())
        winner.wait_for_line(" start: listening", 60)
        for rival in rivals:
            if rival is not winner:
                assert rival.ended() == 69 and f"cannot listen on {milter.socket}" in rival.text(), rival.text()
        with MilterClient(milter.socket) as client:
            client.begin()
        assert winner.stop() == 0, winner.text()


STRANGER = """
import socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    connection.sendall(bytes.fromhex("0000000d4f00000006000001ff001fffff"))
    try:
        sys.stdout.write(connection.recv(100).hex() or "hung up")
    except ConnectionResetError:
        sys.stdout.write("hung up")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize("user, answer", [("games", "hung up"), ("postfix", "0000"), ("root", "0000"), ("nobody", "0000")])
def test_who_connects(folder, lockbox, bin_dir, user, answer):
    """The group of the socket may have other members than the mail server: what they say is not heard."""
    milter = own_milter(folder, lockbox, bin_dir, f"strangers-{user}", ("socket-mode", "0666"))
    milter.socket.parent.chmod(0o755)
    with milter:
        with MilterClient(milter.socket) as before:
            before.begin()
            said = subprocess.run([sys.executable, "-c", STRANGER, str(milter.socket)], user=user, group="nogroup",
                                  extra_groups=[], capture_output=True, check=True, cwd="/").stdout.decode()
            assert said.startswith(answer), (said, milter.text())
            assert before.mail("<alice@example.org>")[0] == CONTINUE, "others are served all the same"
        refused = milter.lines("refused: no mail server's user connects to the milter")
        assert len(refused) == (1 if answer == "hung up" else 0), milter.text()
        assert not refused or f"uid={pwd.getpwnam(user).pw_uid}" in refused[0], refused
    check_sanitizers(milter)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_root_makes_nothing_for_the_user(folder, lockbox, bin_dir):
    """The socket is made by the milter's user: root's rights in the directory do not count, and root follows no link of
    that user's."""
    milter = own_milter(folder, lockbox, bin_dir, "socket-owner")
    with milter:
        status = milter.socket.stat()
        assert status.st_uid == pwd.getpwnam("nobody").pw_uid and stat.S_IMODE(status.st_mode) == 0o660, status
    shutil.chown(milter.socket.parent, "root")
    for arguments in ["--foreground"], ["--check"]:
        done = subprocess.run([milter.program, "--config", str(milter.config), *arguments], capture_output=True, check=False,
                              timeout=60)
        assert done.returncode == 69 and b"cannot be written to" in done.stderr, done


def test_a_port_that_is_taken(folder, lockbox, bin_dir):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        milter = own_milter(folder, lockbox, bin_dir, "port", ("socket", f"inet:{port}@127.0.0.1"))
        done = subprocess.run([milter.program, "--config", str(milter.config), "--foreground"], capture_output=True, check=False,
                              timeout=60)
    assert done.returncode == 69 and f"cannot listen on {port}@127.0.0.1: Address already in use" in done.stderr.decode(), done


def test_an_overdue_list_of_revoked_certificates_is_logged_once(milters, folder):
    """When it is read, with what it lacks, and not at each message."""
    crl = folder / "stale.crl"  # the milter's user may not read what is below root's home
    shutil.copyfile(places.SOURCE / "tests" / "data" / "smime" / "stale.crl", crl)
    crl.chmod(0o644)
    milter = milters.with_settings(*REQUIRE, ("smime-crl", crl))
    # `openssl crl -nextupdate` prints Apr  1 00:00:00 2026 GMT.
    said = f"smime-crl: overdue, and still holds, file={crl}, issuer=\"CN=Example Issuing CA,O=Example\", due=2026-04-01"
    milter.wait_for_line(said)
    message = messages.plain("alice@example.org", [BOB])
    for _ in range(2):
        with MilterClient(milter.socket) as client:
            client.begin()
            sealed_message(client.message("<alice@example.org>", [f"<{BOB}>"], fields_of(message), [message.body]), message)
    assert len(milter.lines("smime-crl: ")) == 1, milter.text()
