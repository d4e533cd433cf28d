#!/usr/bin/env bash
# Fetches the packages the mini world is built from and unpacks them into DIR:
#
#   scripts/fetch-world-sources.sh DIR
#   byteedit world build --from DIR --out assets
#
# Versions and checksums are pinned. Needs apt-get (with the package lists updated), dpkg-deb, npm,
# tar and sha256sum; about 180 MB are fetched. Nothing is installed.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
mkdir -p "$1"
cd "$1"

# checked FILE SHA256: fails, and removes the file, unless it is exactly the pinned one.
checked() {
    echo "$2  $1" | sha256sum --check --quiet || { rm -f "$1"; exit 1; }
}

# debian NAME VERSION SHA256
debian() {
    local file="$1_$2_all.deb"
    [ -f "$file" ] || apt-get download "$1=$2"
    checked "$file" "$3"
    dpkg-deb -x "$file" "$1"
}

# npm_package NAME VERSION FILE SHA256 FOLDER
npm_package() {
    [ -f "$3" ] || npm pack --silent "$1@$2" >&2
    checked "$3" "$4"
    mkdir -p "$5"
    tar -xzf "$3" -C "$5"
}

debian gcompris-qt-data 3.1-2 e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f
debian sweethome3d-furniture 1.8-1 3ccb90c63f9525e887a767b9cd5c8b6933b8b6b2973a615a5359ee68a2118668
npm_package @lobehub/fluent-emoji-3d 1.1.0 lobehub-fluent-emoji-3d-1.1.0.tgz \
    c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58 fluent-emoji-3d
npm_package unicode-emoji-json 0.9.0 unicode-emoji-json-0.9.0.tgz \
    ae7efacb55533385bf8767d613dbd36c71226669759d95919a6e9059f5e4c401 unicode-emoji-json
