"""Whole mailboxes: a Maildir and an mbox full of mail sealed by five programs, and of some that cannot be opened."""

import mailbox
import os
import re
import signal
import subprocess

import pytest

from support import cms
from support.command import Command
from support.mime import HEADER, multipart, pgp_mime, smime, text
from support.smime import SmimeKeys
from support.waiting import wait_for
from test_received_forms import BODY, ENTITY, by_gpg, by_rnp, by_sq

BOB = "bob@example.org"
SEALED = ["gpg", "sq", "rnp", "openssl", "lockbox"]
DATE = 1_700_000_000
SECRET_WORD = b"Attack at dawn"


@pytest.fixture(scope="module")
def smime_keys():
    with SmimeKeys() as keys:
        keys.make(BOB, "rsa2048")
        yield keys


@pytest.fixture
def key_options(smime_keys, tmp_path):
    key = tmp_path / "bob.key.pem"
    key.write_bytes(smime_keys.key_of(BOB).read_bytes() + smime_keys.certificate_of(BOB).read_bytes())
    key.chmod(0o600)
    return ["--key", key]


@pytest.fixture
def mail(lockbox, bob_home, carol_home, smime_keys, tmp_path):
    """Name and octets of each message."""
    lockbox.import_from(bob_home, BOB)
    plain = HEADER + b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + BODY
    damaged = bob_home.encrypt(ENTITY, BOB).splitlines(keepends=True)
    damaged[5], damaged[6] = damaged[6], damaged[5]
    cbc = cms.openssl("cms", "-encrypt", "-aes256", "-binary", "-outform", "DER", smime_keys.certificate_of(BOB), input=ENTITY)
    return {
        "gpg": HEADER + pgp_mime(by_gpg(bob_home, tmp_path, ENTITY)),
        "sq": HEADER + pgp_mime(by_sq(bob_home, tmp_path, ENTITY)),
        "rnp": HEADER + pgp_mime(by_rnp(bob_home, tmp_path, ENTITY)),
        "openssl": HEADER + smime(cbc),
        "lockbox": lockbox.run("encrypt", "--to", BOB, input=plain).out.replace(b"\r\n", b"\n"),
        "plain": plain,
        "nokey": HEADER + pgp_mime(carol_home.encrypt(ENTITY, "carol@example.org")),
        "damaged": HEADER + pgp_mime(b"".join(damaged)),
        "partly": HEADER + multipart(b"mixed", text(b"<p>", b"html"), pgp_mime(bob_home.encrypt(ENTITY, BOB))),
    }


def make_maildir(path, mail):
    for folder in ("cur", "new", "tmp", ".Archive/cur", ".Archive/new", ".Archive/tmp"):
        (path / folder).mkdir(parents=True)
    for number, (name, octets) in enumerate(mail.items()):
        folder = path / (".Archive/cur" if number % 3 == 0 else "cur")
        file = folder / f"{DATE + number}.{name}.host:2,FS"
        file.write_bytes(octets)
        os.utime(file, (DATE + number, DATE + number))
    return path


def files_in(path):
    return {file.relative_to(path): file for file in path.rglob("*") if file.is_file()}


def check_maildir(path, mail):
    """Everything is there once, with its name, flags and date; what could be opened is open, the rest as it was."""
    found = files_in(path)
    assert len(found) == len(mail)
    for number, (name, octets) in enumerate(mail.items()):
        file, = [file for file in found.values() if f".{name}.host:2,FS" in file.name]
        assert file.stat().st_mtime == DATE + number, name
        assert (".Archive" in str(file)) == (number % 3 == 0)
        if name in SEALED:
            assert file.read_bytes().endswith(b"\n\n" + BODY), name
        else:
            assert file.read_bytes() == octets, name


