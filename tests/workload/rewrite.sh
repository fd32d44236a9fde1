# Edits a source tree and proves by patch and diff that the edits can be made and unmade.
# Uses: tar cp diff patch sed ed awk cmp expand unexpand fold nl tac rev sort uniq cut paste printf
# unix2dos dos2unix strings od hexdump xxd uuencode uudecode base64 crc32 ln readlink realpath stat
# touch mktemp chmod truncate dd bc dc factor cal date getopt timeout which find head tail wc grep.
# Arguments: ARCHIVE.tar.gz PACKAGING.tar.xz, in the working folder, which is empty besides.
umask 027
export LC_ALL=C TZ=UTC
scratch=$(mktemp -d ./scratch.XXXXXX) || exit 10
cleanup() {
    status=$?
    rm -rf "$scratch"
    echo "cleaned with $status: $(ls | grep -c '^scratch')"
}
trap cleanup EXIT
trap 'echo interrupted; exit 130' INT

step() {
    number=$((number + 1))
    echo "[$number] $1"
}
number=0

step "two copies"
tar xzf "$1" -C "$scratch"
mv "$scratch"/* "$scratch/old"
cp -a "$scratch/old" "$scratch/new"
cd "$scratch" || exit 11
diff -r old new && echo same
cp -r old/lib old/programs . && find lib programs -type f | wc -l

step "edit with sed"
find new/lib -name '*.[ch]' | sort | while read -r file; do
    sed -i -e 's/LZ4_compress/LZX_squeeze/g' -e 's/[[:space:]]*$//' -e '/^$/{N;/^\n$/D;}' "$file"
done
grep -rc LZX_squeeze new/lib | grep -v ':0$' | sort
diff -rq old new | sort
diff -ru old new > change.patch
echo "diff: $?"
grep -c '^[+-]' change.patch
sed -n -e '/^@@/{=;p;q;}' change.patch

step "undo by patch"
(cd new && patch -R -p1 < ../change.patch) | sort | uniq -c | sort -k1,1rn -k2 | head -n 20
diff -r old new && echo restored
(cd new && patch -p1 < ../change.patch > /dev/null) && diff -rq old new | wc -l
(cd new && patch -R -p1 < ../change.patch > /dev/null)
printf 'no patch\n' | patch -p1
echo "bad patch: $?"

step "edit with ed"
ed new/README.md <<'END' 2>&1
1p
/lz4/
g/Copyright/p
$a
the last line
.
w
$p
q
END
cmp old/README.md new/README.md
echo "cmp: $?"
tail -n 1 new/README.md

step "text forms"
head -n 30 old/lib/lz4.c | expand -t 4 | fold -w 40 | nl -ba | head -n 12
head -n 5 old/lib/lz4.h | tac | rev
printf 'a        b\n        c\n' | unexpand -a | od -c
printf 'one\ntwo\n' > dos.txt
unix2dos dos.txt && od -c dos.txt | head -n 2
dos2unix dos.txt && cmp dos.txt - <<'END' && echo "line ends back"
one
two
END
cut -d' ' -f1 old/NEWS | sort | uniq -c | sort -k1,1rn -k2 | head -n 5
paste -d: - - - <<'END'
1
2
3
4
5
6
END

step "binary forms"
dd if=old/lib/lz4.c of=part bs=100 skip=3 count=5 2> dd.log
sed 's/ copied.*/ copied/; s/ (.*//' dd.log
crc32 part | cut -d' ' -f1
xxd part | head -n 3
hexdump -C part | sed -n 2p
base64 part > part.64 && base64 -d part.64 | cmp - part && echo "base64 round"
uuencode part < part | sed 1d | wc -l
uuencode -m part < part | uudecode -o part.back && cmp part part.back && echo "uu round"
strings -n 12 part | head -n 3
truncate -s 250 part.back && wc -c < part.back
od -An -tu1 part.back | tr -s ' ' '\n' | grep -v '^$' | sort -n | uniq -c | sort -k1,1rn -k2n | head -n 4

step "links"
ln part hard && ln -s part soft && ln -s missing dangling
stat -c '%h %F %n' part hard soft dangling
readlink soft
cat dangling
test -e dangling || echo "dangling leads nowhere"
(cd old/lib && realpath ../README.md | sed 's|.*/old/|.../old/|')
cp part installed && chmod 711 installed && stat -c %a installed
touch -d '2001-02-03 04:05:06' installed && stat -c '%Y %y' installed | cut -c1-29
test installed -ot part && echo older
mkdir -p a/b/c && rmdir -p a/b/c && test ! -d a && echo "folders gone"

step "numbers"
echo '2^100; scale=10; 22/7' | bc
echo '16 i FF p' | dc 2>&1 || echo "dc failed"
factor 9973 1000000007 123456789012
date -u -d '2004-02-29 12:34:56' '+%A %j %s'
cal 2 2000 | tr -s ' '
awk 'BEGIN { for (i = 0; i < 5; i++) printf "%.3f %x %o %e\n", i / 3, i * 99, i * 8, i * 1e10 }'
i=0
while [ $((i += 7)) -lt 60 ]; do
    [ $((i % 2)) -eq 0 ] && continue
    echo "$i $((i * i - 1)) $((i << 3 | 1))"
done

step "options and time-outs"
show() {
    while getopts 'ab:c' option; do
        echo "option $option argument ${OPTARG:-none}"
    done
    shift $((OPTIND - 1))
    echo "rest: $*"
}
show -a -b value -c left over
getopt -o ab: --long alpha -- -b x --alpha y
timeout 1 sleep 50
echo "timeout: $?"
timeout 50 sh -c 'exit 6'
echo "no timeout: $?"
which sh cat | sed 's|.*/||'
{ echo out; echo err >&2; } 2>&1 | sort
{ ls missing-file; } 2> errors; sed 's/^.*: //' errors
set -- one 'two three' "four
five"
for word in "$@"; do
    echo "<$word>"
done
echo "${1%e} ${2#two } ${3:-x} ${#2} ${4-unset}"
IFS=:
set -- $(echo a:b:c)
echo "$# $2"
exit 0
