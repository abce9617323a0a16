"""When something breaks on the way back to the MTA: every recipient gets one readable copy in the end, or a refusal that names
them; nobody gets two; nothing readable goes to whom is sealed to, and nothing readable stays in a queue.

The message is for Bob (To, with a certificate), Dave (Cc, without one, clear) and Carol (hidden, with a certificate): three
copies, handed over in the order Bob, Carol, Dave.
"""

import itertools
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import ALICE, BOB, CAROL, DAVE
from support import messages
from support.held import Held, has_open
from support.milter import GROUP, USER, Lockbox, Milter
from support.milter_server import Gone, MilterServer
from support.places import Folder, free_endpoint
from support.postfix import Postfix
from support.sealed import Delivered, check_form, check_nothing_leaks
from support.sendmail import Sendmail
from support.smtp_client import Disconnected, SmtpClient
from support.smtp_proxy import Cut, SmtpProxy
from support.waiting import wait_for

EVERYBODY = [BOB, CAROL, DAVE]
_count = itertools.count(1)


class Entrance:
    """One of the ways in, with the persistence of whoever sends there: it tries again until it has a final answer."""

    def __init__(self, name, server):
        self.name, self.server = name, server

    def send(self, world, sender, message, recipients):
        """The last reply; None where a queue has taken the message over for good."""
        if self.name.endswith("local"):
            done = self.server.sendmail(sender, recipients, message.local())
            assert done.returncode == 0, done.stderr + done.stdout
            return None
        answers = []

        def final():
            world.revive()
            try:
                answers.append(self.server.submit(sender, recipients, message.octets))
            except (OSError, Disconnected) as error:
                answers.append(error)
                return None
            return None if 400 <= answers[-1].code < 500 else answers[-1]
        return wait_for(final, lambda: f"a final answer; {len(answers)} others, the last: {answers[-1]!r}\n"
                        f"{world.diagnosis()}", 120)

    def nudge(self):
        """The queue's own next try, now."""
        if self.name == "postfix-local":
            self.server.wake_pickup()
        elif self.name == "sendmail-local":
            self.server.flush()

    def residue(self, marker):
        """Files in the queues that hold the marker."""
        folders = [self.server.base / name for name in ("queue", "clientmqueue")]
        found = []
        for folder in filter(os.path.isdir, folders):
            for path in folder.rglob("*"):
                try:
                    if path.is_file() and marker in path.read_bytes():
                        found.append(path)
                except OSError:
                    pass  # gone in the meantime
        return found


class World:
    """A milter with a proxy between it and the MTA's listener."""

    def __init__(self, entrance, proxy, milter, lockbox, sink):
        self.entrance, self.proxy, self.milter, self.lockbox, self.sink = entrance, proxy, milter, lockbox, sink
        self._lock = threading.Lock()

    def revive(self):
        with self._lock:
            if not self.milter.running():
                self.milter.start()

    def diagnosis(self):
        return f"{self.milter.text()}\n{self.entrance.server.tail()}"

    def recipients(self, sender):
        return sorted(address for delivery in self.sink.from_sender(sender) for address in delivery.addresses())

    def bounces(self, sender):
        return [delivery for delivery in self.sink.from_sender("") if sender in delivery.addresses()]

    def wait_for_the_end(self, sender, recipients):
        """All that will ever come has come. Returns whether it was refused, by a bounce."""
        def ended():
            self.revive()
            self.entrance.nudge()
            return self.bounces(sender) or self.recipients(sender) == sorted(recipients)
        wait_for(ended, lambda: f"{recipients} get their copies; came: {self.recipients(sender)}\n{self.diagnosis()}", 60)
        return self.bounces(sender)


SOCKETS = {}


@pytest.fixture(scope="module", params=["postfix-smtp", "postfix-local", "sendmail-smtp"])
def entrance(request, folder, sink, tls, servers):
    return Entrance(request.param, servers[request.param.split("-")[0]])


@pytest.fixture(scope="module")
def servers(folder, sink, tls):
    settings = {"milter_connect_timeout": "10s", "milter_command_timeout": "6s", "milter_content_timeout": "30s"}
    for name in ("postfix", "sendmail"):
        SOCKETS[name] = folder.make_for_socket(USER, GROUP) / "socket"
    with Postfix(folder / "postfix", sink, SOCKETS["postfix"], tls, settings, listener=free_endpoint()) as postfix, \
            Sendmail(folder / "sendmail", sink, SOCKETS["sendmail"], listener=free_endpoint()) as sendmail:
        yield {"postfix": postfix, "sendmail": sendmail}


@pytest.fixture
def own():
    with Folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def imported(home):
    """A keyring that has been closed, to be copied: importing takes longer than most tests here."""
    with Folder() as folder:
        lockbox = Lockbox(folder)
        lockbox.import_from(home, BOB, CAROL)
        yield lockbox.path