SUMMARY = "9 messages: 5 opened, 1 partly sealed, 1 not sealed, 1 no key, 1 damaged"


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_maildir_in_place(lockbox, mail, key_options, tmp_path, jobs):
    path = make_maildir(tmp_path / "Maildir", mail)
    result = lockbox.run("decrypt", "--in-place", "--jobs", jobs, *key_options, path)
    assert (result.status, result.out) == (65, b""), result
    assert SUMMARY in result.err
    for name in ("nokey", "damaged", "partly"):
        assert any(f".{name}.host" in line for line in result.err.splitlines()), name
    check_maildir(path, mail)
    again = lockbox.run("decrypt", "--in-place", *key_options, path)
    assert "9 messages: 1 partly sealed, 6 not sealed, 1 no key, 1 damaged" in again.err
    check_maildir(path, mail)


def test_maildir_to_another(lockbox, mail, key_options, tmp_path):
    path = make_maildir(tmp_path / "Maildir", mail)
    before = {name: file.read_bytes() for name, file in files_in(path).items()}
    result = lockbox.run("decrypt", "--output", tmp_path / "opened", *key_options, path)
    assert result.status == 65 and SUMMARY in result.err, result
    check_maildir(tmp_path / "opened", mail)
    assert {name: file.read_bytes() for name, file in files_in(path).items()} == before
    assert len(mailbox.Maildir(tmp_path / "opened", create=False)) == 6


def test_maildir_needs_a_place(lockbox, mail, tmp_path):
    result = lockbox.run("decrypt", make_maildir(tmp_path / "Maildir", mail))
    assert (result.status, result.out) == (64, b"") and "--in-place" in result.err, result


def as_mbox(mail):
    return b"".join(b"From alice@example.com Thu Nov 26 10:00:%02d 2026\n" % number + octets + b"\n"
                    for number, octets in enumerate(mail.values()))


def check_mbox(path, mail):
    with open(path, "rb") as file:
        octets = file.read()
    box = mailbox.mbox(path, create=False)
    assert len(box) == len(mail)
    for number, (name, original) in enumerate(mail.items()):
        assert b"From alice@example.com Thu Nov 26 10:00:%02d 2026\n" % number in octets
        message = box.get_bytes(number)
        assert message.endswith(b"\n\n" + BODY) if name in SEALED else message == original, name
    box.close()


def test_mbox(lockbox, mail, key_options, tmp_path):
    path = lockbox.file("box", as_mbox(mail))
    os.utime(path, (DATE, DATE))
    path.chmod(0o640)
    to_pipe = lockbox.run("decrypt", *key_options, path)
    assert to_pipe.status == 65 and SUMMARY in to_pipe.err, to_pipe
    assert path.read_bytes() == as_mbox(mail)
    to_file = lockbox.run("decrypt", *key_options, "--output", tmp_path / "opened", path)
    assert to_file.status == 65
    piped = lockbox.run("decrypt", *key_options, input=as_mbox(mail))
    assert piped.out == to_pipe.out == (tmp_path / "opened").read_bytes()
    in_place = lockbox.run("decrypt", "--in-place", *key_options, path)
    assert (in_place.status, in_place.out) == (65, b""), in_place
    assert path.read_bytes() == to_pipe.out
    assert path.stat().st_mode & 0o777 == 0o640
    check_mbox(path, mail)


def test_json(lockbox, mail, key_options, tmp_path):
    path = make_maildir(tmp_path / "Maildir", mail)
    before = {name: file.read_bytes() for name, file in files_in(path).items()}
    result = lockbox.run("decrypt", "--json", *key_options, path)
    outcomes = {entry["name"].split(".host")[0].rsplit(".", 1)[1]: entry["outcome"] for entry in result.json["messages"]}
    assert outcomes == {**{name: "opened" for name in SEALED}, "plain": "nothing-to-open", "nokey": "no-key",
                        "damaged": "damaged", "partly": "partly-sealed"}
    assert {name: file.read_bytes() for name, file in files_in(path).items()} == before  # only reported


