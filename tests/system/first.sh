# A first look at the booted system, each line of whose output is known.
for n in 1 2 3; do sh -c "exit $n"; echo "child ended with $?"; done
mkdir -p /tmp/a/b && cp /etc/passwd /tmp/a/b/p && mv /tmp/a/b/p /tmp/a/q && find /tmp/a
echo x > /dev/null && echo "written into nothing"
dd if=/dev/zero of=/tmp/zeros bs=4 count=2 2>/dev/null && od -An -tx1 /tmp/zeros && rm /tmp/zeros
ls -l /dev > /tmp/devices && sed -n 's/  */ /g;s/^\([cl][^ ]*\) .* \([a-z]* -> .*\|[a-z]*\)$/\1 \2/p' /tmp/devices && rm /tmp/devices
sha256sum /etc/passwd
echo a b | tr a-z A-Z | cat
i=0; while [ $i -lt 2000 ]; do echo "$i"; i=$((i + 1)); done | cat | wc -l
rm -r /tmp/a && echo done