def keyring_in(folder, imported):
    lockbox = Lockbox(folder)
    shutil.copy(imported, lockbox.path)
    shutil.chown(lockbox.path, USER)
    return lockbox


@pytest.fixture
def world(own, entrance, sink, imported):
    lockbox = keyring_in(own, imported)
    socket = SOCKETS[entrance.name.split("-")[0]]
    with SmtpProxy(entrance.server.listener) as proxy:
        milter = Milter(own, lockbox, settings_for(socket, proxy.endpoint))
        milter.socket = socket
        with milter:
            yield World(entrance, proxy, milter, lockbox, sink)


def settings_for(socket, endpoint, *more):
    return [("socket", f"unix:{socket}"), ("delivery", "reinject"), ("reinject", "%s:%d" % endpoint), ("rule", "prefer"),
            *more]


@pytest.fixture
def message():
    return messages.plain(ALICE, [BOB, DAVE])


def check_all_got_theirs(world, home, sender, message, recipients=tuple(EVERYBODY)):
    """Promises 1, 2 and 4 for one message."""
    assert world.recipients(sender) == sorted(recipients), world.diagnosis()
    check_what_came(world, home, sender, message)
    wait_for(lambda: not world.entrance.residue(message.marker.encode()),
             lambda: f"nothing readable is in the queues: {world.entrance.residue(message.marker.encode())}")


def check_what_came(world, home, sender, message):
    for delivery in world.sink.from_sender(sender):
        assert len(delivery.addresses()) == 1
        if delivery.addresses() == [DAVE]:
            assert Delivered(delivery.content).body == message.delivered_body
            continue
        check_nothing_leaks(delivery.wire, message)
        armor = check_form(Delivered(delivery.content), message)
        assert home.decrypt(armor).endswith(b"\r\n\r\n" + message.delivered_body)
        keys = home.run("--list-packets", "--list-only", input=armor).decode().count(":pubkey enc packet:")
        assert keys == 1, "somebody's key id shows in another's copy"


def send_to_everybody(world, sender, message):
    reply = world.entrance.send(world, sender, message, EVERYBODY)
    bounced = []
    if reply is None or reply.code == 250:
        bounced = world.wait_for_the_end(sender, EVERYBODY)
    return reply, bounced


def what_the_sender_is_told(reply, bounced):
    """Line breaks do not matter: a bounce has its own."""
    return " ".join((reply.words if reply else bounced[0].content.decode("utf-8", "replace")).split())


def once(copy, moment, action):
    """A fault at one moment of one copy, the first time only."""
    done = threading.Event()

    def fault(number, name):
        if number == copy and name == moment and not done.is_set():
            done.set()
            return action()
        return None
    fault.done = done
    return fault


def completes_in_spite_of(fault, world, home, sender, message):
    """The fault happens, and in the end everybody has got theirs all the same."""
    world.proxy.reset(fault)
    reply, bounced = send_to_everybody(world, sender, message)
    assert fault.done.is_set()
    assert not bounced and (reply is None or reply.code == 250)
    check_all_got_theirs(world, home, sender, message)


def cut():
    raise Cut


# ── the listener ──────────────────────────────────────────────────────────────────────────────────────────────────────

MOMENTS = ["connect", "ehlo", "mail", "rcpt", "data", "dot"]
COPIES = {"first": 0, "second": 1, "last": 2}


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("moment", MOMENTS + ["mail-answered", "rcpt-answered", "data-answered", "dot-answered"])
def test_the_connection_is_lost(world, home, message, sender, moment, copy):
    """Also with an answer to the final dot that the MTA has given and the milter never sees."""
    fault = once(COPIES[copy], moment, cut)
    completes_in_spite_of(fault, world, home, sender, message)


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_listener_says_not_now(world, home, message, sender, moment, copy):
    fault = once(COPIES[copy], moment, lambda: "421 4.3.0 not now")
    completes_in_spite_of(fault, world, home, sender, message)


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("moment", ["mail", "rcpt", "data", "dot"])
def test_the_listener_says_never(world, home, message, sender, moment, copy):
    """The sender learns for whom; whoever had got theirs by then keeps it, and nobody else gets anything."""
    fault = once(COPIES[copy], moment, lambda: "554 5.7.1 never")
    world.proxy.reset(fault)
    reply, bounced = send_to_everybody(world, sender, message)
    assert fault.done.is_set()
    concerned = [BOB, CAROL, DAVE][COPIES[copy]]
    told = what_the_sender_is_told(reply, bounced)
    assert reply is None or reply.code == 554, reply
    assert f"<{concerned}>" in told and "never" in told
    served = [address for address in EVERYBODY if address != concerned] if moment == "dot" and copy != "first" else []
    wait_for(lambda: world.recipients(sender) == sorted(served), lambda: f"{served} and nobody else: "
             f"{world.recipients(sender)}\n{world.diagnosis()}")
    check_what_came(world, home, sender, message)