def test_nothing_sealed(lockbox, mail, tmp_path):
    path = make_maildir(tmp_path / "Maildir", {"plain": mail["plain"]})
    assert lockbox.run("decrypt", "--in-place", path).status == 1


def test_killed_and_run_again(lockbox, bob_home, tmp_path):
    """SIGKILL in the middle: each message is the old or the new one, and the next run does the rest."""
    mail = {f"n{number:03}": HEADER + pgp_mime(bob_home.encrypt(ENTITY, BOB)) for number in range(30)}
    path = make_maildir(tmp_path / "Maildir", mail)
    command = Command(tmp_path, bob_home)

    def opened():
        return [file for file in files_in(path).values() if file.read_bytes().endswith(b"\n\n" + BODY)]

    with subprocess.Popen([command.program, "decrypt", "--in-place", path], stderr=subprocess.DEVNULL,
                          env=command.environment()) as process:
        wait_for(opened, "a first message that is open")
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
    for file in files_in(path).values():
        if "/tmp/" not in str(file.relative_to(path.parent)):
            name = file.name.split(".")[1]
            assert file.read_bytes() == mail[name] or file.read_bytes().endswith(b"\n\n" + BODY)
    assert lockbox.run("decrypt", "--in-place", path).status == 0
    assert len(opened()) == len(files_in(path)) == len(mail)


# --- What else is kept ---

def one(path, name, octets, folder="cur"):
    for each in ("cur", "new", "tmp"):
        (path / each).mkdir(parents=True, exist_ok=True)
    file = path / folder / name
    file.write_bytes(octets)
    os.utime(file, (DATE, DATE))
    return file


def is_open(octets):
    return octets.endswith(b"\n\n" + BODY)


def test_new_mail_stays_new(lockbox, mail, tmp_path):
    """A message in new/ has no flags and is not read because it was opened."""
    file = one(tmp_path / "Maildir", f"{DATE}.M1P1.host", mail["gpg"], "new")
    result = lockbox.run("decrypt", "--in-place", tmp_path / "Maildir")
    assert result.status == 0, result
    found, = files_in(tmp_path / "Maildir").values()
    assert found.parent == file.parent and is_open(found.read_bytes()) and found.stat().st_mtime == DATE
    assert ":2," not in found.name


def test_unfinished_deliveries_are_left_alone(lockbox, mail, tmp_path):
    """tmp/ belongs to whoever delivers; and files whose names begin with a dot are no messages."""
    path = tmp_path / "Maildir"
    others = [one(path, "1.M1P1.host", mail["gpg"], "tmp"), one(path, ".hidden", mail["gpg"])]
    (path / "dovecot-uidlist").write_text("3 V1 N2\n")
    result = lockbox.run("decrypt", "--in-place", path)
    assert result.status == 1, result
    assert all(file.read_bytes() == mail["gpg"] for file in others)
    assert (path / "dovecot-uidlist").read_text() == "3 V1 N2\n"


def test_sizes_in_the_name(lockbox, mail, tmp_path):
    """Dovecot and Courier write the size into the name, and report a message that has another as broken."""
    octets = mail["gpg"]
    one(tmp_path / "Maildir", f"{DATE}.M1P1.host,S={len(octets)},W={len(octets) + octets.count(10)}:2,FRS", octets)
    result = lockbox.run("decrypt", "--in-place", tmp_path / "Maildir")
    assert result.status == 0, result
    found, = files_in(tmp_path / "Maildir").values()
    opened = found.read_bytes()
    assert is_open(opened) and found.name.endswith(":2,FRS") and found.name.startswith(f"{DATE}.M1P1.host")
    for field in found.name.partition(":2,")[0].split(",")[1:]:
        assert field in (f"S={len(opened)}", f"W={len(opened) + opened.count(10)}"), found.name


