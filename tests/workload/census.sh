# Unpacks a source archive and takes stock of it: counts, tables, sums, searches.
# Uses: tar gzip xz find sort uniq wc grep awk sed cut tr head tail md5sum sha256sum sha1sum xargs
# mkfifo tee cat paste expr seq sleep kill basename dirname stat chmod rm mkdir printf test env.
# Arguments: ARCHIVE.tar.gz PACKAGING.tar.xz, in the working folder, which is empty besides.
umask 022
export LC_ALL=C TZ=UTC
archive=$1
packaging=$2
trap 'echo "trap: exit $?"' EXIT
trap 'echo "trap: usr1"' USR1

section() {
    printf '== %s ==\n' "$*"
}

section unpack
mkdir source
tar xzf "$archive" -C source || exit 10
tar xJf "$packaging" -C source || exit 11
top=$(cd source && ls | grep -v '^debian$')
echo "top: $(ls source | wc -l) entries, debian is $(test -d source/debian && echo there)"
mv "source/$top" tree
mv source/debian tree/debian
rmdir source
cd tree || exit 12

section count
find . | sort > ../names
wc -l < ../names
for kind in f d l; do
    printf '%s %d\n' $kind "$(find . -type $kind | wc -l)"
done
find . -type f -perm -100 | sort | sed 's/^/executable: /'
find . -type f -name '*.[ch]' | sort | xargs wc -lc | tail -n 1
find . -type f -size +20 | sort | xargs stat -c '%s %n' | sort -rn | head -n 8

section by suffix
find . -type f | sed -e 's|.*/||' -e '/\./!s/.*/none/' -e 's/.*\.//' | sort | uniq -c |
    sort -k1,1rn -k2 | awk '{ printf "%-12s %4d\n", $2, $1 }'

section words
find . -name '*.c' | sort | xargs cat | tr -cs 'A-Za-z_' '\n' | grep -v '^$' | sort | uniq -c |
    sort -k1,1rn -k2,2 | head -n 25 | awk '{ total += $1; print } END { print total " in all" }'
grep -rhoE 'LZ4_[A-Za-z]+\(' . | sort | uniq -c | sort -k1,1rn -k2 | head -n 15

section sums in parallel
mkfifo ../m ../s
find . -type f | sort | tee ../m ../s > ../files &
xargs md5sum < ../m > ../md5 &
first=$!
(
    while read -r name; do
        sha256sum "$name"
    done < ../s > ../sha256
    exit 3
) &
second=$!
wait $first
echo "md5 status $?"
wait $second
echo "sha256 status $?"
wait
rm ../m ../s
sort -k2 ../md5 | md5sum | cut -c1-32
sort -k2 ../sha256 | sha1sum | cut -d' ' -f1
md5sum -c ../md5 | grep -vc ': OK$'
cut -c1-2 ../md5 | sort | uniq -c | sort -k1,1rn -k2 | head -n 3
echo damaged >> Makefile.damaged
sed 's|\./README.md|./Makefile.damaged|' ../md5 > ../md5.wrong
md5sum -c ../md5.wrong 2>&1 | grep -v ': OK$'
rm Makefile.damaged

section a table
find . -mindepth 1 -maxdepth 1 -type d | sort | while read -r folder; do
    files=$(find "$folder" -type f | wc -l)
    bytes=$(find "$folder" -type f | sort | xargs cat | wc -c)
    lines=$(find "$folder" -type f | sort | xargs cat | wc -l)
    printf '%s\t%s\t%s\t%s\n' "$(basename "$folder")" "$files" "$bytes" "$lines"
done > ../table
awk -F'\t' '
    { files += $2; bytes += $3; lines += $4; printf "%-12s %5d %9d %7d\n", $1, $2, $3, $4 }
    END { printf "%-12s %5d %9d %7d\n", "sum", files, bytes, lines }' ../table
cut -f1 ../table | paste -s -d, -
expr "$(cut -f2 ../table | head -n 1)" + 1

section signals
kill -USR1 $$
(
    trap 'echo "child got term"; exit 9' TERM
    echo ready > ../ready
    while :; do
        sleep 1
    done
) &
child=$!
until test -s ../ready; do
    sleep 0.05
done
kill -TERM $child
wait $child
echo "child status $?"
sleep 100 &
kill -KILL $!
wait $! 2> /dev/null # whether the shell says "Killed" depends on when it sees the end
echo "killed status $?"

section failures
cat ./no/such/file
echo "cat: $?"
false | true
echo "pipe: $?"
true | false
echo "pipe: $?"
(cd ./no/such/folder && echo never) || echo "cd failed"
no-such-command
echo "command: $?"
chmod 000 README.md
stat -c '%a %n' README.md
chmod 644 README.md
env -i A=1 B=2 env | sort
(set -e; false; echo never)
echo "set -e: $?"
(exit 7) && echo never || echo "subshell: $?"

section here documents
cat <<END | tr 'a-z' 'A-Z'
the tree has $(wc -l < ../names) names
and \$HOME stays
END
cat <<'END' | sed 's/^/| /'
$nothing `is` expanded
	a tab
END
seq 1 10 | while read -r n; do
    case $n in
    3 | 5) continue ;;
    8) break ;;
    *) echo "n=$n $(dirname "a/b$n/c")" ;;
    esac
done
exit 5
