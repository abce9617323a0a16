"""When something breaks: nothing leaves in clear, nothing is lost, nothing is sent twice."""

import os
import re
import resource
import shutil
import sqlite3
import subprocess
import threading

import pytest

from conftest import ALICE, BOB, CAROL, REQUIRE
from support import messages
from support.held import Held, has_open
from support.milter import Lockbox, Milter
from support.places import Folder
from support.sealed import Delivered, check_form, check_nothing_leaks
from support.smtp_client import Disconnected, dotted
from support.waiting import wait_for


class World:
    """One Postfix for the module; a keyring and a milter for each test, at the socket that Postfix knows."""

    def __init__(self, postfix, sink, milter, lockbox):
        self.postfix, self.sink, self.milter, self.lockbox = postfix, sink, milter, lockbox

    def nothing_left(self, sender, message):
        """Nobody got the message, in any form."""
        assert not self.sink.from_sender(sender)
        assert message.marker.encode() not in self.sink.everything()

    def nothing_kept(self, sender, message):
        """Nor is it in the queue: it is the client that still has it."""
        self.nothing_left(sender, message)
        assert not self.postfix.queued(sender), self.postfix.queued(sender)

    def delivered_once(self, sender, message, home):
        delivery = self.sink.wait_for(sender, diagnosis=lambda: self.postfix.story_of(sender) + "\n" + self.milter.text())
        check_nothing_leaks(delivery.wire, message)
        payload = home.decrypt(check_form(Delivered(delivery.content), message))
        assert payload.endswith(b"\r\n\r\n" + message.delivered_body)
        wait_for(lambda: not self.postfix.queued(sender), "the queue is done with the message")
        assert len(self.sink.from_sender(sender)) == 1
        assert message.marker.encode() not in self.sink.everything()

    def works(self, sender, message, home):
        """The client's next try."""
        reply = self.postfix.submit(sender, [BOB], message.octets)
        assert reply.code == 250, f"{reply}\n{self.milter.text()}"
        self.delivered_once(sender, message, home)


@pytest.fixture(scope="module")
def postfix(folder, sink, tls, socket_folder):
    from support.postfix import Postfix
    # A milter that does not answer is given up after seconds, so that the tests of that need no minutes.
    settings = {"milter_connect_timeout": "10s", "milter_command_timeout": "6s", "milter_content_timeout": "30s"}
    with Postfix(folder / "postfix", sink, socket_folder / "socket", tls, settings) as postfix:
        yield postfix


@pytest.fixture(scope="module")
def socket_folder(folder):
    from support.milter import GROUP, USER
    return folder.make_for_socket(USER, GROUP)


@pytest.fixture
def own():
    """A folder for one test."""
    with Folder() as folder:
        yield folder


@pytest.fixture
def world(own, postfix, sink, home, socket_folder):
    lockbox = Lockbox(own)
    lockbox.import_from(home, BOB, CAROL)
    milter = Milter(own, lockbox, [("socket", f"unix:{socket_folder / 'socket'}"), *REQUIRE])
    milter.socket = socket_folder / "socket"
    with milter:
        yield World(postfix, sink, milter, lockbox)


@pytest.fixture
def message():
    return messages.plain(ALICE, [BOB])


def is_tempfail(reply):
    return 400 <= reply.code < 500


# ── the milter dies ───────────────────────────────────────────────────────────────────────────────────────────────────


STAGES = ["connect", "mail", "rcpt", "data", "header", "body"]


@pytest.mark.parametrize("stage", STAGES)
def test_milter_killed(world, home, sender, message, stage):
    """At each stage of a conversation: the rest of it ends in a 4xx."""
    head, _, body = message.octets.partition(b"\r\n\r\n")
    with world.postfix.client() as client:
        def at(name):
            if stage == name:
                world.milter.kill()

        at("connect")
        replies = [client.command(f"MAIL FROM:<{sender}>")]
        at("mail")
        if replies[-1].code == 250:
            replies.append(client.command(f"RCPT TO:<{BOB}>"))
        at("rcpt")
        if replies[-1].code == 250:
            replies.append(client.command("DATA"))
        at("data")
        if replies[-1].code == 354:
            client.send(head + b"\r\n")
            at("header")
            client.send(b"\r\n" + body[:60])
            at("body")
            client.send(body[60:] + b".\r\n")
            replies.append(client.reply())
        assert is_tempfail(replies[-1]), replies
    world.nothing_kept(sender, message)
    world.milter.start()
    world.works(sender, message, home)


