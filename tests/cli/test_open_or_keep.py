"""contrib/reader/lockbox-open-or-keep, and the filters of mail programs that call it: no message is ever lost."""

import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

import pytest

from support import places
from support.gnupg import GnuPgHome
from support.mime import HEADER, multipart, pgp_mime, text
from support.waiting import wait_for

BOB = "bob@example.org"
BODY = b"Attack at dawn.\n"
ENTITY = b"Content-Type: text/plain\r\n\r\n" + BODY.replace(b"\n", b"\r\n")
SCRIPT = places.SOURCE / "contrib" / "reader" / "lockbox-open-or-keep"
PLAIN = HEADER + b"\nplain\n\xff\x00\r\nline ends as they are\r\n"


@pytest.fixture
def sealed(bob_home):
    return HEADER + pgp_mime(bob_home.encrypt(ENTITY, BOB))


@pytest.fixture
def environment(lockbox, tmp_path):
    """Of the account that receives the mail: the filter in its PATH, and a place of its own for temporary files."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "lockbox").symlink_to(lockbox.program)
    (folder / "lockbox-open-or-keep").symlink_to(SCRIPT)
    (tmp_path / "tmp").mkdir()
    return {**lockbox.environment(), "PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(tmp_path),
            "TMPDIR": str(tmp_path / "tmp")}


def run(environment, message, *arguments, **options):
    options.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([SCRIPT, *arguments], input=message, stderr=subprocess.PIPE, env=environment, check=False, timeout=60,
                          **options)


def test_opens(environment, sealed, tmp_path):
    done = run(environment, sealed)
    assert done.returncode == 0 and done.stdout.endswith(b"\n\n" + BODY), done
    assert list((tmp_path / "tmp").iterdir()) == []


def test_keeps_the_line_of_an_mbox(environment, sealed):
    """procmail gives it to its filters."""
    line = b"From alice@example.com Thu Nov 26 10:00:00 2026\n"
    done = run(environment, line + sealed)
    assert done.stdout.startswith(line + b"From: ") and done.stdout.rstrip(b"\n").endswith(BODY.rstrip(b"\n"))


def test_keeps_what_it_cannot_open(environment, bob_home, carol_home, tmp_path):
    """To the octet: not sealed, in part, for somebody else, damaged."""
    armor = bob_home.encrypt(ENTITY, BOB).splitlines(keepends=True)
    armor[4], armor[5] = armor[5], armor[4]
    partly = multipart(b"mixed", pgp_mime(bob_home.encrypt(ENTITY, BOB)), text(b"footer"))
    for message in (PLAIN, b"", b"x", HEADER + partly, HEADER + pgp_mime(carol_home.encrypt(ENTITY, "carol@example.org")),
                    HEADER + pgp_mime(b"".join(armor))):
        done = run(environment, message)
        assert (done.returncode, done.stdout) == (0, message), done
    assert list((tmp_path / "tmp").iterdir()) == []


def test_keeps_it_without_lockbox(environment, sealed, tmp_path):
    for program in ("/nonexistent/lockbox", shutil.which("false"), tmp_path):
        done = run({**environment, "LOCKBOX": str(program)}, sealed)
        assert (done.returncode, done.stdout) == (0, sealed), program


def test_keeps_it_when_lockbox_is_killed(environment, sealed, tmp_path):
    killed = tmp_path / "killed"
    killed.write_text("#!/bin/sh\nprintf 'half a mess'\nkill -KILL $$\n", encoding="ascii")
    killed.chmod(0o755)
    done = run({**environment, "LOCKBOX": str(killed)}, sealed)
    assert (done.returncode, done.stdout) == (0, sealed)


def test_full_disk(environment, sealed):
    """No place for the message, and no place for the result: it is to be delivered again."""
    assert run({**environment, "TMPDIR": "/nonexistent"}, sealed).returncode == 75
    with open("/dev/full", "wb") as full:
        assert run(environment, sealed, stdout=full).returncode == 75


def test_terminated(environment, sealed, tmp_path):
    """Asked to end while it reads: 75, and nothing is left behind."""
    with subprocess.Popen([SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        process.stdin.write(sealed[:100])
        process.stdin.flush()
        folder = wait_for(lambda: list((tmp_path / "tmp").iterdir()), "a folder for the message")[0]
        wait_for(lambda: (folder / "received").exists(), "the beginning of the message")
        os.kill(process.pid, signal.SIGTERM)
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(timeout=60) == 75
    assert list((tmp_path / "tmp").iterdir()) == []


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def only_message(path):
    """What was delivered into the Maildir."""
    file, = (path / "new").iterdir()
    return file.read_bytes()


@needs("procmail")
def test_procmail(environment, sealed, tmp_path):
    recipe = tmp_path / "procmailrc"
    recipe.write_text(f"MAILDIR={tmp_path}\nDEFAULT={tmp_path}/Maildir/\nLOGFILE={tmp_path}/log\nPATH={environment['PATH']}\n"
                      "\n:0 fw\n| lockbox-open-or-keep\n", encoding="ascii")
    recipe.chmod(0o600)
    subprocess.run(["procmail", "-m", f"GNUPGHOME={environment['GNUPGHOME']}", f"TMPDIR={environment['TMPDIR']}", recipe],
                   input=sealed, env=environment, check=True, timeout=60)
    assert only_message(tmp_path / "Maildir").rstrip(b"\n").endswith(b"\n\n" + BODY.rstrip(b"\n"))


@needs("maildrop")
def test_maildrop(environment, sealed, tmp_path):
    for folder in ("cur", "new", "tmp"):
        (tmp_path / "Maildir" / folder).mkdir(parents=True)
    recipe = tmp_path / "mailfilter"
    recipe.write_text(f"import GNUPGHOME\nimport PATH\nimport TMPDIR\nxfilter \"lockbox-open-or-keep\"\nto \"{tmp_path}/Maildir\"\n",
                      encoding="ascii")
    recipe.chmod(0o600)
    done = subprocess.run(["maildrop", recipe], input=sealed, env=environment, check=False, timeout=60, capture_output=True)
    assert done.returncode == 0, done
    assert only_message(tmp_path / "Maildir").endswith(b"\n\n" + BODY)


@pytest.fixture
def place_of_nobody():
    """A folder of the account that mail is delivered to: Dovecot never does it as root."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="lbs", dir="/tmp"))
    folder.chmod(0o755)
    account = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    yield folder, account
    subprocess.run(["gpgconf", "--homedir", folder / "gnupg", "--kill", "all"], check=False, capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)


