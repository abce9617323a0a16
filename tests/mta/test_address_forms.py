"""The address that is judged is the address that is delivered to. Each form of a path is given to Postfix and to Sendmail,
over SMTP and to sendmail(1): where does the mail server deliver it, and whom has Lockbox judged? The two agree, or nothing
was sent.

Bob has a certificate, and the rule for him says prefer; Dave has none, and the rule for his domain says require. So whatever
the form, the text reaches Bob sealed or not at all, and Dave not at all."""

import concurrent.futures
import json
import re
import unicodedata

import pytest

from conftest import BOB, DAVE
from support.milter import Milter
from support.postfix import Postfix
from support.sendmail import Sendmail
from support.smtp_sink import SmtpSink
from support.waiting import wait_for

RULES = [("rule", "to=bob@remote.test prefer"), ("rule", "to=carol@remote.test prefer"), ("rule", "to=@remote.test require"),
         ("rule", "to=@.remote.test require")]
MARKER = b"the plain text of this message"

# In these, USER becomes bob, who has a certificate, or dave, who has none.
PLAIN = ["<USER@remote.test>", "<USER@REMOTE.Test>", "<USER@remote.test.>", "USER@remote.test", ' <USER@remote.test> ',
         '<"USER"@remote.test>', '<"US\\ER"@remote.test>', "<USER+tag@remote.test>", "<USER+a+b@REMOTE.test>"]
ODD = [
    # Another domain in the local part, where the domain behind it is the mail server's own.
    "<USER%remote.test@localhost>", "<USER%remote.test@mta.example.org>", "<USER%remote.test@[127.0.0.1]>",
    "<USER%remote.test@[IPv6:::1]>", "<USER%remote.test@localhost.example.org>", '<"USER@remote.test"@localhost>',
    '<"USER@remote.test"@mta.example.org>', '<"USER%remote.test"@localhost>', '<"remote.test!USER"@localhost>',
    "<remote.test!USER@localhost>", "<remote.test!USER@mta.example.org>", "<USER%remote.test%localhost@localhost>",
    "<USER@remote.test@localhost>", "<USER@remote.test@>", "<USER%remote.test@other.test>",
    "<remote.test!USER@other.test>", '<"USER@remote.test"@other.test>',
    # No domain behind it, or none that is complete.
    "<USER%remote.test>", "<remote.test!USER>", '<"USER@remote.test">', "<USER@remote>", "<USER@REMOTE>", "<USER@remote.>",
    "<USER@remote\u3002test>", "<USER@remote\uff0etest>", "<USER@remote.test.uucp>", "<USER@remote.UUCP>",
    # Source routes.
    "<@localhost:USER@remote.test>", "<@other.test:USER@remote.test>", "<@other.test,@localhost:USER@remote.test>",
    "<@USER@remote.test>",
    # White space, comments, names, quotation.
    "< USER@remote.test>", "<USER@remote.test >", "<USER @remote.test>", "<USER@ remote.test>", "<USER@\tremote.test>",
    "<USER@remote .test>", "<USER(x)@remote.test>", "<(x)USER@remote.test>", "<USER@remote.test(x)>",
    "<Bob <USER@remote.test>>", "<<USER@remote.test>>", "<\\USER@remote.test>", "<U\\SER@remote.test>",
    '<"USER".@remote.test>', '<""USER@remote.test>', '<"USER "@remote.test>', '<" USER"@remote.test>',
    '<"\\"USER\\""@remote.test>',
    # Lists and groups.
    "<USER@remote.test,>", "<USER@remote.test;>", "<team:USER@remote.test;>", "<USER,USER@remote.test>",
    "<USER;@remote.test>", "<USER:USER@remote.test>", "<USER@remote.test>x", "<USER@remote.test..>",
]
# Others than these two: local mail goes on as ever, strangers' mail too.
OTHERS = ["<root>", "<Postmaster>", "<root@localhost>", "<root@LOCALHOST.>", "<root@mta.example.org>",
          "<root@localhost.example.org>", "<root@[127.0.0.1]>", '<"root">', "<bob.remote.test>", "<>", "<@>", "<root@>",
          "<eve@[192.0.2.1]>", "<eve@sub.other.test>", "<\"eve smith\"@other.test>", "<\".eve\"@other.test>",
          "<\"\"@other.test>", "<eve.@other.test>", "<eve|x@other.test>", "<bounce=eve=x.test@other.test>",
          "<" + "e" * 100 + "@other.test>", "<" + "e" * 300 + "@other.test>", "<ren\u00e9@other.test>",
          "<rene\u0301@other.test>", "<eve@b\u00fccher.test>", "<eve@xn--bcher-kva.test>", "<e\x01ve@other.test>",
          "<e\x7fve@other.test>"]


