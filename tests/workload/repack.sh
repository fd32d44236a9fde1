# Packs a tree again in several ways, sends it through pipes and fifos, and checks every copy.
# Uses: tar cpio gzip gunzip zcat bzip2 bunzip2 bzcat xzcat sha512sum sha3sum md5sum dd cat tee
# mkfifo find sort xargs head tail wc cmp diff awk sed tr seq printf sleep id uname kill stat touch
# chown rm mv cp ls setsid setpriv chroot yes shuf env.
# Arguments: ARCHIVE.tar.gz PACKAGING.tar.xz, in the working folder, which is empty besides.
umask 077
export LC_ALL=C TZ=UTC
fail=0

check() {
    if cmp -s "$2" "$3"; then
        echo "same: $1"
    else
        echo "DIFFERENT: $1"
        fail=$((fail + 1))
    fi
}

finish() {
    echo "differences: $fail"
}
trap finish EXIT

echo "--- unpack as a stream"
mkdir in
zcat "$1" | (cd in && tar xf -)
xzcat "$2" | tar xf - -C in
mv in/lz4-* in/code
(cd in && find . -type f | sort | xargs sha512sum) > sums
wc -l < sums
sha512sum sums | cut -c1-64
find in | sort | xargs touch -h -d '2010-01-02 03:04:05'
find in -type f | sort | xargs chown 3:4
find in -type f | sort | xargs stat -c '%u:%g %a %Y' | sort | uniq -c
find in -type f | sort | xargs chown 0:0

echo "--- archives"
(cd in && find . | sort > ../list && xargs tar cf ../a.tar --no-recursion < ../list)
(cd in && cpio -o -H newc < ../list > ../a.cpio 2> ../cpio.log)
wc -c < a.tar
sha3sum a.tar | cut -c1-48
tar tvf a.tar | head -n 5
mkdir out1 out2
tar xf a.tar -C out1
(cd out2 && cpio -idm < ../a.cpio 2> /dev/null)
diff -r in out1 && echo "tar round"
diff -r in out2 && echo "cpio round"
find out2 -type f | sort | head -n 3 | xargs stat -c '%u:%g %a %Y %n'
tar tf a.tar | sort | cmp - list
echo "names: $?"
find . -name '*.gz' -o -name 'a.*' | sort

echo "--- compressors"
for level in 1 6 9; do
    gzip -$level -c a.tar > a.$level.gz
    gunzip -c a.$level.gz | cmp - a.tar && echo "gzip $level round"
done
test "$(wc -c < a.9.gz)" -le "$(wc -c < a.1.gz)" && echo "9 is no larger than 1"
wc -c < a.6.gz
md5sum < a.6.gz
bzip2 -c a.tar | tee a.bz2 | bunzip2 -c | md5sum
md5sum < a.tar
bzcat a.bz2 | head -c 1000 | md5sum
cp a.6.gz damaged.gz
printf 'XXXX' | dd of=damaged.gz bs=1 seek=5000 conv=notrunc 2> /dev/null
gunzip -t damaged.gz 2> /dev/null
echo "damaged: $?"
head -c 3000 a.6.gz | gunzip -c > short 2> /dev/null
echo "truncated: $?"
gzip -c missing 2> /dev/null
echo "missing: $?"

echo "--- through fifos"
mkfifo first second third
cat a.tar > first &
(gzip -c < first > second; echo "packer: $?" > packer) &
(gunzip -c < second > third; echo "unpacker: $?" > unpacker) &
md5sum < third > sum &
wait
cat packer unpacker sum
for n in 1 2 3 4; do
    (
        sleep 0.$((5 - n))
        yes "worker $n" | head -n $((n * 1000)) > "work.$n"
        exit $n
    ) &
    eval "pid$n=\$!"
done
for n in 4 2 3 1; do
    eval "wait \$pid$n"
    echo "worker $n: $? $(wc -l < work.$n)"
done
seq 1 20000 | tee copy | awk '{ s += $1 } END { print s }'
seq 1 20000 | cmp - copy
check "tee" copy copy
tail -n 2 copy | tr '\n' ' '
echo

echo "--- in pieces"
size=$(wc -c < a.tar)
piece=0
while [ $((piece * 262144)) -lt "$size" ]; do
    dd if=a.tar of=piece.$piece bs=65536 skip=$((piece * 4)) count=4 2> /dev/null &
    piece=$((piece + 1))
done
wait
echo "pieces: $piece"
n=0
: > whole
while [ $n -lt $piece ]; do
    cat piece.$n >> whole
    n=$((n + 1))
done
check "pieces" whole a.tar
ls piece.* | wc -l
rm piece.*
dd if=/dev/zero bs=1024 count=300 2> /dev/null | tr '\0' 'z' | gzip -9 | gunzip | wc -c
seq 1 100 | shuf | sort -n | md5sum
seq 1 100 | md5sum

echo "--- processes"
sh -c 'echo "child of its own: $(test $$ -ne '$$' && echo yes)"'
setsid sh -c 'echo "in a session: $1 $2"' name a b
setpriv --nnp sh -c 'echo "no new privileges"' || echo "setpriv: $?"
chroot . /no/such/shell 2> /dev/null
echo "chroot: $?"
(command -v nohup > /dev/null || echo "no nohup here")
id -u
uname -s
env - PATH="$PATH" sh -c 'echo "${HOME-no home} ${LC_ALL-no locale}"'
(trap '' TERM; kill -TERM $(sh -c 'echo $PPID'); echo "ignored term")
sh -c 'kill -9 $$'
echo "killed itself: $?"
sh -c 'ulimit -n 16; exec 17> /dev/null' 2> /dev/null
echo "over the limit: $?"
(ulimit -f 1; yes > big) 2> /dev/null
echo "too big: $? $(wc -c < big)"
exec 5> held && echo "through five" >&5 && exec 5>&- && cat held
exec 3< list
read -r one <&3
read -r two <&3
echo "$one $two"
exec 3<&-
cat << END | while read -r left right; do echo "$right $left"; done
alpha beta
gamma delta
END
test $fail -eq 0
