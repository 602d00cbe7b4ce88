#!/usr/bin/env bash
# Runs a command where a container engine answers: `tools/image/with_engine.sh COMMAND …`.
#
# Docker or Podman that answers is used as it is. Otherwise, as root on Debian or Ubuntu, this script installs Podman,
# sets it up in a mount namespace of its own, and makes a base image with debootstrap: no registry is needed.
# What it makes is kept in SITEWRIGHT_PODMAN_HOME. Outside of that folder and of apt's packages it changes nothing.
set -euo pipefail

home=${SITEWRIGHT_PODMAN_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/sitewright/podman}
suite=trixie
base=localhost/sitewright-base:$suite
packages=(podman crun conmon netavark debootstrap iptables)

say() { echo "with_engine: $*" >&2; }
fail() {
  say "$1"
  say "$2"
  exit 1
}

docker_answers() { command -v docker >/dev/null && timeout 20 docker ps --quiet >/dev/null 2>&1; }

# `podman ps` answers also where no container can run, so one is run: the machine's own `true`, in an empty folder.
podman_runs() {
  command -v podman >/dev/null || return 1
  local folder status=0
  folder=$(mktemp -d)
  timeout 60 podman run --rm --network=host --volume=/usr:/usr:ro --volume=/lib:/lib:ro --volume=/lib64:/lib64:ro \
    --rootfs "$folder" /usr/bin/true >/dev/null 2>&1 || status=1
  rm -rf "$folder"
  return $status
}

install_packages() {
  local missing=()
  for command in podman crun conmon debootstrap; do command -v "$command" >/dev/null || missing+=("$command"); done
  [ ${#missing[@]} = 0 ] && return
  command -v apt-get >/dev/null || fail \
    "no container engine answers, and there is no apt-get to install one (missing: ${missing[*]})." \
    "Install Docker or Podman, start it, and try again."
  say "installing Podman and debootstrap with apt-get (missing: ${missing[*]})"
  apt-get update -q >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${packages[@]}" >&2 \
    || fail "apt-get could not install ${packages[*]}." "It needs Debian's package mirror: check the network, or install Docker or Podman."
}

# A namespace of its own: what is mounted and unmounted here, the machine does not see.
enter_namespace() {
  SITEWRIGHT_PODMAN_NAMESPACE=1 exec unshare --mount --propagation private -- "$0" "$@"
}

# Without cgroups containers have no limits of memory and CPU, and no cgroup file system needs to be writable.
set_up() {
  # Podman takes a machine with this mount for one with cgroups of both versions, and refuses it.
  mountpoint -q /sys/fs/cgroup/unified && umount /sys/fs/cgroup/unified
  mkdir -p "$home"
  # A file system in memory: after a restart of the machine Podman must find it empty.
  local run=/dev/shm/sitewright-podman-$(printf %s "$home" | cksum | cut -d' ' -f1)
  cat >"$home/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$home/storage"
runroot = "$run/storage"
END
  cat >"$home/containers.conf" <<END
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]
log_driver = "k8s-file"
[engine]
runtime = "crun"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "$run/libpod"
END
  export CONTAINERS_STORAGE_CONF=$home/storage.conf CONTAINERS_CONF=$home/containers.conf
  export SITEWRIGHT_CONTAINER_ENGINE=podman
  podman ps --quiet >/dev/null || fail "Podman is installed but does not answer." "Correct what it says above."
}

make_base() {
  podman image exists "$base" && return
  local tar=$home/base-$suite.tar folder=$home/base-$suite
  if [ ! -s "$tar" ]; then
    say "making the base image with debootstrap $suite: about a minute"
    rm -rf "$folder"
    # gpgv checks the packages with the keys of the installed keyring.
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$suite" "$folder" >"$home/debootstrap.log" 2>&1 \
      || fail "debootstrap failed: $(tail -1 "$home/debootstrap.log")" "The whole output is in $home/debootstrap.log; it needs Debian's package mirror."
    rm -rf "$folder"/var/cache/apt/archives/*.deb "$folder"/var/lib/apt/lists/*
    tar --create --numeric-owner --one-file-system --directory "$folder" --file "$tar.part" .
    mv "$tar.part" "$tar"
    rm -rf "$folder"
  fi
  podman import --quiet "$tar" "$base" >/dev/null
}

[ $# -gt 0 ] || fail "no command given." "Use: $0 COMMAND [ARGUMENT …]"

if [ -z "${SITEWRIGHT_PODMAN_NAMESPACE:-}" ]; then
  if [ -n "${SITEWRIGHT_CONTAINER_ENGINE:-}" ] || docker_answers || podman_runs; then exec "$@"; fi
  [ "$(id -u)" = 0 ] || fail \
    "no container engine answers, and only root can set Podman up." \
    "Install Docker or Podman and start it, or run this as root."
  install_packages
  enter_namespace "$@"
fi

set_up
export SITEWRIGHT_BASE_IMAGE=${SITEWRIGHT_BASE_IMAGE:-$base}
[ "$SITEWRIGHT_BASE_IMAGE" = "$base" ] && make_base
exec "$@"
