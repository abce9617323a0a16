#!/bin/bash
# Builds Lockbox and runs every test there is. The last line counts them; the exit status is 0 only when all steps succeeded and
# each of them ran something.
set -uo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
logs=$here/build/test-logs
steps=(dependencies release asan tsan checks unit threads cli miltertest mta)
export PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8
# Debian keeps mandoc, postfix(1) and others in sbin.
export PATH=$PATH:/usr/sbin:/sbin

usage() {
    cat <<END
Usage: tests/run.sh [--only STEP[,STEP...]] [--jobs N]

Installs what is missing (as root, or through sudo), builds, and runs the tests.

  --only   these steps alone, and the builds they need
  --jobs   compilers and unit tests at once (default: the number of processors)

Steps, in order:
  dependencies  install missing Debian packages: contrib/dependencies.sh test
  release       build what is installed
  asan          build with all warnings as errors, AddressSanitizer and UndefinedBehaviorSanitizer, and the unit tests
  tsan          build what has threads with ThreadSanitizer
  checks        includes point down, formatting, manual pages, scripts
  unit          unit tests, and the fuzzers over their stored corpus, under the sanitizers
  threads       the unit tests of what has threads, under ThreadSanitizer
  cli           conversations with the command lockbox
  miltertest    the milter protocol, under the sanitizers
  mta           real mail servers: needs root or sudo; begins when the release build has ended

What each step printed is kept in build/test-logs/.
END
}

die() {
    printf 'tests: error: %s\n' "$1" >&2
    exit 64 # EX_USAGE
}

jobs=$(nproc)
only=
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        usage
        exit 0
        ;;
    --only) only=${2-} && shift ;;
    --only=*) only=${1#*=} ;;
    --jobs) jobs=${2-} && shift ;;
    --jobs=*) jobs=${1#*=} ;;
    *) die "unknown argument $1; --help lists the known" ;;
    esac
    shift
done
[[ $jobs =~ ^[1-9][0-9]*$ ]] || die "--jobs wants a number"

# What a step needs to have been built.
needs() {
    case $1 in
    checks | dependencies | release | asan | tsan) ;;
    unit) echo asan ;;
    threads) echo tsan ;;
    cli | mta) echo release ;;
    miltertest) echo asan ;;
    esac
}

wanted=" ${steps[*]} "
if [ -n "$only" ]; then
    wanted=' '
    IFS=, read -r -a chosen <<<"$only"
    for step in "${chosen[@]}"; do
        [[ " ${steps[*]} " == *" $step "* ]] || die "there is no step $step; --help lists them"
        wanted+="$step $(needs "$step") "
    done
fi

passed=0 failed=0 skipped=0
failed_steps=()
ran_something=no

# The counts of a JUnit file, which ctest and pytest both write; the names of what failed go into a file. No file or no test in it is a failure.
count_tests() { # file
    local counts
    counts=$(/usr/bin/python3 - "$1" "$logs/failed-tests" <<'END'
import os, sys, xml.etree.ElementTree as tree
notes = os.fdopen(3, "w")
failures = open(sys.argv[2], "a")
try:
    cases = list(tree.parse(sys.argv[1]).iter("testcase"))
except (OSError, tree.ParseError):
    sys.exit(1)
bad = skipped = 0
for case in cases:
    kinds = {child.tag for child in case}
    if kinds & {"failure", "error"} or case.get("status") == "fail":
        bad += 1
        print(case.get("classname"), case.get("name"), file=failures)
    elif "skipped" in kinds or case.get("status") in ("notrun", "disabled"):
        skipped += 1
        reason = case.find("skipped")
        print("SKIPPED", case.get("name"), "-", reason.get("message") if reason is not None else "", file=notes)
print(len(cases) - bad - skipped, bad, skipped)
END
    ) || return 1
    local good bad missed
    read -r good bad missed <<<"$counts"
    passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + missed))
    if [ $((good + bad)) -eq 0 ]; then
        echo "no test ran" >&3
        return 1
    fi
    ran_something=yes
    printf '%d passed, %d failed, %d skipped\n' "$good" "$bad" "$missed" >&3
}

# What runs beside it goes first.
build() { # preset [target…]
    cmake --preset "$1" && nice -n 5 cmake --build --preset "$1" -j "$jobs" ${2+--target "${@:2}"}
}

run_ctest() { # preset [which]
    rm -f "$logs/$1.xml"
    ctest --test-dir "$here/build/$1" --no-tests=error --output-on-failure -j "$jobs" --output-junit "$logs/$1.xml" \
        --tests-regex "${2-.}"
    local status=$?
    count_tests "$logs/$1.xml" && return "$status"
}

pytest_suite() { # suite
    local as_root=()
    rm -f "$logs/$1.xml"
    if [ "$1" = mta ] && [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo env "PATH=$PATH" "PYTHONDONTWRITEBYTECODE=1" "LC_ALL=$LC_ALL"
            ${LOCKBOX_BIN_DIR+"LOCKBOX_BIN_DIR=$LOCKBOX_BIN_DIR"})
    fi
    # Most tests wait for mail servers and not for a processor: several files at once take half as long.
    (cd "$here/tests/$1" && "${as_root[@]}" /usr/bin/python3 -m pytest -p no:cacheprovider -q -rs --tb=short \
        -n "$((jobs + 1))" --dist loadgroup \
        --durations=5 --junitxml="$logs/$1.xml" .)
}