def test_the_listener_is_down(world, home, message, sender):
    """Deferred, and nothing sent; with the listener back, everybody gets theirs."""
    world.milter.configure(settings_for(world.milter.socket, free_endpoint()))
    world.milter.reload()
    world.milter.wait_for_line(" reload: done")
    if world.entrance.name.endswith("local"):
        assert world.entrance.server.sendmail(sender, EVERYBODY, message.local()).returncode == 0
        world.milter.wait_for_line("the reinjection listener")
    else:
        reply = world.entrance.server.submit(sender, EVERYBODY, message.octets)
        assert reply.code == 451, reply
        assert "Connection refused" in world.milter.wait_for_line(": deferred, ")
    assert world.recipients(sender) == []
    world.milter.configure(settings_for(world.milter.socket, world.proxy.endpoint))
    world.milter.reload()
    if not world.entrance.name.endswith("local"):
        wait_for(lambda: len(world.milter.lines(" reload: done")) == 2, "the second reload")
        assert world.entrance.send(world, sender, message, EVERYBODY).code == 250
    assert not world.wait_for_the_end(sender, EVERYBODY)
    check_all_got_theirs(world, home, sender, message)


# ── the milter ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("moment", MOMENTS + ["ehlo-answered", "mail-answered", "data-answered", "dot-answered"])
def test_the_milter_is_killed(world, home, message, sender, moment, copy):
    """At every moment: what each of the three finally gets is always the same."""
    def kill():
        world.milter.kill()
        raise Cut
    fault = once(COPIES[copy], moment, kill)
    completes_in_spite_of(fault, world, home, sender, message)


@pytest.mark.parametrize("copy", COPIES)
def test_the_milter_is_killed_while_the_mta_decides(world, home, message, sender, copy):
    """After the final dot has reached the MTA, whenever that is: with the dot on its way the process dies."""
    def kill():
        threading.Thread(target=world.milter.kill).start()
    fault = once(COPIES[copy], "dot", kill)
    completes_in_spite_of(fault, world, home, sender, message)


def test_a_stop_finishes_what_is_on_its_way(world, home, message, sender):
    """SIGTERM in the middle of the copies: they come back through this very milter, and all are handed over."""
    fault = once(1, "mail", world.milter.terminate)
    world.proxy.reset(fault)
    reply = world.entrance.send(world, sender, message, EVERYBODY)
    assert reply is None or reply.code == 250, reply
    wait_for(lambda: world.recipients(sender) == EVERYBODY, lambda: "the stop has finished the message\n" + world.diagnosis())
    assert world.milter.ended() == 0
    check_all_got_theirs(world, home, sender, message)
    with sqlite3.connect(world.lockbox.folder / "journal.db") as journal:
        assert journal.execute("SELECT count(*) FROM attempt WHERE answered IS NULL").fetchone() == (0,), "it was answered"


# ── the journal, the keyring, the clock ───────────────────────────────────────────────────────────────────────────────


def deferred_once(world, sender, message):
    """The next try ends in a 4xx, whoever makes it, and nobody gets anything."""
    before = len(world.milter.lines())
    if world.entrance.name.endswith("local"):
        assert world.entrance.server.sendmail(sender, EVERYBODY, message.local()).returncode == 0
    else:
        reply = world.entrance.server.submit(sender, EVERYBODY, message.octets)
        assert 400 <= reply.code < 500, reply
    line = world.milter.wait_for_line(": deferred, ", start=before)
    assert world.recipients(sender) == []
    return line


def completed_afterwards(world, home, sender, message):
    if not world.entrance.name.endswith("local"):
        assert world.entrance.send(world, sender, message, EVERYBODY).code == 250
    assert not world.wait_for_the_end(sender, EVERYBODY)
    check_all_got_theirs(world, home, sender, message)


def test_the_journal_is_locked(world, home, message, sender):
    with sqlite3.connect(world.lockbox.folder / "journal.db", isolation_level=None) as journal:
        journal.execute("BEGIN EXCLUSIVE")
        assert "journal" in deferred_once(world, sender, message)
        journal.execute("ROLLBACK")
    completed_afterwards(world, home, sender, message)


def test_the_journal_is_damaged(world, home, message, sender):
    """Damaged under way: deferred. At start: said then, with what to do."""
    path = world.lockbox.folder / "journal.db"
    world.milter.stop()
    for rest in world.lockbox.folder.glob("journal.db-*"):
        rest.unlink()
    path.write_bytes(b"this is no database, and it is long enough to look like one" * 100)
    done = subprocess.run([world.milter.program, "--config", str(world.milter.config), "--check"], capture_output=True,
                          check=False)
    assert done.returncode == 65
    assert b"the journal" in done.stderr and b"hint: move it away" in done.stderr
    path.unlink()
    world.milter.start()
    completed_afterwards(world, home, sender, message) if not world.entrance.name.endswith("local") else \
        world.entrance.send(world, sender, message, EVERYBODY)
    assert not world.wait_for_the_end(sender, EVERYBODY)
    check_all_got_theirs(world, home, sender, message)


