# A session of bash: what a shell asks of a system beyond what busybox's does.
umask 022
mkdir work && cd work || exit 1
echo "== expansion"
declare -A colour=([sky]=blue [grass]=green [sun]=yellow)
for key in $(printf '%s\n' "${!colour[@]}" | sort); do echo "$key=${colour[$key]}"; done
numbers=({1..20..3}); echo "${numbers[@]}" "${#numbers[@]}" "${numbers[-1]}" "${numbers[@]:2:3}"
text=Hello; echo "${text,,} ${text^^} ${text:1:3} ${text/l/L} ${text//l/L} ${text#He} ${#text}"
shopt -s extglob nullglob
touch a.c b.c c.h 'd e'; echo *.c !(*.c) none*
[[ key=value42 =~ ^([a-z]+)=([a-z]+)([0-9]+)$ ]] && echo "${BASH_REMATCH[@]:1}"
printf -v padded '%08.3f|%-6s|%x' 3.14159 ab 255; echo "$padded"
printf '%(%Y-%m-%d %H:%M:%S)T\n' 86399
echo $((2**40 % 1000003)) $((0x1f | 8#17)) $((5 > 3 ? 10 : 20))

echo "== descriptors"
exec 5<>both; echo one >&5; echo two >&5; exec 5<&-; cat both
exec {fd}>named; echo "by number" >&"$fd"; exec {fd}>&-; cat named
cat <<<"a here-string"
cat <(echo left) <(echo right)
echo through > >(tr a-z A-Z >upper); while [ ! -s upper ]; do sleep 0.01; done; cat upper
diff <(seq 1 5) <(seq 1 5 | sed s/3/x/)
mapfile -t lines < <(seq 3 6); echo "${lines[*]}"
while IFS=: read -r name rest; do echo "$name/$rest"; done <<END
root:0:0
user:1000:1000
END
read -r -n 3 part < both; echo "$part"; read -r -d w part < both; echo "${part//$'\n'/+}"
{ echo out; echo err >&2; } 2>&1 | sort
echo more >>both; wc -l <both
set -o noclobber; echo x >both; echo "status $?"; set +o noclobber

echo "== processes"
(exit 3); echo "status $?"
false | true | false; echo "${PIPESTATUS[@]}"
set -o pipefail; false | true; echo "pipefail $?"; set +o pipefail
for i in 3 1 2; do (exit $i) & done; total=0
for i in 1 2 3; do wait -n; total=$((total + $?)); done; echo "sum of statuses $total"
coproc upper { while read -r line; do echo "${line^^}"; done; }
echo hello >&"${upper[1]}"; read -r answer <&"${upper[0]}"; echo "$answer"
exec {upper[1]}>&-; wait "$upper_PID"; echo "coprocess $?"
sleep 100 & victim=$!; kill -TERM $victim; wait $victim; echo "killed $?"
sleep 100 & kill -STOP $!; kill -CONT $!; kill -KILL $!; wait $! 2>/dev/null; echo "killed $?"
trap 'echo "got USR1"' USR1; kill -USR1 $BASHPID; trap - USR1
trap 'echo "error in line $LINENO"' ERR; false; trap - ERR
( trap 'echo "leaving"' EXIT; exit 4 ); echo "status $?"
[ "$BASHPID" = "$$" ] && echo same; ( [ "$BASHPID" = "$$" ] || echo other )
none 2>missing; echo "status $?"; cat missing
./a.c 2>refused; echo "status $?"; cat refused
printf '#!/bin/sh\necho "script with $# arguments: $*"\n' >script; chmod +x script; ./script x 'y z'
exec -a other "$BASH" -c 'echo "I am $0"' & wait $!
set -m; sleep 0.01 & wait %1; echo "job $?"; set +m
timeout_reached() { read -r -t 0.05 line < <(sleep 1); echo "read $(($? > 128))"; }; timeout_reached

echo "== limits and facts"
(ulimit -n 64; ulimit -n; ulimit -f 1; dd if=/dev/zero of=big bs=1024 count=8; true) 2>/dev/null; ls -l big | tr -s ' ' | cut -d' ' -f5
(umask 077; touch private; umask); ls -l private | cut -c1-10
test a.c -ef ./a.c && echo same file; touch -d @1000 old; [[ a.c -nt old && old -ot a.c ]] && echo newer
[ -t 0 ] || echo no terminal; [ -p /dev/stdin ] && echo a pipe
echo "$UID $EUID ${GROUPS[0]} $OSTYPE"
pushd / >/dev/null; popd >/dev/null; echo "${PWD##*/} ${DIRSTACK[0]##*/}"
mkdir -p x/y/z; cd x/y/z; cd -P ..; echo "${PWD##*/}"; cd "$OLDPWD"; echo "${PWD##*/}"; cd ../../..
type -t cd ls echo if none; hash -r; command -v cd
compgen -A builtin | wc -l
eval 'f() { local v=$1; ((v > 0)) && { echo $v; f $((v - 1)); }; }'; f 5 | tr '\n' ' '; echo
big=$(seq 1 20000); echo "${#big}"
exec 7< <(yes | head -c 200000); cat <&7 | wc -c; exec 7<&-
exit 42
