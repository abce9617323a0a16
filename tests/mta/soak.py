#!/usr/bin/python3
"""Random messages, and things that die and dawdle: does everybody get theirs, once, and nobody more?

Not part of tests/run.sh. As root, after a build, with the packages of contrib/dependencies.sh develop:

    tests/mta/soak.py [--minutes 10] [--seed N] [--log FILE]

Clients send to random envelopes over SMTP (Postfix and Sendmail) and through Postfix's sendmail(1), and try again until they
have a final answer, as mail servers do; some make two tries at once. Meanwhile

  - the milter gets SIGKILL, and so do single processes of the mail servers: smtpd, cleanup, a child of Sendmail's daemon;
  - the proxy in front of the listener cuts connections;
  - a signer before the milter on the listener takes its time, refuses for now, or hangs up;
  - the milter's clock jumps.

At the end, for every message and every recipient: exactly one copy, sealed to nobody else, or in
clear where that is the rule; nothing readable on a connection for somebody who is sealed to; nothing readable in a queue.
"""

import argparse
import collections
import os
import pathlib
import random
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import messages  # noqa: E402
from support.gnupg import GnuPgHome  # noqa: E402
from support.milter import GROUP, USER, Lockbox, Milter  # noqa: E402
from support.milter_server import Gone, MilterServer  # noqa: E402
from support.places import Folder, free_endpoint, make_tls_certificate  # noqa: E402
from support.postfix import Postfix  # noqa: E402
from support.sealed import Delivered, check_form  # noqa: E402
from support.sendmail import Sendmail  # noqa: E402
from support.smtp_client import Disconnected  # noqa: E402
from support.smtp_proxy import Cut, SmtpProxy  # noqa: E402
from support.smtp_sink import SmtpSink  # noqa: E402
from support.waiting import wait_for  # noqa: E402

ALICE = "alice@example.org"
SEALED = [f"sealed{number}@remote.test" for number in range(4)]
FAKE_CLOCK = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
CLEAR = [f"clear{number}@remote.test" for number in range(4)]


def was_left_behind(path):
    """By a process that was killed before the message was in the queue: nobody will deliver it. Postfix gives a message its
    execute bit last, Sendmail its qf file."""
    if path.name.startswith("df"):
        return not path.with_name("qf" + path.name[2:]).exists()
    return path.parent.name == "incoming" and not path.stat().st_mode & 0o100


class Sent:
    def __init__(self, sender, message, recipients):
        self.sender, self.message, self.recipients = sender, message, recipients
        self.by = ""
        self.answers = []

    def is_for_lockbox(self):
        """Somebody is sealed to, so there are copies. What is clear for everybody passes: the mail server alone has it then, and
        delivers it for each try."""
        return any(recipient in SEALED for recipient in self.recipients)


def processes():
    """(pid, name, path of the program, working directory) of every process that can be looked at."""
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            yield int(folder.name), (folder / "comm").read_text().strip(), os.readlink(folder / "exe"), os.readlink(folder / "cwd")
        except OSError:
            pass


def links_of(pid):
    try:
        return [os.readlink(path) for path in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return []


def of_postfix(postfix):
    """smtpd, and cleanup before it has put a message into the queue: one that dies behind that, and before its smtpd knows,
    has taken a message and says that it has not."""
    queue = postfix.base / "queue"

    def is_before_the_queue(pid):
        files = [pathlib.Path(link) for link in links_of(pid) if link.startswith(str(queue / "incoming"))]
        try:
            return files and not any(file.stat().st_mode & 0o100 for file in files)
        except OSError:
            return False
    return [(pid, name) for pid, name, _, folder in processes() if folder == str(queue)
            and (name == "smtpd" or (name == "cleanup" and is_before_the_queue(pid)))]


def of_sendmail(sendmail):
    """Children of Sendmail's daemon that serve the ordinary entrance: one that dies behind the listener's final dot is a
    broken connection in the only moment in which nobody can know."""
    port = f":{sendmail.port:04X}"
    inodes = {fields[9] for fields in map(str.split, pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:])
              if fields[1].endswith(port) and fields[3] == "01"}  # established

    def serves(pid):
        return any(f"socket:[{inode}]" in links_of(pid) for inode in inodes)
    return [(pid, "sendmail") for pid, _, program, folder in processes()
            if program.endswith("/sendmail/sendmail") and folder.startswith(str(sendmail.base)) and serves(pid)]