def test_the_disk_is_full(own, entrance, sink, home, imported, message, sender):
    """The journal cannot take a record: nothing is handed over."""
    if not own.mount_tmpfs("small", 300_000):
        pytest.skip("this machine mounts no tmpfs")
    lockbox = keyring_in(own, imported)
    shutil.chown(own / "small", USER)
    socket = SOCKETS[entrance.name.split("-")[0]]
    milter = Milter(own, lockbox, settings_for(socket, entrance.server.listener, ("journal", own / "small" / "journal.db")))
    milter.socket = socket
    with milter:
        world = World(entrance, None, milter, lockbox, sink)
        filler = own / "small" / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        assert "journal" in deferred_once(world, sender, message)
        filler.unlink()
        completed_afterwards(world, home, sender, message)


def test_the_keyring_goes_away_between_two_tries(world, home, message, sender):
    """After the first copy: the next try finds no keyring and waits; with it back, the rest get theirs."""
    moved = world.lockbox.folder / "moved.db"

    def lose():
        world.lockbox.path.rename(moved)
        raise Cut
    fault = once(1, "dot", lose)
    world.proxy.reset(fault)
    before = len(world.milter.lines())
    if world.entrance.name.endswith("local"):
        assert world.entrance.server.sendmail(sender, EVERYBODY, message.local()).returncode == 0
    else:
        assert 400 <= world.entrance.server.submit(sender, EVERYBODY, message.octets).code < 500
    world.milter.wait_for_line(": deferred, ", start=before)
    between = len(world.milter.lines())
    if world.entrance.name.endswith("local"):
        wait_for(lambda: world.entrance.nudge() or any("no keyring" in line for line in world.milter.lines()[between:]),
                 lambda: "a try without the keyring\n" + world.diagnosis())
    else:
        assert 400 <= world.entrance.server.submit(sender, EVERYBODY, message.octets).code < 500
    moved.rename(world.lockbox.path)
    completed_afterwards(world, home, sender, message)


def test_a_recipient_is_refused_at_the_second_try(world, message, sender):
    """The sender learns who; the others, whose copies had gone by then, keep them and get no second one."""
    def change_the_rules():
        world.milter.configure([("rule", f"to={CAROL} require smime"),
                                *settings_for(world.milter.socket, world.proxy.endpoint)])
        world.milter.reload()
        world.milter.wait_for_line(" reload: done")
        raise Cut
    fault = once(1, "dot", change_the_rules)
    world.proxy.reset(fault)
    reply, bounced = send_to_everybody(world, sender, message)
    told = what_the_sender_is_told(reply, bounced)
    assert reply is None or reply.code == 550
    assert f"<{CAROL}>: no S/MIME certificate" in told
    assert "the other recipients have got the message" in told
    wait_for(lambda: world.recipients(sender) == [BOB, DAVE], lambda: f"two have theirs: {world.recipients(sender)}")


def test_the_rules_change_between_two_tries(world, home, message, sender):
    """Dave must not get mail in clear any more, but he has it already: nobody is refused, and Carol gets hers."""
    def change_the_rules():
        world.milter.configure([("rule", f"to={DAVE} require"), *settings_for(world.milter.socket, world.proxy.endpoint)])
        world.milter.reload()
        world.milter.wait_for_line(" reload: done")
        raise Cut
    world.proxy.reset(once(1, "dot", change_the_rules))
    reply, bounced = send_to_everybody(world, sender, message)
    assert not bounced and (reply is None or reply.code == 250)
    check_all_got_theirs(world, home, sender, message)


def test_the_time_budget_is_exceeded(world, home, message, sender):
    """The listener does not answer: deferred in time, and completed later."""
    world.milter.configure(settings_for(world.milter.socket, world.proxy.endpoint, ("time-budget", "2")))
    world.milter.reload()
    world.milter.wait_for_line(" reload: done")
    release = threading.Event()
    fault = once(1, "mail", lambda: release.wait(60) and None)
    world.proxy.reset(fault)
    assert "in time" in deferred_once(world, sender, message)
    release.set()
    completed_afterwards(world, home, sender, message)


def test_fifty_messages_at_once(world, home):
    """More than are sealed at once, some of them alike: each arrives once."""
    sent = {f"fifty+{next(_count)}@example.org": messages.plain(ALICE, [BOB, DAVE]) for _ in range(50)}
    with ThreadPoolExecutor(len(sent)) as clients:
        replies = list(clients.map(lambda item: world.entrance.send(world, *item, EVERYBODY), sent.items()))
    assert [reply for reply in replies if reply and reply.code != 250] == []
    for sender, message in sent.items():
        assert not world.wait_for_the_end(sender, EVERYBODY)
        check_all_got_theirs(world, home, sender, message)


