#!/bin/sh
# Installs the real peers and tools that the test suite runs against (Debian 12, as root).
# Everything comes from Debian's own archive; nothing is started or enabled.
set -eu

packages="
  strongswan-charon strongswan-swanctl charon-cmd
  libcharon-extra-plugins libcharon-extauth-plugins libstrongswan-extra-plugins libstrongswan-standard-plugins
  vpnc
  libpam-wrapper passwd
  postgresql
  chromium fonts-dejavu-core
  freeradius freeradius-utils
  nftables iproute2 iputils-ping conntrack curl openssl procps util-linux
  user-mode-linux kmod iptables
  gcc libc6-dev make flex bison bc xz-utils
  systemd systemd-container podman crun
"

missing=""
for package in $packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done

# The source of the very kernel that user-mode-linux is: tests/kernel/modules.py builds modules for it.
kernel_source() { dpkg-query -W -f='${Version}' linux-source-6.1 2>/dev/null || true; }
kernel_release() { ls /usr/lib/uml/modules 2>/dev/null || true; }
kernel_source_fits() { case "$(kernel_source)" in "$(kernel_release)"-*) return 0 ;; *) return 1 ;; esac }

if [ -z "$missing" ] && kernel_source_fits; then exit 0; fi

export DEBIAN_FRONTEND=noninteractive
# Packages may start services on installation; on a test machine none of them may.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update -q
# shellcheck disable=SC2086  # a list of words
[ -z "$missing" ] || apt-get install -q -y --no-install-recommends $missing
if ! kernel_source_fits; then
    release=$(kernel_release)
    version=$(apt-cache madison linux-source-6.1 | awk -v wanted="$release-" '!n && index($3, wanted) == 1 { n = 1; print $3 }')
    [ -n "$version" ] || { echo "apt has no linux-source-6.1 of version $release, which user-mode-linux is" >&2; exit 1; }
    apt-get install -q -y --no-install-recommends --allow-downgrades "linux-source-6.1=$version"
fi