def test_milter_killed_at_the_end_of_the_message(world, home, sender, message):
    """While it looks the recipients up: it has the whole message by then."""
    with Held(world.lockbox.path), world.postfix.client() as client:
        assert client.command(f"MAIL FROM:<{sender}>").code == 250
        assert client.command(f"RCPT TO:<{BOB}>").code == 250
        assert client.command("DATA").code == 354
        client.send(dotted(message.octets) + b".\r\n")
        wait_until_it_waits(world, message)
        world.milter.kill()
        assert is_tempfail(client.reply())
    world.nothing_kept(sender, message)
    world.milter.start()
    world.works(sender, message, home)


def wait_until_it_waits(world, message):
    """Until the milter has opened the locked keyring for the message that it was given."""
    def waiting():
        # The message is in Postfix's incoming queue by then, and the milter has the database open.
        queue = world.postfix.base / "queue" / "incoming"
        spooled = any(message.marker.encode() in path.read_bytes() for path in queue.rglob("*") if path.is_file())
        return spooled and has_open(world.milter.pid, world.lockbox.path)
    wait_for(waiting, "the milter stands at the locked keyring", 4)


def test_milter_killed_while_it_seals_a_large_message(world, home, sender):
    """In the middle of the work, or of the answer: Postfix throws a half-edited message away."""
    message = messages.attachment(ALICE, [BOB], 20_000_000)
    with world.postfix.client() as client:
        assert client.command(f"MAIL FROM:<{sender}>").code == 250
        assert client.command(f"RCPT TO:<{BOB}>").code == 250
        assert client.command("DATA").code == 354
        client.send(dotted(message.octets) + b".\r\n")
        # It has read the body when its memory has grown by it.
        wait_for(lambda: resident_octets(world.milter.pid) > 25_000_000, "the milter has most of the message", 60)
        world.milter.kill()
        reply = client.reply()
    assert is_tempfail(reply), reply
    world.nothing_kept(sender, message)
    world.milter.start()
    world.works(sender, message, home)


