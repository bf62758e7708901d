#!/usr/bin/env bash
# Build the container image with buildah alone: no Docker, no registry. The base image is made from Debian's packages by debootstrap,
# under the name that the Dockerfile asks for. As root; packages: buildah debootstrap.
#
#   deploy/build-image.sh                   builds localhost/rotator:VERSION and :latest into the local storage
#   deploy/build-image.sh --save FILE       and writes it as an archive that `docker load` and `podman load` read
#
# Environment: SUITE (bookworm) and MIRROR (debootstrap's own default) of the base. Pip's own settings `index-url` and `cert` of the
# user who calls are used in the build and do not stay in the image.
set -euo pipefail
cd "$(dirname "$0")/.."
SUITE=${SUITE:-bookworm}
BASE=debian:$SUITE-slim
export STORAGE_DRIVER=${STORAGE_DRIVER:-vfs} BUILDAH_ISOLATION=chroot
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT

((EUID == 0)) || { echo "needs root: debootstrap and chroot" >&2; exit 2; }
for tool in buildah debootstrap python3; do
    command -v "$tool" >/dev/null || { echo "missing: $tool (apt-get install $tool)" >&2; exit 2; }
done

if ! buildah inspect --type image "$BASE" >/dev/null 2>&1; then
    echo "making the base image $BASE"
    debootstrap --variant=minbase "$SUITE" "$work/base" ${MIRROR:+"$MIRROR"} >"$work/debootstrap.log" ||
        { tail -n 20 "$work/debootstrap.log" >&2; exit 1; }
    rm -rf "$work/base"/var/cache/apt/archives/*.deb "$work/base"/var/lib/apt/lists/*
    container=$(buildah from scratch)
    buildah copy --quiet "$container" "$work/base" / >/dev/null
    buildah config --cmd bash "$container"
    buildah commit --quiet --rm "$container" "$BASE" >/dev/null
    rm -rf --one-file-system "$work/base"
fi

# Pip's settings for the build: where it looks, and whom it trusts. Both are mounted, and never become a layer.
printf '[global]\n' >"$work/pip.conf"
: >"$work/ca.pem"
index=${PIP_INDEX_URL:-$(python3 -m pip config get global.index-url 2>/dev/null || true)}
cert=${PIP_CERT:-$(python3 -m pip config get global.cert 2>/dev/null || true)}
[[ -z $index ]] || printf 'index-url = %s\n' "$index" >>"$work/pip.conf"
[[ -z $cert ]] || { cp "$cert" "$work/ca.pem" && printf 'cert = /run/ca.pem\n' >>"$work/pip.conf"; }
chmod 600 "$work/pip.conf"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
buildah build --pull-never --format docker --build-arg "BASE=$BASE" \
    --secret "id=pip.conf,src=$work/pip.conf" --secret "id=ca.pem,src=$work/ca.pem" \
    --label "org.opencontainers.image.version=$version" --label "org.opencontainers.image.revision=$revision" \
    --tag "localhost/rotator:$version" --tag localhost/rotator:latest .

if [[ ${1:-} == --save ]]; then
    buildah push --quiet localhost/rotator:latest "docker-archive:$2:rotator:$version"
fi
buildah images --filter reference=localhost/rotator