def test_linked_message(lockbox, mail, tmp_path):
    """A symbolic link to a message elsewhere: what is elsewhere is not the mailbox's, and stays as it is."""
    elsewhere = lockbox.file("elsewhere.eml", mail["gpg"])
    one(tmp_path / "Maildir", f"{DATE}.M1P1.host:2,S", mail["gpg"])
    (tmp_path / "Maildir" / "cur" / f"{DATE}.M2P2.host:2,S").symlink_to(elsewhere)
    lockbox.run("decrypt", "--in-place", tmp_path / "Maildir")
    assert elsewhere.read_bytes() == mail["gpg"]


def test_modes_stay(lockbox, mail, tmp_path):
    file = one(tmp_path / "Maildir", f"{DATE}.M1P1.host:2,S", mail["gpg"])
    file.chmod(0o640)
    assert lockbox.run("decrypt", "--in-place", tmp_path / "Maildir").status == 0
    found, = files_in(tmp_path / "Maildir").values()
    assert is_open(found.read_bytes()) and found.stat().st_mode & 0o777 == 0o640


def test_no_place_left(lockbox, mail, key_options, tmp_path):
    """Nothing is lost where nothing can be written: 74, and every message as it was."""
    path = tmp_path / "full"
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=100", "lockbox-test", path], check=False,
                      capture_output=True).returncode:
        pytest.skip("only who may mount can make a small file system")
    try:
        maildir = path / "Maildir"
        file = one(maildir, f"{DATE}.M1P1.host:2,S", mail["gpg"])
        with open(path / "rest", "wb", buffering=0) as rest:
            try:
                while True:
                    rest.write(bytes(4096))
            except OSError:  # there it is full
                pass
        result = lockbox.run("decrypt", "--in-place", *key_options, maildir)
        assert result.status == 74, result
        assert file.read_bytes() == mail["gpg"] and len(files_in(maildir)) == 1
    finally:
        subprocess.run(["umount", "--lazy", path], check=False)


def test_output_that_is_there_already(lockbox, mail, tmp_path):
    """A new Maildir is made; another's is not filled with what is not its own."""
    path = make_maildir(tmp_path / "Maildir", {"gpg": mail["gpg"]})
    kept = lockbox.file("opened", b"precious")
    result = lockbox.run("decrypt", "--output", kept, path)
    assert result.status not in (0, 1, 2) and kept.read_bytes() == b"precious", result
    result = lockbox.run("decrypt", "--output", path / "cur", path)
    assert result.status not in (0, 1, 2) and len(files_in(path)) == 1, result


def test_missing_path(lockbox, tmp_path):
    assert lockbox.run("decrypt", "--in-place", tmp_path / "missing").status == 66
    (tmp_path / "no-maildir").mkdir()
    result = lockbox.run("decrypt", "--in-place", tmp_path / "no-maildir")
    assert result.status in (64, 65, 66) and "Maildir" in result.err, result


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_order_of_the_report(lockbox, mail, key_options, tmp_path, jobs):
    """However many are opened at once, each message keeps its place, in an mbox and in the report."""
    path = lockbox.file("box", as_mbox(mail))
    result = lockbox.run("decrypt", "--json", "--jobs", jobs, "--output", tmp_path / "opened", *key_options, path)
    assert [entry["name"].rpartition(":")[2] for entry in result.json["messages"]] == [str(n) for n in range(1, len(mail) + 1)]
    check_mbox(tmp_path / "opened", mail)


def test_json_of_both_agrees_with_the_words(lockbox, mail, key_options, tmp_path):
    """Who reads the report with a program learns what a person does."""
    path = make_maildir(tmp_path / "Maildir", mail)
    result = lockbox.run("decrypt", "--json", "--in-place", *key_options, path)
    assert result.status == 65
    for entry in result.json["messages"]:
        name = entry["name"].split(".host")[0].rsplit(".", 1)[1]
        assert (entry["outcome"] == "opened") == (name in SEALED)
        assert (entry["reason"] is None) == (entry["outcome"] in ("opened", "nothing-to-open", "partly-sealed")), entry
        assert SECRET_WORD not in str(entry).encode()
    check_maildir(path, mail)