class Soak:
    def __init__(self, folder, home, seed):
        self.random = random.Random(seed)
        self.folder, self.home = folder, home
        self.sent = []
        self.counts = collections.Counter()
        self.lock = threading.Lock()
        self.over = threading.Event()

    def cut_now_and_then(self, _copy, _moment):
        if not self.over.is_set() and self.random.random() < 0.004:
            self.counts["cuts"] += 1
            raise Cut
        return None

    def sign(self, moment, _data):
        """Most messages at once, some late, a few not now."""
        if moment != "end" or self.over.is_set():
            return None
        chance = self.random.random()
        if chance < 0.10:
            self.counts["late signatures"] += 1
            time.sleep(self.random.choice([0.1, 0.5, 6.0]))  # what a signer does that is short of something
        elif chance < 0.11:
            self.counts["signatures put off"] += 1
            return "451 4.7.1 Not now"
        elif chance < 0.12:
            self.counts["signers gone"] += 1
            raise Gone
        return None

    def next_message(self):
        with self.lock:
            chosen = self.random.sample(SEALED, self.random.randrange(0, 4)) + self.random.sample(CLEAR, self.random.randrange(0, 3))
            recipients = chosen or [SEALED[0]]
            self.random.shuffle(recipients)
            named = self.random.sample(recipients, self.random.randrange(0, len(recipients) + 1)) or ["list@elsewhere.test"]
            size = self.random.choice([0, 0, 0, 3000, 300_000])
            message = messages.attachment(ALICE, named, size) if size else messages.plain(ALICE, named)
            sent = Sent(f"soak+{len(self.sent)}@example.org", message, recipients)
            self.sent.append(sent)
            return sent

    def client(self, server):
        while not self.over.is_set():
            sent = self.next_message()
            number = self.random.choice([1, 1, 1, 2]) if sent.is_for_lockbox() else 1
            tries = [threading.Thread(target=self.deliver, args=(server, sent)) for _ in range(number)]
            self.counts["tries at once"] += len(tries) - 1
            for each in tries:
                each.start()
            for each in tries:
                each.join()

    @staticmethod
    def deliver(server, sent):
        """Until there is a final answer, which is never a refusal."""
        sent.by = type(server).__name__
        while True:
            try:
                reply = server.submit(sent.sender, sent.recipients, sent.message.octets)
            except (OSError, Disconnected) as error:
                sent.answers.append(repr(error))
                time.sleep(0.01)  # what a client does between two tries
                continue
            sent.answers.append(str(reply))
            if reply.code == 250:
                return
            assert 400 <= reply.code < 500, reply
            time.sleep(0.02)

    def local_client(self, postfix):
        while not self.over.is_set():
            sent = self.next_message()
            done = postfix.sendmail(sent.sender, sent.recipients, sent.message.local())
            assert done.returncode == 0, done.stderr
            sent.by = "sendmail(1)"
            postfix.wake_pickup()
            time.sleep(0.05)

    def killer(self, milters):
        while not self.over.is_set():
            time.sleep(self.random.uniform(0.05, 1.0))
            milter = self.random.choice(milters)
            milter.kill()
            self.counts["milters killed"] += 1
            milter.start()

    def killer_of_single_processes(self, find):
        """Kills one of the processes that `find` lists, and leaves those around it alone."""
        while not self.over.is_set():
            time.sleep(self.random.uniform(0.2, 1.5))
            processes = find()
            if processes:
                pid, name = self.random.choice(processes)
                try:
                    os.kill(pid, signal.SIGKILL)
                    self.counts[f"{name} killed"] += 1
                except ProcessLookupError:
                    pass

    def clockmaker(self, offset_file):
        """The milter's clock goes wrong by up to 45 minutes: less than the hour for which records are kept, and never back
        to a time before the certificates were made."""
        while not self.over.is_set():
            offset_file.write_text(f"{self.random.randrange(0, 2700):+d}")
            self.counts["clock set"] += 1
            self.over.wait(self.random.uniform(2, 10))

    def check(self, sink, servers):
        problems = []
        postfix = servers[0]
        came = collections.defaultdict(list)
        for delivery in sink.deliveries:
            came[delivery.sender()].append(delivery)
        for sent in self.sent:
            deliveries = came[sent.sender]
            got = collections.Counter(address for delivery in deliveries for address in delivery.addresses())
            if got != collections.Counter(sent.recipients) and (sent.is_for_lockbox() or set(got) != set(sent.recipients)):
                problems.append(f"{sent.sender} by {sent.by} to {sent.recipients}: came {dict(got)}; answers {sent.answers}\n"
                                f"{postfix.story_of(sent.sender) if sent.by != 'Sendmail' else ''}"[:4000])
            marker = sent.message.marker.encode()
            for delivery in deliveries:
                addresses = delivery.addresses()
                if all(address in CLEAR for address in addresses):
                    if Delivered(delivery.content).body != sent.message.delivered_body:
                        problems.append(f"{sent.sender}: another text in clear")
                    continue
                if marker in delivery.wire:
                    problems.append(f"{sent.sender}: readable on the wire to {addresses}")
                    continue
                armor = check_form(Delivered(delivery.content), sent.message)
                if not self.home.decrypt(armor).endswith(b"\r\n\r\n" + sent.message.delivered_body):
                    problems.append(f"{sent.sender}: another text inside")
                keys = self.home.run("--list-packets", "--list-only", input=armor).decode().count(":pubkey enc packet:")
                if keys != len(addresses):
                    problems.append(f"{sent.sender}: sealed to {keys} keys for {addresses}")
        for server in servers:
            for path in (server.base / "queue").rglob("*"):
                if path.is_file() and not was_left_behind(path) and b"marker" in path.read_bytes():
                    problems.append(f"readable in the queue: {path}")
        return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--log", type=pathlib.Path, help="where to write what Postfix and the milters logged")
    arguments = parser.parse_args()
    print(f"soak: seed {arguments.seed}, {arguments.minutes:g} minutes", flush=True)
    with Folder() as folder, GnuPgHome() as home:
        for address in SEALED:
            home.generate(f"Somebody <{address}>")
        tls = make_tls_certificate(folder.path)
        lockbox = Lockbox(folder)
        lockbox.import_from(home, *SEALED)
        soak = Soak(folder, home, arguments.seed)
        sockets = {name: folder.make_for_socket(USER, GROUP) / "socket" for name in ("postfix", "sendmail")}
        signer = folder.make_for_socket(USER, GROUP) / "signer"
        offset_file = folder / "clock"
        offset_file.write_text("+0")
        clock = {**os.environ, "LD_PRELOAD": str(FAKE_CLOCK), "FAKETIME_TIMESTAMP_FILE": str(offset_file),
                 "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
        settings = {"service_throttle_time": "1s"}
        with SmtpSink(tls) as sink, MilterServer(signer, soak.sign), \
                Postfix(folder / "postfix", sink, sockets["postfix"], tls, settings, listener=free_endpoint(),
                        second=signer, second_is_first=True) as postfix, \
                Sendmail(folder / "sendmail", sink, sockets["sendmail"], listener=free_endpoint(), second=signer,
                         second_is_first=True) as sendmail, \
                SmtpProxy(postfix.listener) as to_postfix, SmtpProxy(sendmail.listener) as to_sendmail:
            milters = []
            for name, proxy in (("postfix", to_postfix), ("sendmail", to_sendmail)):
                proxy.reset(soak.cut_now_and_then)
                milter = Milter(folder, lockbox, [("socket", f"unix:{sockets[name]}"), ("delivery", "reinject"),
                                                  ("reinject", "%s:%d" % proxy.endpoint), ("rule", "prefer"),
                                                  ("journal", lockbox.folder / f"{name}.journal")],
                                name=name, environment=clock)
                milter.socket = sockets[name]
                milter.start()
                milters.append(milter)
            threads = [threading.Thread(target=soak.client, args=(server,)) for server in (postfix, postfix, sendmail, sendmail)]
            threads += [threading.Thread(target=soak.local_client, args=(postfix,)),
                        threading.Thread(target=soak.killer, args=(milters,)),
                        threading.Thread(target=soak.killer_of_single_processes, args=(lambda: of_postfix(postfix),)),
                        threading.Thread(target=soak.killer_of_single_processes, args=(lambda: of_sendmail(sendmail),)),
                        threading.Thread(target=soak.clockmaker, args=(offset_file,))]
            for thread in threads:
                thread.start()
            soak.over.wait(arguments.minutes * 60)
            soak.over.set()
            for thread in threads:
                thread.join()
            expected = sum(len(sent.recipients) for sent in soak.sent)

            def all_came():
                postfix.wake_pickup()
                return sum(len(delivery.addresses()) for delivery in list(sink.deliveries)) >= expected
            try:
                wait_for(all_came, "everything has come", 120)
                wait_for(lambda: not postfix.queue() and not postfix.in_maildrop(), "the queue is empty", 120)
            except AssertionError as error:
                print(f"soak: {error}")
            problems = soak.check(sink, (postfix, sendmail))
            for milter in milters:
                milter.stop()
            if arguments.log:
                arguments.log.write_text("\n".join([*postfix.lines(), *(milter.text() for milter in milters)]), "utf-8")
    counted = ", ".join(f"{count} {what}" for what, count in sorted(soak.counts.items()))
    print(f"soak: {len(soak.sent)} messages, {expected} copies; {counted}; {len(problems)} problems")
    for problem in problems:
        print(f"soak: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