run_pytest() { # suite
    pytest_suite "$1"
    local status=$?
    count_tests "$logs/$1.xml" && return "$status"
}

# The tests with mail servers leave three quarters of the processors idle: they run beside what comes between the release build and
# their own step. In a process group of their own, for an interrupt has to reach pytest, which stops the servers.
mta_beside=
start_mta() {
    set -m
    pytest_suite mta </dev/null >"$logs/mta-beside.log" 2>&1 &
    mta_beside=$!
    set +m
}
stop_mta() {
    if [ -n "$mta_beside" ]; then
        kill -INT -- "-$mta_beside" 2>/dev/null || sudo -n kill -INT -- "-$mta_beside" 2>/dev/null
        wait "$mta_beside" 2>/dev/null
    fi
}
trap stop_mta EXIT

step_dependencies() { "$here/contrib/dependencies.sh" test; }
step_release() { build release; }
step_asan() { build asan; }
step_tsan() { build tsan test_keyring test_milter test_reader; }
step_unit() { run_ctest asan; }
step_threads() { TSAN_OPTIONS="suppressions=$here/tests/tsan.supp" run_ctest tsan '^(keyring|milter|reader):'; }
step_cli() { run_pytest cli; }
step_miltertest() { run_pytest miltertest; }
step_mta() {
    wait "$mta_beside"
    local status=$?
    mta_beside=
    if [ "$(id -u)" -ne 0 ]; then
        sudo chown -R "$(id -u):$(id -g)" "$here/build"
    fi
    cat "$logs/mta-beside.log"
    count_tests "$logs/mta.xml" && return "$status"
}

# Every check runs, whatever the one before said.
step_checks() {
    local status=0 page
    check() { # what, command…
        if "${@:2}"; then
            passed=$((passed + 1))
            ran_something=yes
        else
            echo "FAILED: $1"
            failed=$((failed + 1))
            status=1
        fi
    }
    check "an include points the wrong way" tests/check_includes.sh
    # Other versions of clang-format have other opinions.
    if clang-format --version | grep -q 'version 14\.'; then
        check "clang-format would change something" sh -c \
            "find base mail crypto keyring policy reader milter cli tests -name '*.[ch]pp' -print0 | xargs -0 clang-format --dry-run -Werror"
    else
        echo "SKIPPED the formatting: it is that of clang-format 14, here is $(clang-format --version)" >&3
        skipped=$((skipped + 1))
    fi
    for page in cli/lockbox.1 policy/lockbox.conf.5 milter/lockbox-milter.8; do
        check "$page" mandoc -T lint -W warning "$page"
    done
    check "a test uses a name that nobody defines" sh -c "find tests -name '*.py' -print0 | xargs -0 pyflakes3"
    check "a shell script" shellcheck --severity=warning contrib/dependencies.sh contrib/demo.sh contrib/reader/lockbox-open-or-keep \
        contrib/reader/notmuch-post-new tests/*.sh .ci/run
    return "$status"
}

duration() { # seconds
    if [ "$1" -ge 60 ]; then
        printf '%d min %d s' $(($1 / 60)) $(($1 % 60))
    else
        printf '%d s' "$1"
    fi
}

cd "$here" || exit 70
mkdir -p "$logs"
: >"$logs/failed-tests"
start=$SECONDS
for step in "${steps[@]}"; do
    [[ $wanted == *" $step "* ]] || continue
    printf '── %s ' "$step"
    began=$SECONDS
    notes=$logs/$step.notes
    # In this shell, not a subshell: the counters are counted here. What a reader should see goes to descriptor 3.
    ran_something=no
    "step_$step" >"$logs/$step.log" 2>&1 3>"$notes"
    status=$?
    case $step in
    unit | threads | cli | miltertest | mta | checks)
        [ "$ran_something" = yes ] || status=1
        ;;
    esac
    printf '(%s)%s\n' "$(duration $((SECONDS - began)))" "$([ "$status" -eq 0 ] || echo ' FAILED')"
    sed 's/^/   /' "$notes"
    if [ "$status" -ne 0 ]; then
        failed_steps+=("$step")
        tail -n 150 "$logs/$step.log" | sed 's/^/   │ /'
        case $step in
        # Nothing after these could mean anything.
        dependencies | release) break ;;
        esac
    fi
    if [ "$step" = release ] && [[ $wanted == *" mta "* ]]; then
        start_mta
    fi
done

took=$(duration $((SECONDS - start)))
if [ -z "$only" ] && [ "$passed" -eq 0 ]; then
    failed_steps+=("everything: no test ran")
fi
if [ ${#failed_steps[@]} -gt 0 ]; then
    # Once more at the end: logs are often read, and kept, from there.
    sed 's/^/FAILED: /' "$logs/failed-tests"
    printf 'FAILED in %s: %s\n' "$took" "${failed_steps[*]}"
else
    printf 'All is well, in %s.\n' "$took"
fi
printf 'tests: %d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ ${#failed_steps[@]} -eq 0 ]