def of(form, user):
    """The form for bob or dave."""
    return (form.replace("US\\ER", user[:2] + "\\" + user[2:]).replace("U\\SER", user[:1] + "\\" + user[1:])
            .replace("USER", user))


FORMS = [of(form, user) for form in PLAIN + ODD for user in ("bob", "dave")] + OTHERS
# sendmail(1) is a process for each: every form once, half of them for Bob. It takes these for lists of several recipients.
LISTS = ["<@other.test,@localhost:USER@remote.test>", "<USER,USER@remote.test>", "<USER;@remote.test>", "<USER@remote.test>x",
         '<""USER@remote.test>']
FOR_COMMAND = [of(form, ("bob", "dave")[number % 2]) for number, form in enumerate(PLAIN + ODD) if form not in LISTS] + OTHERS

# What goes on today must go on: where one of these is refused by Lockbox, cron and applications lose mail.
LOCAL_MAIL = ["<root>", "<root@localhost>", "<root@LOCALHOST.>", "<root@mta.example.org>", "<root@localhost.example.org>",
              "<root@[127.0.0.1]>"]

# Local deliveries of Sendmail, whose arguments are -f SENDER RECIPIENT: from whom, to whom, and the message's queue id.
KEEP = """\
#!/bin/sh
id=$(awk 'match($0, /[ \\t]id [0-9A-Za-z]+/) && !found {{ found = 1; print substr($0, RSTART + 4, RLENGTH - 4) }}')
printf '%s\\t%s\\t%s\\n' "$2" "$3" "$id" >> {kept}
"""


class Arrival:
    """Where the mail server delivered a message, and how."""

    def __init__(self, address, queue_id, clear):
        self.address = address
        self.queue_id = queue_id
        self.clear = clear


def queue_id_of(content):
    """From the uppermost Received field: the mail server's own."""
    return re.search(rb"^Received:(?:.|\n(?=[ \t]))*?[ \t]id (\w+)", content).group(1).decode()


def arrivals_at(sink):
    """By reverse-path."""
    found = {}
    for delivery in list(sink.deliveries):
        for line in delivery.recipients:
            address = re.match(r"(?i)RCPT TO:<(.*)>", re.split(" (?:NOTIFY|ORCPT)=", line)[0]).group(1)
            found.setdefault(delivery.sender(), []).append(
                Arrival(address, queue_id_of(delivery.content), MARKER in delivery.content))
    return found


class PostfixServer:
    """Local mail goes to a server of its own, so that its last recipient can be seen."""

    domain = "example.org"  # myorigin

    def __init__(self, folder, tls, milter):
        self.sink = SmtpSink(tls)
        self.local = SmtpSink(tls)
        settings = {"mydestination": "$myhostname, localhost.$mydomain, localhost", "smtpd_hard_error_limit": "10000",
                    "smtpd_junk_command_limit": "10000", "local_transport": f"smtp:[{self.local.host}]:{self.local.port}"}
        self.mta = Postfix(folder / "postfix-forms", self.sink, milter.socket, tls, settings)

    def __enter__(self):
        self.mta.start()
        return self

    def __exit__(self, *unused):
        self.mta.stop()
        self.sink.close()
        self.local.close()

    def is_idle(self):
        self.mta.wake_pickup()
        return not self.mta.queue() and not self.mta.in_maildrop()

    def arrivals(self):
        found = arrivals_at(self.sink)
        for sender, arrived in arrivals_at(self.local).items():
            found.setdefault(sender, []).extend(arrived)
        return found


