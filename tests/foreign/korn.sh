# A session of mksh: another shell, of the Korn family, with another library below.
umask 022
mkdir work && cd work || exit 1
print -r -- "== expansion"
typeset -i base=10 n=0; for i in 1 2 3 4 5; do ((n += i * base)); done; print $n
typeset -u upper=abc; typeset -l lower=ABC; typeset -Z5 zeros=42; print $upper $lower $zeros
set -A list one two three; list[5]=six; print ${list[1]} ${#list[*]} ${!list[*]}
x=path/to/file.tar.gz; print ${x##*/} ${x%%.*} ${x%.gz} ${x/to/from} ${x:5:2}
case abc123 in +([a-z])+([0-9])) print letters then digits;; esac
touch a.c b.c c.h; print *.c !(*.c) @(a|b).c
print $((7 / 2)) $((7 % 3)) $((1 << 20)) $((16#ff))
function outer { typeset v=inner; show; }; show() { print ${v:-unset}; }; v=global; outer; show
print -- "== descriptors"
exec 5<>both; print -u5 one; print -u5 two; exec 5<&-; cat both
print "from a pipe" | read -r line; print "${line:-nothing}"
print a b c | while read -r p q r; do print "$r $q $p"; done
cat <<-END
	tabs are gone, $n stays
	END
cat |& print -p hello; exec 4>&p; exec 4>&-; read -p answer; print $answer
{ print out; print -u2 err; } 2>&1 | sort
read -rN 3 part <both; print $part
print -- "== processes"
(exit 3); print $?
false | true; print $?; true | false; print $?
sleep 100 & kill -KILL $!; wait $!; print "ended $?"
for i in 3 1 2; do (exit $i) & pids="$pids $!"; done; sum=0
for pid in $pids; do wait $pid; sum=$((sum + $?)); done; print "sum $sum"
trap 'print got USR1' USR1; kill -USR1 $$; trap - USR1
( trap 'print leaving' EXIT; exit 4 ); print $?
none 2>/dev/null; print $?
./a.c 2>/dev/null; print $?
print '#!/bin/sh\necho "script: $*"' >script; chmod +x script; ./script x 'y z'
print $(print nested $(print deeper)) `print backquotes`
time_it() { sleep 0.02; }; time_it && print slept
set -o | grep -c .
big=$(seq 1 5000); print ${#big}
yes | head -c 100000 | wc -c
ulimit -n 50; ulimit -n
cd /; print $PWD; cd -; print ${PWD##*/}
[[ -f both && ! -d both && a.c -ef ./a.c ]] && print files
whence -v cd | head -1
exit 17
