#!/bin/sh
# Finishes the base image: what packages would do when they are installed, and less of what they bring.
set -eu
root=$1
echo 'root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
homeroom:x:65532:65532:Homeroom:/var/lib/homeroom:/sbin/nologin' > "$root/etc/passwd"
echo 'root:x:0:
nogroup:x:65534:
homeroom:x:65532:' > "$root/etc/group"
cat "$root"/usr/share/ca-certificates/mozilla/*.crt > "$root/etc/ssl/certs/ca-certificates.crt"
mkdir -p "$root/var/lib/homeroom" "$root/tmp"
chown 65532:65532 "$root/var/lib/homeroom"
chmod 1777 "$root/tmp"
rm -rf "$root/usr/share/man" "$root/usr/share/info" "$root/usr/share/locale" "$root/usr/share/lintian" \
    "$root/usr/lib/python3.11/pydoc_data" "$root/usr/lib/python3.11/lib2to3" "$root/usr/bin/openssl"
rm -rf "$root"/usr/bin/dpkg* "$root"/usr/sbin/dpkg* "$root"/usr/bin/pydoc* "$root"/usr/bin/pygettext* \
    "$root"/var/log/* "$root"/var/cache/* "$root"/etc/apt
find "$root/usr/share/doc" -type f ! -name copyright -delete