def test_two_tries_at_once_are_one_message(world, home, sender):
    """The same bytes again while the first try is under way, as of a client that lost its patience: the second waits for the
    first, and is told the same."""
    if world.entrance.name.endswith("local"):
        pytest.skip("over SMTP both have the same Message-ID")
    message = messages.plain(ALICE, [BOB, DAVE])
    second = []
    other = threading.Thread(target=lambda: second.append(world.entrance.server.submit(sender, EVERYBODY, message.octets)))
    world.proxy.reset(once(1, "mail", other.start))
    assert world.entrance.server.submit(sender, EVERYBODY, message.octets).code == 250
    other.join()
    assert second[0].code == 250
    assert not world.wait_for_the_end(sender, EVERYBODY)
    check_all_got_theirs(world, home, sender, message)


def test_two_alarms_alike_are_two_messages(world, sender):
    """Without a Message-ID of their own, what says the same at the same time is not the same: two of everything."""
    if world.entrance.name.endswith("local"):
        pytest.skip("over SMTP both have the same Date")
    message = messages.plain(ALICE, [BOB, DAVE])
    alarm = re.sub(rb"(?im)^Message-ID:[^\n]*\n", b"", message.octets)
    assert alarm != message.octets
    for _ in range(2):
        assert world.entrance.server.submit(sender, EVERYBODY, alarm).code == 250
    wait_for(lambda: len(world.recipients(sender)) >= 6, lambda: f"{world.recipients(sender)}\n{world.diagnosis()}")
    assert world.recipients(sender) == sorted(EVERYBODY * 2)


# ── time between two tries, and tries at once ─────────────────────────────────────────────────────────────────────────


def age_the_journal(world, hours):
    """What the journal holds was written so long ago."""
    with sqlite3.connect(world.lockbox.folder / "journal.db", timeout=10) as journal:
        assert journal.execute("UPDATE attempt SET begun = begun - :age, answered = answered - :age",
                               {"age": int(hours * 3600)}).rowcount > 0
    journal.close()


def first_try_serves_two(world, sender, message):
    """Bob and Carol have theirs; Dave, to whom it goes in clear, gets 451 at the dot."""
    world.proxy.reset(once(2, "dot", lambda: "451 4.3.0 not now"))
    reply = world.entrance.server.submit(sender, EVERYBODY, message.octets)
    assert reply.code == 451, reply
    wait_for(lambda: world.recipients(sender) == [BOB, CAROL], lambda: f"two have theirs: {world.recipients(sender)}")


@pytest.mark.parametrize("hours", [0, 25, 5 * 24 - 1])
@pytest.mark.parametrize("at_once", [1, 3])
def test_the_clear_copy_is_left(world, home, message, sender, hours, at_once):
    """Those who are sealed to have theirs, one is left to whom it goes in clear: nobody else is ever in that copy, however long
    the client waits, and however often it tries at once."""
    if world.entrance.name.endswith("local"):
        pytest.skip("a queue of its own tries when it wants")
    first_try_serves_two(world, sender, message)
    age_the_journal(world, hours)
    with ThreadPoolExecutor(at_once) as clients:
        replies = list(clients.map(lambda _: world.entrance.send(world, sender, message, EVERYBODY), range(at_once)))
    assert [reply.code for reply in replies] == [250] * at_once
    assert not world.wait_for_the_end(sender, EVERYBODY)
    check_all_got_theirs(world, home, sender, message)


@pytest.mark.parametrize("hours", [0, 0.9])
def test_the_client_never_sees_its_250(world, home, message, sender, hours):
    """It tries again, and again, each time on a new connection: everybody has theirs, and it is told so."""
    if world.entrance.name.endswith("local"):
        pytest.skip("a queue of its own sees it")
    for _ in range(3):
        assert world.entrance.server.submit(sender, EVERYBODY, message.octets).code == 250
        age_the_journal(world, hours / 3)
    assert not world.wait_for_the_end(sender, EVERYBODY)
    check_all_got_theirs(world, home, sender, message)


def test_a_message_without_a_date_is_the_same_message(world, home, message, sender):
    """smtplib and appliances send none, and Postfix adds a new one for each try."""
    if world.entrance.name.endswith("local"):
        pytest.skip("sendmail(1) has queued one message")
    dateless = re.sub(rb"(?im)^Date:[^\n]*\n", b"", message.octets)
    assert dateless != message.octets
    world.proxy.reset(once(2, "dot", lambda: "451 4.3.0 not now"))
    assert world.entrance.server.submit(sender, EVERYBODY, dateless).code == 451
    threading.Event().wait(1.1)  # the MTA's clock has to show another second
    assert world.entrance.server.submit(sender, EVERYBODY, dateless).code == 250
    wait_for(lambda: len(world.recipients(sender)) >= 3, lambda: f"{world.recipients(sender)}\n{world.diagnosis()}")
    assert world.recipients(sender) == EVERYBODY