def test_lines_that_begin_with_from(lockbox, bob_home, tmp_path):
    """What was sealed has lines that begin an mbox message; once opened, they begin none."""
    body = b"From here\nFrom alice@example.com Thu Nov 26 10:00:00 2026\nSubject: forged\n\n>From there\nend\n"
    entity = b"Content-Type: text/plain\r\n\r\n" + body.replace(b"\n", b"\r\n")
    messages = [HEADER + pgp_mime(bob_home.encrypt(entity, BOB)), HEADER + b"\nlast\n"]
    path = lockbox.file("box", b"".join(b"From alice@example.com Thu Nov 26 10:00:00 2026\n" + octets + b"\n"
                                        for octets in messages))
    assert lockbox.run("decrypt", "--in-place", path).status == 0
    box = mailbox.mbox(path, create=False)
    assert len(box) == 2 and box.get_bytes(1) == messages[1]
    opened = box.get_bytes(0)
    assert re.sub(rb"(?m)^>(>*From )", rb"\1", opened).endswith(b"\n\n" + body), opened  # as mboxrd has it
    box.close()


def test_lengths_in_an_mbox(lockbox, bob_home, tmp_path):
    """Content-Length and Lines, as some servers write them, count the sealed body: a reader that believes them loses the rest."""
    message = HEADER + pgp_mime(bob_home.encrypt(ENTITY, BOB))
    head, body = message.split(b"\n\n", 1)
    counted = head + b"\nStatus: RO\nContent-Length: %d\nLines: %d\nX-Status: F\n\n" % (len(body), body.count(b"\n")) + body
    begin = b"From alice@example.com Thu Nov 26 10:00:00 2026\n"
    path = lockbox.file("box", begin + counted + b"\n" + begin + HEADER + b"\nlast\n\n")
    assert lockbox.run("decrypt", "--in-place", path).status == 0
    opened = mailbox.mbox(path, create=False)
    assert len(opened) == 2 and is_open(opened.get_bytes(0))
    assert opened[0].get_flags() == "ROF"
    for name, right in (("Content-Length", len(BODY)), ("Lines", BODY.count(b"\n"))):
        assert opened[0][name] in (None, str(right)), opened[0][name]
    opened.close()


def test_mbox_with_crlf(lockbox, mail, key_options, tmp_path):
    path = lockbox.file("box", as_mbox(mail).replace(b"\n", b"\r\n"))
    result = lockbox.run("decrypt", *key_options, path)
    assert result.status == 65 and SUMMARY in result.err, result
    assert result.out.count(b"\r\n") == result.out.count(b"\n")
    path.write_bytes(result.out.replace(b"\r\n", b"\n"))
    check_mbox(path, mail)


def test_mbox_that_is_cut_off(lockbox, mail):
    octets = as_mbox({name: mail[name] for name in ("gpg", "plain", "sq")})
    path = lockbox.file("box", octets[:-300])
    result = lockbox.run("decrypt", path)
    assert result.status == 65 and "1 opened, 1 not sealed, 1 damaged" in result.err, result
    assert result.out.endswith(octets[octets.index(b"\n" + mail["plain"]):-300]), result


def test_mbox_without_its_last_line_end(lockbox, mail):
    octets = as_mbox({name: mail[name] for name in ("plain", "gpg")})
    for missing in (1, 2):
        result = lockbox.run("decrypt", lockbox.file("box", octets[:-missing]))
        assert result.status == 0 and result.out.rstrip(b"\n").endswith(BODY.rstrip(b"\n")), result


def test_mbox_without_empty_lines(lockbox, mail):
    """RFC 4155 wants one before each "From " line; without it that line may be a line of the text, and is left in it."""
    octets = as_mbox({name: mail[name] for name in ("gpg", "plain", "sq")}).replace(b"\n\nFrom ", b"\nFrom ")
    result = lockbox.run("decrypt", lockbox.file("box", octets))
    assert result.out == octets or result.out.count(b"Attack at dawn") == 3, result


