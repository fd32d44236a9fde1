#!/bin/sh
# doctor.sh against stand-ins for dpkg-query, apt-get, id and sudo: what it finds, asks, runs and says.
set -u
here=$(cd "$(dirname "$0")" && pwd -P)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
passed=0
failed=0

stand_in() { # NAME, BODY
    printf '#!/bin/sh\n%s\n' "$2" >"$folder/bin/$1"
    chmod +x "$folder/bin/$1"
}

# A machine: root or not, sudo or not, online or not; `one` is installed, `two` and `three` are not.
machine() { # USER, SUDO, APT'S STATUS
    rm -rf "${folder:?}/bin" "$folder/log"
    mkdir "$folder/bin"
    for tool in sed awk sh dirname cat rm mkdir printf; do
        ln -s "$(command -v "$tool")" "$folder/bin/$tool"
    done
    printf 'one  first\ntwo  second # here\n# no\nthree  third\n' >"$folder/packages"
    stand_in dpkg-query "printf 'ii  one\nrc  two\n'"
    stand_in id "echo $1"
    stand_in apt-get "echo \"apt-get \$*\" >>'$folder/log'; case \$1 in install) exit $3 ;; esac"
    [ "$2" = yes ] && stand_in sudo "echo \"sudo \$*\" >>'$folder/log'; exec \"\$@\""
}

doctor() { # ARGUMENTS…; status, output and log are in variables then
    output=$(PATH="$folder/bin" CI="${ci:-}" ISOTOPE_PACKAGES="$folder/packages" sh "$here/doctor.sh" "$@" 2>&1 </dev/null)
    status=$?
    log=$(cat "$folder/log" 2>/dev/null)
}

expect() { # NAME, STATUS, PART OF OUTPUT, PART OF LOG ("-": none at all)
    good=yes
    [ "$status" = "$2" ] || good="status $status"
    case $output in *"$3"*) ;; *) good="output" ;; esac
    case $4 in
    -) [ -z "$log" ] || good="log" ;;
    *) case $log in *"$4"*) ;; *) good="log" ;; esac ;;
    esac
    if [ "$good" = yes ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED %s (%s)\n--- status %s, output:\n%s\n--- log:\n%s\n' "$1" "$good" "$status" "$output" "$log"
    fi
}

ci=
machine 0 no 0
doctor
expect "without a terminal it installs nothing and says how" 1 "doctor --yes" -
doctor --yes
expect "as root it installs with --yes" 0 "missing Debian packages: two three" "apt-get install -y -q --no-install-recommends two three"
expect "after renewing the lists" 0 "" "apt-get update"
doctor --list
expect "it lists what each is for" 1 "missing    two: second" "apt-get install"
doctor --nonsense
expect "an unknown option is refused" 2 "unknown option '--nonsense'" ""

machine 0 no 0
ci=true
doctor --before test
expect "under CI it installs at once" 0 "" "apt-get install -y"
ci=

machine 1000 no 0
doctor --yes
expect "without root and sudo it says what to run" 1 "As root, run: apt-get update && apt-get install" -

machine 1000 yes 0
doctor --yes
expect "with sudo it uses it" 0 "" "sudo apt-get install"

machine 0 no 100
doctor --yes
expect "offline it says what to fetch, and fails" 1 "Offline?" "apt-get install"

machine 0 no 0
stand_in dpkg-query "printf 'ii  one\nii  two\nhi  four\nii  three\n'"
doctor
expect "with everything there it says so" 0 "nothing is missing" -
doctor --before run
expect "and is silent before a command" 0 "" -
[ -z "$output" ] || { failed=$((failed + 1)); echo "FAILED silence: $output"; }

# On a terminal (script gives one) it asks.
asked() { # ANSWER
    script=$(command -v script)
    output=$(printf '%s\n' "$1" | PATH="$folder/bin" CI='' ISOTOPE_PACKAGES="$folder/packages" SHELL="$folder/bin/sh" \
        "$script" -qec "sh '$here/doctor.sh'" /dev/null 2>&1)
    status=$?
    log=$(cat "$folder/log" 2>/dev/null)
}
machine 0 no 0
asked n
expect "on a terminal it asks, and takes no for an answer" 1 "Install them now" -
asked y
expect "and yes" 0 "Install them now" "apt-get install -y"

machine 0 no 0
rm "$folder/bin/dpkg-query"
doctor
expect "elsewhere than on Debian it lists the tools" 1 "this is no Debian system" -

echo "$passed passed, $failed failed"
[ $failed = 0 ]