# ── an MTA process that dies alone ────────────────────────────────────────────────────────────────────────────────────


def processes(program, folder):
    """Those of that name that work in the folder."""
    done = subprocess.run(["pgrep", "-x", program], capture_output=True, text=True, check=False)
    return [pid for pid in map(int, done.stdout.split()) if working_directory(pid) == str(folder)]


def working_directory(pid):
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return None  # gone in the meantime


def servers_on(port):
    """Processes with an established connection on that port of theirs."""
    inodes = set()
    for line in pathlib.Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        fields = line.split()
        if int(fields[1].split(":")[1], 16) == port and fields[3] == "01":
            inodes.add(f"socket:[{fields[9]}]")
    return {int(path.parts[2]) for path in pathlib.Path("/proc").glob("[0-9]*/fd/*") if link_of(path) in inodes}


def link_of(path):
    try:
        return os.readlink(path)
    except OSError:
        return None


def kill_all(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


@pytest.mark.parametrize("copy, moment", [(0, "connect"), (2, "data-answered"), (0, "dot-answered"), (2, "dot-answered")])
def test_the_entrances_cleanup_dies_during_the_hand_over(world, home, message, sender, copy, moment):
    """smtpd(8) answers 451, and the milter's verdict reaches nobody. Before the first final dot the milter sees it, and nothing
    is sent; behind it, the next try finds what was done."""
    if world.entrance.name != "postfix-smtp":
        pytest.skip("Sendmail has one process for both, and the maildrop has no smtpd")
    queue = world.entrance.server.base / "queue"
    world.proxy.reset(once(copy, moment, lambda: kill_all(processes("cleanup", queue))))
    reply = world.entrance.server.submit(sender, EVERYBODY, message.octets)
    assert 400 <= reply.code < 500, reply
    assert world.proxy.fault.done.is_set()
    if moment == "connect":
        world.milter.wait_for_line("the MTA has left")
    if not moment.startswith("dot"):  # later on, the listener's own cleanup(8) may be seen to die first
        world.milter.wait_for_line(": deferred, ")
        assert world.recipients(sender) == []
    assert world.entrance.send(world, sender, message, EVERYBODY).code == 250
    assert not world.wait_for_the_end(sender, EVERYBODY)
    # The dead process leaves an unfinished file in incoming/, which nobody delivers and Postfix throws away.
    assert world.recipients(sender) == EVERYBODY, world.diagnosis()
    check_what_came(world, home, sender, message)


@pytest.mark.parametrize("moment", ["mail-answered", "data-answered", "dot"])
@pytest.mark.parametrize("copy", COPIES)
def test_the_listeners_process_dies(world, home, message, sender, moment, copy):
    """smtpd(8), or Sendmail's child, on the listener's side of one copy."""
    def kill():
        kill_all(servers_on(world.entrance.server.listener[1]))
    completes_in_spite_of(once(COPIES[copy], moment, kill), world, home, sender, message)


# ── a second milter on the listener ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def second(folder, tls, sink):
    """Mail servers whose listener has one more milter, as a DKIM signer would be."""
    sockets = {name: folder.make_for_socket(USER, GROUP) / "socket" for name in ("postfix", "sendmail")}
    path = folder.make_for_socket(USER, GROUP)
    with MilterServer(path / "socket") as server, \
            Postfix(folder / "postfix-second", sink, sockets["postfix"], tls, listener=free_endpoint(),
                    second=path / "socket") as postfix, \
            Sendmail(folder / "sendmail-second", sink, sockets["sendmail"], listener=free_endpoint(),
                     second=path / "socket") as sendmail:
        yield server, {"postfix": postfix, "sendmail": sendmail}, sockets


@pytest.fixture
def guarded(second, entrance, own, imported, sink):
    """A milter in front of them, and the second milter."""
    if entrance.name.endswith("local"):
        pytest.skip("the listener is the same")
    server, servers, sockets = second
    name = entrance.name.split("-")[0]
    lockbox = keyring_in(own, imported)
    milter = Milter(own, lockbox, settings_for(sockets[name], servers[name].listener))
    milter.socket = sockets[name]
    with milter:
        yield World(Entrance(entrance.name, servers[name]), None, milter, lockbox, sink), server
    server.fault = None


def at_the_end_of_one(number, action):
    """What the second milter does at the end of the copy with that number, once."""
    count = itertools.count()
    done = threading.Event()

    def fault(moment, _):
        if moment == "end" and next(count) == number:
            done.set()
            return action()
        return None
    fault.done = done
    return fault


def gone():
    raise Gone


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("action", [gone, lambda: "451 4.7.1 not now", lambda: threading.Event().wait(3) and None,
                                    lambda: threading.Event().wait(3) or "451 4.7.1 late and not now"],
                         ids=["dies", "says not now", "is slow", "is slow and says not now"])
def test_a_second_milter_fails_at_a_copy(guarded, home, message, sender, action, copy):
    """Behind Lockbox, which has let the copy through by then: it is not taken for taken."""
    world, server = guarded
    server.fault = at_the_end_of_one(COPIES[copy], action)
    assert world.entrance.send(world, sender, message, EVERYBODY).code == 250
    assert server.fault.done.is_set()
    assert not world.wait_for_the_end(sender, EVERYBODY)
    check_all_got_theirs(world, home, sender, message)


def test_a_second_milter_hangs_for_a_minute_and_says_not_now(guarded, home, message, sender):
    """For longer than the time budget: the answer is waited for, and it counts."""
    world, server = guarded
    server.fault = at_the_end_of_one(0, lambda: threading.Event().wait(61) or "451 4.7.1 late and not now")
    assert world.entrance.send(world, sender, message, EVERYBODY).code == 250
    assert server.fault.done.is_set()
    assert not world.wait_for_the_end(sender, EVERYBODY)
    check_all_got_theirs(world, home, sender, message)


def test_a_second_milter_refuses_a_recipient(guarded, home, message, sender):
    """Dave, at RCPT: the whole message is refused before anything was sent, and the sender learns for whom."""
    world, server = guarded
    server.fault = lambda moment, data: "550 5.7.1 not Dave" if moment == "rcpt" and DAVE.encode() in data else None
    reply = world.entrance.server.submit(sender, EVERYBODY, message.octets)
    assert reply.code == 554 and f"<{DAVE}>" in reply.words and "not Dave" in reply.words, reply
    assert world.recipients(sender) == []


@pytest.fixture(scope="module")
def signer_first(folder, tls, sink):
    """Mail servers on whose listener Lockbox comes last, as the pages recommend."""
    sockets = {name: folder.make_for_socket(USER, GROUP) / "socket" for name in ("postfix", "sendmail")}
    path = folder.make_for_socket(USER, GROUP)
    with MilterServer(path / "socket") as server, \
            Postfix(folder / "postfix-signer", sink, sockets["postfix"], tls, listener=free_endpoint(),
                    second=path / "socket", second_is_first=True) as postfix, \
            Sendmail(folder / "sendmail-signer", sink, sockets["sendmail"], listener=free_endpoint(),
                     second=path / "socket", second_is_first=True) as sendmail:
        yield server, {"postfix": postfix, "sendmail": sendmail}, sockets


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("answer", ["451 4.7.1 late and not now", None], ids=["not now", "well"])
def test_the_milter_is_killed_while_a_signer_before_it_is_slow(signer_first, entrance, own, imported, sink, home, message, sender,
                                                              copy, answer):
    """Behind Lockbox, a signer that then says no would lose the copy: Lockbox has written down by then that it may be taken, and
    is not there any more to hear the answer. Before Lockbox, nothing has been written down."""
    if entrance.name.endswith("local"):
        pytest.skip("the listener is the same")
    server, servers, sockets = signer_first
    name = entrance.name.split("-")[0]
    lockbox = keyring_in(own, imported)
    milter = Milter(own, lockbox, settings_for(sockets[name], servers[name].listener))
    milter.socket = sockets[name]

    def slow():
        milter.kill()
        return answer
    server.fault = at_the_end_of_one(COPIES[copy], slow)
    with milter:
        world = World(Entrance(entrance.name, servers[name]), None, milter, lockbox, sink)
        answers = [world.entrance.server.submit(sender, EVERYBODY, message.octets).code]
        assert server.fault.done.is_set() and 400 <= answers[0] < 500
        milter.start()
        assert world.entrance.send(world, sender, message, EVERYBODY).code == 250
        assert not world.wait_for_the_end(sender, EVERYBODY)
        check_all_got_theirs(world, home, sender, message)
    server.fault = None


# ── the listener's own guard ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_stranger_gets_nothing_past_the_listener(world, message, sender):
    """Whoever finds the port: refused at MAIL, before anything readable was said."""
    with SmtpClient(*world.entrance.server.listener, name="0123456789abcdef0123456789abcdef.lockbox.invalid") as client:
        reply = client.command(f"MAIL FROM:<{sender}>")
        assert reply.code == 550 and "Lockbox" in reply.words


def test_the_milter_is_away_and_a_stranger_comes(world, message, sender):
    world.milter.stop()
    with SmtpClient(*world.entrance.server.listener) as client:
        reply = client.submit(sender, [BOB], message.octets)
    assert 400 <= reply.code < 500
    assert world.recipients(sender) == []


# ── in place: one copy, and no listener ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def in_place(own, entrance, sink, imported):
    lockbox = keyring_in(own, imported)
    socket = SOCKETS[entrance.name.split("-")[0]]
    milter = Milter(own, lockbox, [("socket", f"unix:{socket}"), ("rule", "require")])
    milter.socket = socket
    with milter:
        yield World(entrance, None, milter, lockbox, sink)


def lose_the_keyring(world):
    moved = world.lockbox.folder / "moved.db"
    world.lockbox.path.rename(moved)
    return lambda: moved.rename(world.lockbox.path)


def damage_the_keyring(world):
    good = world.lockbox.path.read_bytes()
    damaged = world.lockbox.folder / "damaged.db"
    damaged.write_bytes(b"no database at all, but long enough to be taken for one" * 100)
    shutil.chown(damaged, USER)
    damaged.rename(world.lockbox.path)

    def mend():
        copy = world.lockbox.folder / "copy.db"
        copy.write_bytes(good)
        shutil.chown(copy, USER)
        copy.rename(world.lockbox.path)
    return mend


def hold_the_keyring(world):
    held = Held(world.lockbox.path)
    return lambda: held.__exit__(None, None, None)


def stop_the_milter(world):
    world.milter.stop()
    return world.milter.start


@pytest.mark.parametrize("break_it", [lose_the_keyring, damage_the_keyring, hold_the_keyring, stop_the_milter],
                         ids=lambda function: function.__name__)
def test_in_place_something_is_away(in_place, home, sender, break_it):
    message = messages.plain(ALICE, [BOB])
    mend = break_it(in_place)
    if in_place.entrance.name.endswith("local"):
        assert in_place.entrance.server.sendmail(sender, [BOB], message.local()).returncode == 0
        in_place.entrance.server.wait_for_line("milter-reject|milter.*(unavailable|refused|No such file)")
    else:
        reply = in_place.entrance.server.submit(sender, [BOB], message.octets)
        assert 400 <= reply.code < 500, reply
    assert in_place.recipients(sender) == []
    mend()
    send_in_place(in_place, home, sender, message)


def send_in_place(world, home, sender, message):
    """The client's next try; the maildrop queue tries by itself."""
    if not world.entrance.name.endswith("local"):
        assert world.entrance.send(world, sender, message, [BOB]).code == 250
    assert not world.wait_for_the_end(sender, [BOB])
    assert world.recipients(sender) == [BOB]
    check_what_came(world, home, sender, message)


def test_in_place_the_milter_is_killed_at_the_end_of_the_message(in_place, home, sender):
    """While it looks the recipient up: it has the whole message, and the MTA waits for its verdict."""
    message = messages.plain(ALICE, [BOB])
    replies = []

    def send():
        if in_place.entrance.name.endswith("local"):
            in_place.entrance.server.sendmail(sender, [BOB], message.local())
        else:
            replies.append(in_place.entrance.server.submit(sender, [BOB], message.octets))
    with Held(in_place.lockbox.path):
        client = threading.Thread(target=send)
        client.start()
        wait_for(lambda: has_open(in_place.milter.pid, in_place.lockbox.path), "the milter stands at the locked keyring", 4)
        in_place.milter.kill()
        client.join()
    assert all(400 <= reply.code < 500 for reply in replies), replies
    assert in_place.recipients(sender) == []
    in_place.milter.start()
    send_in_place(in_place, home, sender, message)


def test_in_place_killed_again_and_again(in_place, home):
    """Messages from several clients while the milter dies and comes back: each arrives sealed exactly once."""
    sent = {f"in-place+{next(_count)}@example.org": messages.plain(ALICE, [BOB]) for _ in range(16)}
    threads = [threading.Thread(target=in_place.entrance.send, args=(in_place, sender, message, [BOB]))
               for sender, message in sent.items()]
    for number, thread in enumerate(threads):
        thread.start()
        if number % 4 == 3:
            in_place.milter.kill()
            in_place.revive()
    for thread in threads:
        thread.join(120)
    for sender, message in sent.items():
        assert not in_place.wait_for_the_end(sender, [BOB])
        assert in_place.recipients(sender) == [BOB]
        check_what_came(in_place, home, sender, message)


# ── waiting ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_mta_is_told_to_wait(folder, own, sink, tls, home, imported, sender, message, entrance):
    """A listener that takes longer than the MTA's patience with a milter: smfi_progress() keeps it."""
    if entrance.name != "postfix-smtp":
        pytest.skip("once is enough: it takes its time")
    patience = 7
    listener = free_endpoint()
    socket = own.make_for_socket(USER, GROUP) / "socket"
    with Postfix(own / "postfix", sink, socket, tls, {"milter_content_timeout": f"{patience}s"},
                 listener=listener) as postfix, SmtpProxy(listener) as proxy:
        lockbox = keyring_in(own, imported)
        milter = Milter(own, lockbox, settings_for(socket, proxy.endpoint))
        milter.socket = socket
        with milter:
            world = World(Entrance("postfix-smtp", postfix), proxy, milter, lockbox, sink)
            world.proxy.reset(once(1, "data", lambda: threading.Event().wait(patience + 5) and None))
            assert postfix.submit(sender, EVERYBODY, message.octets).code == 250
            assert not world.wait_for_the_end(sender, EVERYBODY)
            check_all_got_theirs(world, home, sender, message)