@needs("sieve-test")
def test_sieve(lockbox, bob_home, sealed, place_of_nobody):
    """Pigeonhole's extprograms, with sieve-test instead of a server that delivers: -e carries the actions out. Its package is
    not among those that the tests install, because it brings a server that would start with the machine."""
    folder, account = place_of_nobody
    version = subprocess.run(["dovecot", "--version"], capture_output=True, check=False).stdout.decode()
    if not version.startswith("2.3."):
        pytest.skip(f"the configuration below is that of Dovecot 2.3, here is {version.strip()}")
    for name in ("Maildir/cur", "Maildir/new", "Maildir/tmp", "filters", "bin", "tmp"):
        (folder / name).mkdir(parents=True)
    shutil.copy(lockbox.program, folder / "bin" / "lockbox")
    shutil.copy(SCRIPT, folder / "bin" / "lockbox-open-or-keep")
    GnuPgHome(folder / "gnupg").import_key(bob_home.export_secret(BOB))
    subprocess.run(["gpgconf", "--homedir", folder / "gnupg", "--kill", "all"], check=True)
    # Pigeonhole gives its filters an environment of its own.
    (folder / "filters" / "open").write_text(
        f"#!/bin/sh\nexport PATH={folder}/bin:$PATH GNUPGHOME={folder}/gnupg TMPDIR={folder}/tmp\n"
        "exec lockbox-open-or-keep\n", encoding="ascii")
    (folder / "filters" / "open").chmod(0o755)
    (folder / "script.sieve").write_text('require "vnd.dovecot.filter";\nfilter "open";\n', encoding="ascii")
    (folder / "message.eml").write_bytes(sealed)
    (folder / "dovecot.conf").write_text(
        f"mail_location = maildir:{folder}/Maildir\nbase_dir = {folder}/run\nmail_uid = {account.pw_uid}\n"
        f"mail_gid = {account.pw_gid}\nfirst_valid_uid = 1\nfirst_valid_gid = 0\n"
        f"plugin {{\n sieve_plugins = sieve_extprograms\n sieve_extensions = +vnd.dovecot.filter\n"
        f" sieve_filter_bin_dir = {folder}/filters\n}}\n", encoding="ascii")
    as_account = {}
    if os.getuid() == 0:
        subprocess.run(["chown", "-R", f"{account.pw_uid}:{account.pw_gid}", folder], check=True)
        as_account = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    done = subprocess.run(["sieve-test", "-c", folder / "dovecot.conf", "-e", "-l", f"maildir:{folder}/Maildir", "-x",
                           "+vnd.dovecot.filter", folder / "script.sieve", folder / "message.eml"], check=False, timeout=60,
                          capture_output=True, cwd=folder, env={"PATH": os.environ["PATH"], "HOME": str(folder)}, **as_account)
    assert done.returncode == 0, done
    assert only_message(folder / "Maildir").replace(b"\r\n", b"\n").endswith(b"\n\n" + BODY), done