def resident_octets(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def test_without_a_milter(world, home, sender, message):
    """SMTP clients are told to come back; what sendmail(1) was given waits, and is sealed later, once."""
    world.milter.stop()
    reply = world.postfix.submit(sender, [BOB], message.octets)
    assert is_tempfail(reply), reply
    world.nothing_kept(sender, message)

    local = messages.plain(ALICE, [BOB])
    assert world.postfix.sendmail(f"local-{sender}", [BOB], local.local()).returncode == 0
    world.postfix.wait_for_line(rf"cleanup.*milter-reject.*from=<local-{re.escape(sender)}>")
    world.nothing_left(f"local-{sender}", local)
    world.milter.start()
    wait_for(lambda: world.postfix.wake_pickup() or world.sink.from_sender(f"local-{sender}"),
             lambda: "the waiting message is sent\n" + world.postfix.tail(), 120)
    world.delivered_once(f"local-{sender}", local, home)
    assert not world.postfix.in_maildrop()


def test_killed_again_and_again(world, home):
    """Messages from several clients while the milter dies and comes back: each arrives sealed exactly once."""
    total = 24
    done = threading.Event()
    failures = []

    def client(number):
        sender, message = f"again+{number}@example.org", messages.plain(ALICE, [BOB])
        for _ in range(200):
            try:
                reply = world.postfix.submit(sender, [BOB], message.octets)
            except (OSError, Disconnected):
                continue
            if reply.code == 250:
                return sender, message
            if not is_tempfail(reply):
                failures.append(reply)
                return None
            done.wait(0.05)  # a client that comes back at once only makes the log longer
        failures.append(f"{sender} never got through")
        return None

    results = []
    threads = [threading.Thread(target=lambda number=number: results.append(client(number))) for number in range(total)]
    for number, thread in enumerate(threads):
        thread.start()
        if number % 6 == 5:
            world.milter.kill()
            world.milter.start()
    for thread in threads:
        thread.join(120)
    assert not failures, f"{failures}\n{world.milter.text()}\n{world.postfix.tail(100)}"
    for sender, message in results:
        world.delivered_once(sender, message, home)


def test_a_stop_hangs_up_on_what_has_not_come_whole(world, home, sender, message):
    """SIGTERM in the middle of a message whose client waits: it ends at once, and nothing of the message is kept."""
    with world.postfix.client() as client:
        assert client.command(f"MAIL FROM:<{sender}>").code == 250
        assert client.command(f"RCPT TO:<{BOB}>").code == 250
        assert client.command("DATA").code == 354
        client.send(message.octets[:200])
        world.milter.terminate()
        assert world.milter.ended() == 0
        client.send(message.octets[200:] + b".\r\n")
        reply = client.reply()
    assert is_tempfail(reply), reply
    world.nothing_kept(sender, message)
    world.milter.start()
    world.works(sender, message, home)


def test_a_stop_finishes_what_has_come_whole(world, home, sender, message):
    """SIGTERM while the verdict is on its way: the client gets its 250, and the message is sealed."""
    with world.postfix.client() as client:
        assert client.command(f"MAIL FROM:<{sender}>").code == 250
        assert client.command(f"RCPT TO:<{BOB}>").code == 250
        assert client.command("DATA").code == 354
        with Held(world.lockbox.path):
            client.send(message.octets + b".\r\n")
            wait_for(lambda: has_open(world.milter.pid, world.lockbox.path), "the milter asks for the keyring")
            world.milter.terminate()
            world.milter.wait_for_line("stop: finishing")
        assert client.reply().code == 250
    assert world.milter.ended() == 0
    world.delivered_once(sender, message, home)
    world.milter.start()


# ── the keyring ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_keyring_locked(world, home, sender, message):
    with Held(world.lockbox.path):
        reply = world.postfix.submit(sender, [BOB], message.octets)
        assert is_tempfail(reply), reply
        world.nothing_kept(sender, message)
    world.works(sender, message, home)


def remove_keyring(world):
    for path in world.lockbox.folder.iterdir():
        path.unlink()


@pytest.mark.parametrize("wrong", ["removed", "garbage", "empty file", "truncated", "newer schema", "not readable",
                                   "folder gone", "another database"])
def test_keyring_broken_while_running(world, home, sender, message, wrong):
    """The first message after the accident is put off already, as are those after it."""
    folder, path = world.lockbox.folder, world.lockbox.path
    before = messages.plain(ALICE, [BOB])
    world.works(f"before-{sender}", before, home)  # the keyring is open by now, and its pages are cached
    checkpoint(path)
    backup = folder.parent / "backup"
    shutil.copytree(folder, backup)
    if wrong == "newer schema":
        raise_schema_version(path)
    else:
        content = path.read_bytes()
        remove_keyring(world)
        if wrong == "garbage":
            path.write_bytes(os.urandom(len(content)))
        elif wrong == "empty file":
            path.touch()
        elif wrong == "truncated":
            path.write_bytes(content[:len(content) // 2])
        elif wrong == "not readable":
            path.write_bytes(content)
            path.chmod(0o000)
        elif wrong == "another database":
            connection = sqlite3.connect(path)
            connection.execute("CREATE TABLE something (other)")
            connection.commit()
            connection.close()
        elif wrong == "folder gone":
            folder.rmdir()
        if path.exists():
            shutil.chown(path, world.lockbox.user)
    for attempt in range(3):
        reply = world.postfix.submit(f"{attempt}-{sender}", [BOB], message.octets)
        assert is_tempfail(reply), (wrong, attempt, reply, world.milter.text())
        world.nothing_kept(f"{attempt}-{sender}", message)
    assert world.milter.running()

    # Repaired, and without a restart.
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(backup, folder)
    for owned in (folder, *folder.iterdir()):
        shutil.chown(owned, world.lockbox.user)
    world.works(sender, message, home)


def checkpoint(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def raise_schema_version(path):
    """As a later Lockbox would leave it behind."""
    connection = sqlite3.connect(path, timeout=30)
    changed = connection.execute("UPDATE lockbox_keyring SET schema_version = schema_version + 100").rowcount
    assert changed == 1
    connection.commit()
    connection.close()


def test_empty_keyring_is_a_fault(world, home, sender, message):
    """A keyring without any certificate is more likely the wrong one: nobody wants to seal to nobody."""
    listed = world.lockbox.run("list", "--json")
    for fingerprint in set(re.findall(rb"\b[0-9A-Fa-f]{40}\b", listed)):
        world.lockbox.run("remove", "--forget", "--yes", fingerprint.decode(), status=None)
    world.milter.configure([("socket", f"unix:{world.milter.socket}"), ("rule", "prefer")])
    world.milter.reload()
    world.milter.wait_for_line("reload: done")
    reply = world.postfix.submit(sender, [BOB], message.octets)
    assert is_tempfail(reply), reply
    world.nothing_kept(sender, message)
    world.lockbox.import_from(home, BOB)
    world.works(sender, message, home)


def test_imports_while_the_milter_seals(world, home):
    """Two processes that import, and a milter that seals: nothing is lost, nobody waits for long."""
    count = 12
    addresses = [f"new{number}@remote.test" for number in range(count)]
    files = []
    for number, address in enumerate(addresses):
        home.generate(f"New {number} <{address}>")
        path = world.lockbox.folder.parent / f"new{number}.asc"
        path.write_bytes(home.export(address))
        files.append(path)
    importing = [world.lockbox.start("import", *files[half::2]) for half in (0, 1)]
    sent = []
    while any(process.poll() is None for process in importing) or len(sent) < 10:
        sender, message = f"busy+{len(sent)}@example.org", messages.plain(ALICE, [BOB])
        reply = world.postfix.submit(sender, [BOB], message.octets)
        assert reply.code == 250, f"{reply}\n{world.milter.text()}"
        sent.append((sender, message))
    for process in importing:
        output, said = process.communicate()
        assert process.returncode == 0, said
        assert output.count(b"new ") >= count // 2 or said.count(b"new ") >= count // 2
    for sender, message in sent:
        world.delivered_once(sender, message, home)
    listed = world.lockbox.run("list").decode()
    for address in [BOB, CAROL, *addresses]:
        assert address in listed
    slowest = max(float(re.search(r"ms=([0-9.]+)", line).group(1)) for line in world.milter.lines(": sealed, "))
    assert slowest < 5000, f"a message waited {slowest} ms"


# ── the machine ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_disk_full_below_the_keyring(own, postfix, sink, home, sender, message, socket_folder):
    if not own.mount_tmpfs("keyring", 512 * 1024):
        pytest.skip("this machine allows no tmpfs to be mounted: the full disk was NOT tested")
    lockbox = Lockbox(own)
    lockbox.import_from(home, BOB)
    checkpoint(lockbox.path)
    milter = Milter(own, lockbox, [("socket", f"unix:{socket_folder / 'socket'}"), *REQUIRE])
    milter.socket = socket_folder / "socket"
    with milter:
        world = World(postfix, sink, milter, lockbox)
        filler = lockbox.folder / "filler"
        with open(filler, "wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(b"x" * 4096)
        # Reading needs no room, or it needs some and fails: both are right, sending in clear is not.
        reply = postfix.submit(sender, [BOB], message.octets)
        assert reply.code == 250 or is_tempfail(reply), reply
        if reply.code == 250:
            world.delivered_once(sender, message, home)
        else:
            world.nothing_kept(sender, message)

        home.generate("Late <late@remote.test>", "rsa4096")
        process = lockbox.start("import", "-")
        _, said = process.communicate(home.export("late@remote.test"), 60)
        assert process.returncode in (74, 75, 69), (process.returncode, said)
        assert b"error:" in said
        filler.unlink()
        # Nothing was damaged by the attempt, and the same import works now.
        lockbox.import_from(home, "late@remote.test")
        again = messages.plain(ALICE, ["late@remote.test"])
        assert postfix.submit(f"again-{sender}", ["late@remote.test"], again.octets).code == 250
        world.delivered_once(f"again-{sender}", again, home)


def test_memory_refused(world, home, sender):
    """Address space for a small message and not for a large one."""
    world.works(f"before-{sender}", messages.plain(ALICE, [BOB]), home)
    with open(f"/proc/{world.milter.pid}/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    world.milter.stop()
    world.milter.start("prlimit", f"--as={used + 100_000_000}")
    world.works(f"limited-{sender}", messages.plain(ALICE, [BOB]), home)
    message = messages.attachment(ALICE, [BOB], 60_000_000)
    reply = world.postfix.submit(sender, [BOB], message.octets)
    assert is_tempfail(reply), reply
    world.nothing_kept(sender, message)
    if world.milter.running():
        world.works(f"after-{sender}", messages.plain(ALICE, [BOB]), home)
        world.milter.stop()
    world.milter.start()
    world.works(sender, message, home)


def test_no_more_descriptors(world, home):
    """Connections and files fail to open, now this one and now that."""
    idle = len(os.listdir(f"/proc/{world.milter.pid}/fd"))
    world.milter.stop()
    accepted = []
    for more in range(0, 4):
        try:
            world.milter.start("prlimit", f"--nofile={idle + more}")
        except AssertionError as error:
            assert "error:" in str(error), "it did not say why it cannot start"
            continue
        for attempt in range(2):
            sender, message = f"descriptors+{more}+{attempt}@example.org", messages.plain(ALICE, [BOB])
            reply = world.postfix.submit(sender, [BOB], message.octets)
            if reply.code == 250:
                accepted.append((sender, message))
            else:
                assert is_tempfail(reply), reply
                world.nothing_kept(sender, message)
        if world.milter.running():
            world.milter.kill()
    world.milter.start()
    for sender, message in accepted:
        world.delivered_once(sender, message, home)
    world.works("descriptors@example.org", messages.plain(ALICE, [BOB]), home)


# ── the client and the mail server ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "header", "body", "end"])
def test_client_hangs_up(world, home, sender, message, stage):
    """Nothing of the half message is sent, and nothing of it gets into the next one."""
    head, _, body = message.octets.partition(b"\r\n\r\n")
    with world.postfix.client() as client:
        client.command(f"MAIL FROM:<{sender}>")
        if stage != "mail":
            client.command(f"RCPT TO:<{BOB}>")
        if stage in ("data", "header", "body", "end"):
            client.command("DATA")
        if stage in ("header", "body", "end"):
            client.send(head[:100])
        if stage in ("body", "end"):
            client.send(head[100:] + b"\r\n\r\n" + body[:50])
        if stage == "end":
            client.send(body[50:] + b".\r\n")
    next_sender, next_message = f"next-{sender}", messages.plain(ALICE, [BOB])
    world.works(next_sender, next_message, home)
    if stage == "end":
        # The final dot was sent: whether Postfix took the message is Postfix's to say, sealed it is in any case.
        wait_for(lambda: not world.postfix.queue(), "the queue is empty")
        assert message.marker.encode() not in world.sink.everything()
    else:
        world.nothing_kept(sender, message)


def test_rset_forgets_the_message(world, home, sender, message):
    other = messages.plain(ALICE, [BOB])
    with world.postfix.client() as client:
        client.command(f"MAIL FROM:<reset-{sender}>")
        client.command(f"RCPT TO:<{CAROL}>")
        assert client.command("RSET").code == 250
        assert client.submit(sender, [BOB], message.octets).code == 250
        assert client.submit(f"second-{sender}", [BOB], other.octets).code == 250
    world.delivered_once(sender, message, home)
    world.delivered_once(f"second-{sender}", other, home)
    assert world.sink.from_sender(sender)[0].addresses() == [BOB]


def test_the_next_hop_is_away(world, home, sender, message):
    """The message waits in the queue sealed, and is sent once."""
    world.sink.fault = lambda stage, line: "451 4.3.0 not now" if stage == "mail" else None
    try:
        reply = world.postfix.submit(sender, [BOB], message.octets)
        assert reply.code == 250, reply
        queue_id = re.search(r"queued as (\w+)", str(reply)).group(1)
        # The log tells, not the queue: Postfix tries again every second, and the message is in the active queue then.
        world.postfix.wait_for_line(rf"{queue_id}: .*status=deferred")
        kept = subprocess.run(["postcat", "-c", str(world.postfix.etc), "-q", queue_id], capture_output=True, check=True)
        assert b"BEGIN PGP MESSAGE" in kept.stdout and message.marker.encode() not in kept.stdout
    finally:
        world.sink.fault = None
    world.postfix.flush()
    world.delivered_once(sender, message, home)


def test_sendmail_without_a_milter(own, sink, home, world, sender, message):
    """F=T: Sendmail tempfails, and its submission queue keeps what was sent locally."""
    from support.sendmail import Sendmail
    with Sendmail(own / "sendmail", sink, world.milter.socket) as server:
        world.milter.kill()
        reply = server.submit(sender, [BOB], message.octets)
        assert is_tempfail(reply), reply
        local = messages.plain(ALICE, [BOB])
        assert server.sendmail(f"local-{sender}", [BOB], local.local()).returncode == 0
        wait_for(lambda: local.marker.encode() in server.queue_text(), "the local message waits in the queue")
        world.nothing_left(sender, message)
        world.nothing_left(f"local-{sender}", local)
        world.milter.start()
        assert server.submit(sender, [BOB], message.octets).code == 250
        world.delivered_once(sender, message, home)
        wait_for(lambda: server.flush() or sink.from_sender(f"local-{sender}"), server.tail, 60)
        world.delivered_once(f"local-{sender}", local, home)
        wait_for(lambda: not server.queue(), "Sendmail's queues are empty")