class SendmailServer:
    domain = "mta.example.org"

    def __init__(self, folder, milter):
        self.sink = SmtpSink()
        base = folder / "sendmail-forms"
        self.kept = folder.make("kept", mode=0o777) / "list"
        keep = folder / "keep"
        keep.write_text(KEEP.format(kept=self.kept))
        keep.chmod(0o755)
        extra = (f"define(`LOCAL_MAILER_PATH', `{keep}')\ndefine(`LOCAL_MAILER_ARGS', `keep $u')\n"
                 "MAILER(`local')")
        self.mta = Sendmail(base, self.sink, milter.socket, extra)
        for name in ("aliases", "local-host-names"):
            (base / name).write_text("")

    def __enter__(self):
        self.mta.start()
        return self

    def __exit__(self, *unused):
        self.mta.stop()
        self.sink.close()

    def is_idle(self):
        if self.mta.queue():
            self.mta.flush()
        return not self.mta.queue()

    def arrivals(self):
        found = arrivals_at(self.sink)
        for line in self.kept.read_text("utf-8", "surrogateescape").splitlines() if self.kept.exists() else []:
            sender, address, queue_id = line.split("\t")
            found.setdefault(sender, []).append(Arrival(address, queue_id, True))
        return found


@pytest.fixture(scope="module")
def forms_milter(folder, lockbox):
    """With a certificate for Bob, whose base address it is, and none for Dave."""
    with Milter(folder, lockbox, [*RULES, ("default-domain", "example.org")], name="forms") as milter:
        yield milter


@pytest.fixture(scope="module", params=["postfix", "sendmail"])
def server(request, folder, tls, forms_milter):
    made = (PostfixServer(folder, tls, forms_milter) if request.param == "postfix"
            else SendmailServer(folder, forms_milter))
    seen = len(forms_milter.lines())
    forms_milter.configure([*RULES, ("default-domain", made.domain)])
    forms_milter.reload()
    forms_milter.wait_for_line("reload: done", start=seen)
    with made:
        yield made


def over_smtp(server):
    """The replies, by reverse-path: to RCPT, or to the final dot."""
    replies = {}
    with server.mta.client() as client:
        for number, form in enumerate(FORMS):
            sender = f"smtp+{number}@example.org"
            octets = form.encode("utf-8")
            utf8 = " SMTPUTF8" if not octets.isascii() and "SMTPUTF8" in client.offers else ""
            assert client.command(f"MAIL FROM:<{sender}>{utf8}").code == 250
            reply = client.command(b"RCPT TO:" + octets)
            if reply.code == 250:
                assert client.command("DATA").code == 354
                reply = client.command(b"From: alice@example.org\r\nTo: undisclosed:;\r\nSubject: x\r\n\r\n" + MARKER + b"\r\n.")
            client.command("RSET")
            replies[sender] = reply
    return replies


def with_sendmail(server):
    """sendmail(1) gets what stands between the brackets."""
    def submit(form):
        sender = f"command+{FORMS.index(form)}@example.org"
        path = form.strip()[1:-1] if form.strip().startswith("<") and form.strip().endswith(">") else form
        done = server.mta.sendmail(sender, [path], b"From: alice@example.org\nTo: undisclosed:;\nSubject: x\n\n" + MARKER + b"\n")
        return sender, done.returncode
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return dict(pool.map(submit, FOR_COMMAND))


class Outcome:
    """What became of all forms on one way in."""

    def __init__(self, way, replies, arrivals):
        self.way = way
        self.replies = replies
        self.arrivals = arrivals

    def of(self, form):
        return self.arrivals.get(f"{self.way}+{FORMS.index(form)}@example.org", [])

    def reply(self, form):
        return self.replies.get(f"{self.way}+{FORMS.index(form)}@example.org")


@pytest.fixture(scope="module")
def outcomes(server):
    replies = {"smtp": over_smtp(server), "command": with_sendmail(server)}
    wait_for(server.is_idle, server.mta.tail, 120)
    arrivals = server.arrivals()
    return [Outcome(way, replies[way], arrivals) for way in ("smtp", "command")]


def normalised(address):
    """Local part without quotation marks, and domain in lower case, without its final dot, as A-labels; empty: Sendmail's local
    mail has none."""
    local_part, _, domain = address.rpartition("@") if "@" in address else (address, "", "")
    if local_part.startswith('"'):
        local_part = re.sub(r"\\(.)", r"\1", local_part[1:-1])
    domain = domain.lower().rstrip(".")
    return unicodedata.normalize("NFC", local_part), domain if domain.isascii() else domain.encode("idna").decode()


def test_the_text_reaches_bob_sealed_or_not_at_all_and_dave_not_at_all(outcomes):
    for outcome in outcomes:
        for form in FORMS:
            for arrival in outcome.of(form):
                local_part, domain = normalised(arrival.address)
                assert not (arrival.clear and domain.endswith("remote.test")), (outcome.way, form, arrival.address)
                assert not (local_part.startswith("dave") and domain == "remote.test"), (outcome.way, form, arrival.address)