def test_mbox_killed_and_run_again(lockbox, bob_home, tmp_path):
    """SIGKILL while an mbox is written anew: the old one is there, whole, and the next run does it all."""
    mail = {f"n{number:03}": HEADER + pgp_mime(bob_home.encrypt(ENTITY, BOB)) for number in range(30)}
    octets = b"".join(b"From alice@example.com Thu Nov 26 10:00:00 2026\n" + message + b"\n" for message in mail.values())
    path = lockbox.file("box", octets)
    command = Command(tmp_path, bob_home)
    with subprocess.Popen([command.program, "decrypt", "--in-place", path], stderr=subprocess.DEVNULL,
                          env=command.environment()) as process:
        wait_for(lambda: (tmp_path / ".box.lockbox").exists() or process.poll() is not None, "the new file")
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
    assert path.read_bytes() == octets
    again = lockbox.run("decrypt", "--in-place", path)
    assert again.status == 0, again  # the lock of a process that is dead does not stop it
    box = mailbox.mbox(path, create=False)
    assert len(box) == 30 and all(is_open(box.get_bytes(number)) for number in range(30))
    box.close()
    assert sorted(file.name for file in tmp_path.iterdir() if "box" in file.name) == ["box"]


def test_terminated_in_the_middle(lockbox, bob_home, tmp_path):
    """Ctrl-C: the message at hand is finished, nothing of ours is left lying about, and the status says what happened. Whoever
    runs the tests in the background of a script has them ignore it."""
    mail = {f"n{number:03}": HEADER + pgp_mime(bob_home.encrypt(ENTITY, BOB)) for number in range(60)}
    path = make_maildir(tmp_path / "Maildir", mail)
    command = Command(tmp_path, bob_home)
    with subprocess.Popen([command.program, "decrypt", "--in-place", path], stderr=subprocess.PIPE, env=command.environment(),
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as process:
        wait_for(lambda: any(is_open(file.read_bytes()) for file in files_in(path).values() if file.exists()), "a message")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode in (-signal.SIGINT, 128 + signal.SIGINT), err
    found = files_in(path).values()
    assert len(found) == len(mail)
    for file in found:
        assert is_open(file.read_bytes()) or file.read_bytes() == mail[file.name.split(".")[1]]
    assert lockbox.run("decrypt", "--in-place", path).status == 0
    assert all(is_open(file.read_bytes()) for file in files_in(path).values())


def test_many_names_that_a_terminal_would_obey(lockbox, mail, tmp_path):
    """A file name, too, is written by whoever delivers."""
    one(tmp_path / "Maildir", f"{DATE}.\x1b[2J\x07.host:2,S", mail["nokey"])
    result = lockbox.run("decrypt", "--in-place", tmp_path / "Maildir")
    assert result.status == 77 and "\x1b" not in result.err and "\x07" not in result.err, result


def test_one_message_in_place(lockbox, mail):
    """Mode and date stay; what cannot be opened stays as it was."""
    for name in ("gpg", "nokey", "plain"):
        file = lockbox.file(f"{name}.eml", mail[name])
        file.chmod(0o640)
        os.utime(file, (DATE, DATE))
        result = lockbox.run("decrypt", "--in-place", file)
        assert result.out == b""
        assert file.stat().st_mode & 0o777 == 0o640 and file.stat().st_mtime == DATE
        if name == "gpg":
            assert result.status == 0 and file.read_bytes().endswith(b"\n\n" + BODY)
        else:
            assert result.status in (1, 77) and file.read_bytes() == mail[name]
    for arguments in (["--in-place", "-"], ["--in-place", "--output", "x", file], ["--in-place", "--part", "1", file],
                      ["--jobs", "2", file]):
        assert lockbox.run("decrypt", *arguments, input=mail["gpg"]).status == 64, arguments
