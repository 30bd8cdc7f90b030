#!/bin/sh
# Finishes the base image once packages are unpacked: does what they would do when they are installed,
# notes for scanners what is in it, and takes out what a service does not need.
#   base.sh ROOT PYTHON     where PYTHON is of the image's minor version
set -eu
root=$1 python=$2
mkdir -p "$root/var/lib/dpkg/status.d"
for deb in "$root"/var/cache/apt/archives/*.deb; do
    dpkg-deb --field "$deb" > "$root/var/lib/dpkg/status.d/$(dpkg-deb --field "$deb" Package)"
done
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
    "$root/usr/lib/python3.11/pydoc_data" "$root/usr/lib/python3.11/lib2to3" "$root/usr/share/perl5" \
    "$root/usr/sbin" "$root/sbin" "$root/bin"
# Of programs, Python alone is left.
find "$root/usr/bin" -mindepth 1 ! -name python3 ! -name python3.11 -delete
find "$root/usr/share/doc" -type f ! -name copyright -delete
# Else every start of every service would compile what it imports: nothing is written in an image. By
# hash, and with the sets of constants in one order: the same sources make the same bytes.
PYTHONHASHSEED=0 "$python" -m compileall -q -j 1 --invalidation-mode unchecked-hash \
    -s "$root" -p / "$root/usr/lib/python3.11"