def test_whom_the_mail_server_delivers_to_is_whom_lockbox_has_judged(outcomes, forms_milter, lockbox):
    """What the milter says about a message is the path that it was given; explain says how that path is read."""
    judged = {}
    for line in forms_milter.lines(": copy 1 of 1: "):
        found = re.search(r" (\w+): copy 1 of 1: .*?to=(\"?)(<.*>)\2, rule=", line)
        path = found.group(3)
        judged[found.group(1)] = re.sub(r"\\(.)", r"\1", path) if found.group(2) else path
    paths = sorted(set(judged.values()))
    arguments = [argument for path in paths for argument in ("--to", path)]
    answer = json.loads(lockbox.run("explain", "--json", "--config", forms_milter.config, "--from", "alice@example.org",
                                    *arguments, status=None))
    read_as = {recipient["path"]: recipient["address"] for recipient in answer["recipients"]}
    arrived = 0
    for outcome in outcomes:
        for form in FORMS:
            for arrival in outcome.of(form):
                arrived += 1
                path = judged[arrival.queue_id]
                address = read_as[path]
                assert address, (outcome.way, form, path, arrival.address)
                local_part, domain = normalised(arrival.address)
                if domain:
                    assert (local_part, domain) == normalised(address), (outcome.way, form, path, arrival.address)
                else:
                    assert local_part == normalised(address)[0], (outcome.way, form, path, arrival.address)
    assert arrived > 20


def test_a_form_that_nobody_can_tell_is_refused_with_553_that_shows_it(outcomes):
    """Where the mail server takes it: some it refuses by itself."""
    over = outcomes[0]
    refused = [form for form in FORMS if getattr(over.reply(form), "code", 0) == 553 and "5.1.3" in over.reply(form).text and
               "not a complete address" in over.reply(form).words]
    assert len(refused) > 40
    for form in refused:
        assert not over.of(form), form
    shown = over.reply("<dave%remote.test@localhost>")
    assert shown.code == 553 and "<dave%remote.test@localhost>" in shown.words


def test_local_mail_and_strangers_mail_go_on(outcomes):
    for outcome in outcomes:
        for form in LOCAL_MAIL + ["<eve@sub.other.test>", "<bounce=eve=x.test@other.test>", "<" + "e" * 100 + "@other.test>",
                                  "<eve@[192.0.2.1]>"]:
            assert outcome.of(form), (outcome.way, form, outcome.reply(form))


def test_bob_is_sealed_to_in_every_plain_form(outcomes):
    for outcome in outcomes:
        for form in PLAIN:
            plain = of(form, "bob")
            if outcome.way == "smtp":
                assert [arrival.clear for arrival in outcome.of(plain)] == [False], (plain, outcome.reply(plain))


def test_a_domain_that_postfix_completes_is_judged_as_postfix_completes_it(folder, sink, tls, forms_milter):
    """append_dot_mydomain makes bob@remote.test of bob@remote, and tells it in the macro {rcpt_addr}. It does not take the full
    stop of another script for one."""
    settings = {"mydomain": "test", "append_dot_mydomain": "yes"}
    with Postfix(folder / "completing", sink, forms_milter.socket, tls, settings) as postfix, postfix.client() as client:
        def send(sender, path):
            assert client.command(f"MAIL FROM:<{sender}> SMTPUTF8").code == 250
            assert client.command(f"RCPT TO:<{path}>".encode()).code == 250
            assert client.command("DATA").code == 354
            return client.command(b"From: alice@example.org\r\nTo: undisclosed:;\r\nSubject: x\r\n\r\n" + MARKER + b"\r\n.")
        assert send("completed+1@example.org", "bob@remote").code == 250
        delivery = sink.wait_for("completed+1@example.org", diagnosis=postfix.tail)
        assert delivery.addresses() == [BOB] and MARKER not in delivery.content
        refused = send("completed+2@example.org", "dave@remote")
        assert refused.code == 550 and DAVE in refused.words
        for number, path in enumerate(["bob@remote\u3002test", "bob@other.test@remote"], 3):
            assert send(f"completed+{number}@example.org", path).code == 553
        assert [delivery.sender() for delivery in sink.deliveries if delivery.sender().startswith("completed+")] == \
            ["completed+1@example.org"]
