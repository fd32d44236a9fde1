#!/bin/sh
# What a Debian machine lacks to build, run and test Isotope, and its installation through apt.
#
#   doctor.sh [--yes] [--list]   report; install after asking on a terminal, at once with --yes or CI=true
#   doctor.sh --before COMMAND   the same, but silent if nothing is missing
#
# Status: 0 nothing is missing (any more), 1 something is, 2 usage. apt and dpkg-query are taken from
# PATH, so that host/doctor/doctor_test.py can stand in for them.
set -u
here=$(cd "$(dirname "$0")" && pwd -P) || exit 1
packages=${ISOTOPE_PACKAGES:-$here/packages.txt}
yes=no
list=no
before=

usage() {
    cat <<'TEXT'
usage: ./isotope doctor [--yes] [--list]

Lists the Debian packages that are missing and installs them with apt: after asking on a
terminal, at once with --yes or when CI=true. --list only lists, with what each is for.
Without root or sudo, or offline, it says what to do.
TEXT
}

while [ $# -gt 0 ]; do
    case $1 in
    --yes) yes=yes ;;
    --list) list=yes ;;
    --before)
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        before=$2
        shift
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        echo "isotope doctor: unknown option '$1'" >&2
        usage >&2
        exit 2
        ;;
    esac
    shift
done
[ "${CI:-}" = true ] && yes=yes

if ! command -v dpkg-query >/dev/null 2>&1; then
    missing=
    for tool in make git python3 clang-22 ld.lld-22 qemu-system-x86_64; do
        command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
    done
    [ -z "$missing" ] && exit 0
    echo "isotope: this is no Debian system, so install these yourself:$missing" >&2
    exit 1
fi

wanted=$(sed -e 's/#.*//' "$packages" | awk 'NF { print $1 }')
installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 2>/dev/null | awk '$1 == "ii" { print $2 }')
missing=
for name in $wanted; do
    case "
$installed
" in
    *"
$name
"*) ;;
    *) missing="$missing $name" ;;
    esac
done
missing=${missing# }

if [ "$list" = yes ]; then
    for name in $wanted; do
        case " $missing " in *" $name "*) state=missing ;; *) state=installed ;; esac
        printf '%-10s %s\n' $state "$(sed -n "s/^\($name\)  */\1: /p" "$packages")"
    done
    [ -z "$missing" ]
    exit
fi
if [ -z "$missing" ]; then
    [ -z "$before" ] && echo "isotope: nothing is missing"
    exit 0
fi

echo "isotope: missing Debian packages: $missing" >&2
install="apt-get install --no-install-recommends $missing"
if [ "$(id -u)" = 0 ]; then
    become=
elif command -v sudo >/dev/null 2>&1; then
    become=sudo
else
    echo "isotope: not root, and no sudo. As root, run: apt-get update && $install" >&2
    exit 1
fi
if [ $yes = no ]; then
    if [ ! -t 0 ] || [ ! -t 2 ]; then
        echo "isotope: run './isotope doctor --yes', or yourself: $become apt-get update && $become $install" >&2
        exit 1
    fi
    printf 'Install them now with %s apt-get? [y/N] ' "$become" >&2
    read -r answer
    case $answer in [yY]*) ;; *) exit 1 ;; esac
fi
# A stale list names versions that mirrors no longer have, so it is always renewed; that this failed
# matters only if the installation fails too.
$become apt-get update -q >&2 || echo "isotope: apt-get update failed; trying with the old list" >&2
# shellcheck disable=SC2086 # a list of names
if ! DEBIAN_FRONTEND=noninteractive $become apt-get install -y -q --no-install-recommends $missing >&2; then
    release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release 2>/dev/null)
    cat >&2 <<TEXT
isotope: apt could not install them. Offline? Then fetch these packages elsewhere:
    $missing
clang-22 and its companions come from Debian's security archive (12 and 13); check that
/etc/apt/sources.list names it:  deb http://security.debian.org/debian-security ${release:-bookworm}-security main
TEXT
    exit 1
fi
